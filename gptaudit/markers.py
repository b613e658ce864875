"""What gptaudit is called and its version, and the pluggy markers for hooks and the functions that implement them."""

from __future__ import annotations

import pluggy

PROJECT = "gptaudit"
"""Name of the hooks, and of the entry-point group that names plugins."""

VERSION = "0.1.0"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a function as an implementation of the hook of its name; `@hookimpl(trylast=True)` runs it after all others."""
