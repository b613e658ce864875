"""The marks by which plugins' functions and hooks find each other."""

from __future__ import annotations

import pluggy

PROJECT = "gptaudit"
"""Name of the hooks, and of the entry-point group that names plugins."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a function as the implementation of the hook whose name it has; `@hookimpl(trylast=True)`: after all others."""
