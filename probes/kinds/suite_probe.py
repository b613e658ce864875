"""Shared base of the probes of suite files."""

from __future__ import annotations

from gptaudit.probes.kinds.suite_file import SuiteFile

from gptaudit.probe import Probe, ProbeContext
from gptaudit.records import DataSource


class SuiteProbe(Probe):
    """A probe with the id, title, suite, version, language and goal of its suite file."""

    def __init__(self, file: SuiteFile, source: DataSource) -> None:
        self.id = file.id
        self.title = file.title
        self.suite = file.suite
        self.version = file.version
        self.language = file.language
        self.goal = file.goal
        self.sees = file.sees
        self._source = source

    def source(self, context: ProbeContext) -> DataSource:  # noqa: ARG002 - needs only the suite file
        """Return the source of the suite file."""
        return self._source
