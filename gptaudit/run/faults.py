"""Faults of plugins: each is recorded under the plugin's name, and the audit goes on without what the call was for."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from gptaudit.errors import PluginCallError
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe
from gptaudit.records import Measurement, PluginFault
from gptaudit.run.folder import TRACEBACK


class Faults:
    """The faults of one run. The traceback of each goes into `traceback.txt` in the folder, where there is one."""

    def __init__(self, plugins: Plugins, folder: Path | None) -> None:
        self.plugins = plugins
        self._folder = folder
        self._found: dict[tuple[str | None, ...], PluginFault] = {}
        self.lost: dict[str, PluginFault] = {}
        """The fault that cost each probe its figures, by the probe's id."""

    @property
    def found(self) -> tuple[PluginFault, ...]:
        """The faults so far."""
        return tuple(self._found.values())

    def of_probe(self, probe: str, error: PluginCallError) -> PluginFault:
        """Record a call that costs a probe its figures; it is the fault of who registered the probe, unless named."""
        plugin = error.plugin or self._owner("probes", probe)
        fault = self._record(plugin, error.call, error.error, lost="probe", probe=probe, case=error.case)
        return self.lost.setdefault(probe, fault)

    def of_report(self, reporter: str, error: BaseException) -> PluginFault:
        """Record a report that could not be rendered."""
        return self._record(self._owner("reporters", reporter), f"report {reporter}", error, lost="report")

    def measured(self, probe: Probe, measurement: Measurement) -> None:
        """Show the plugins a case as it is measured."""
        self.observe("gptaudit_case_measured", probe=probe, measurement=measurement)

    def observe(
        self,
        hook: str,
        accept: Callable[[Any], object] | None = None,
        **arguments: Any,  # noqa: ANN401 - as the hook has them
    ) -> list[Any]:
        """Call a hook of every plugin; return what they returned, in the order of loading.

        `accept` raises for a return value that is not what the hook asks for.
        """
        returned: list[Any] = []
        for plugin, call in self.plugins.implementing(hook):
            try:
                values = call(**arguments)
                if accept is not None:
                    for value in values:
                        accept(value)
                returned += values
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is recorded under its name
                self._record(plugin, hook, error)
        return returned

    def _owner(self, kind: str, name: str) -> str:
        """Name the plugin that registered a thing; suite files of the user's own are read by the built-in probes."""
        return self.plugins.owner(kind, name) or "gptaudit.probes"

    def _record(
        self,
        plugin: str,
        call: str,
        error: BaseException,
        *,
        lost: Literal["probe", "report"] | None = None,
        probe: str | None = None,
        case: str | None = None,
    ) -> PluginFault:
        key = (plugin, call, probe)
        if key in self._found:
            fault = replace(self._found[key], times=self._found[key].times + 1)
        else:
            fault = PluginFault(plugin, call, f"{type(error).__name__}: {error}", lost, probe, case)
            self._keep(fault, error)
        self._found[key] = fault
        return fault

    def _keep(self, fault: PluginFault, error: BaseException) -> None:
        """Add the traceback of the first time to the others in the folder."""
        if self._folder is None:
            return
        text = f"{fault}\n\n{''.join(traceback.format_exception(error))}\n"
        with (
            suppress(OSError),
            (self._folder / TRACEBACK).open("a", encoding="utf-8") as file,
        ):
            file.write(text)
