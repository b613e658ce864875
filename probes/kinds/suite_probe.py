"""What probes share that are made from a suite file."""

from __future__ import annotations

from gptaudit.probes.kinds.suite_file import SuiteFile

from gptaudit.probe import Probe, ProbeContext
from gptaudit.records import DataSource


class SuiteProbe(Probe):
    """A probe that is called what its suite file says."""

    def __init__(self, file: SuiteFile, source: DataSource) -> None:
        self.id = file.id
        self.title = file.title
        self.suite = file.suite
        self.version = file.version
        self.goal = file.goal
        self.sees = file.sees
        self._source = source

    def source(self, context: ProbeContext) -> DataSource:  # noqa: ARG002 - the suite is all it needs
        """Name the suite file."""
        return self._source
