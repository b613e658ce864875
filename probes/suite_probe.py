"""What probes share that are made from a suite file."""

from __future__ import annotations

from gptaudit.probe import Probe, ProbeContext
from gptaudit.records import DataSource
from gptaudit.suite import Suite


class SuiteProbe(Probe):
    """A probe that is called what its suite file says."""

    def __init__(self, suite: Suite, source: DataSource) -> None:
        self.id = suite.id
        self.title = suite.title
        self.suite = suite.suite
        self.version = suite.version
        self.goal = suite.goal
        self.sees = suite.sees
        self._source = source

    def source(self, context: ProbeContext) -> DataSource:  # noqa: ARG002 - the suite is all it needs
        """Name the suite file."""
        return self._source
