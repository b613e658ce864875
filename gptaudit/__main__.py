"""`python -m gptaudit`."""

from __future__ import annotations

from gptaudit.cli import main

main()
