"""Plugins that look installed."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace


def install(monkeypatch, **plugins):
    """Make plugins look installed: each is an object, or an exception that its import raises."""

    class Fake(EntryPoint):
        def load(self):
            plugin = plugins[self.name]
            if isinstance(plugin, BaseException):
                raise plugin
            return plugin

    found = [Fake(name=name, value=f"module_of_{name}", group="gptaudit") for name in plugins]
    for fake in found:
        vars(fake)["dist"] = SimpleNamespace(name=f"dist-{fake.name}", version="3.1")
    monkeypatch.setattr("gptaudit.plugins.entry_points", lambda group: found)
