"""Pluggy markers for hooks and for the functions that implement them."""

from __future__ import annotations

import pluggy

PROJECT = "gptaudit"
"""Name of the hooks, and of the entry-point group that names plugins."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a function as an implementation of the hook of its name; `@hookimpl(trylast=True)` runs it after all others."""
