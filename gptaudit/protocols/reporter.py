"""Reporters: report formats, and the sections that plugins add to the HTML report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptaudit.records import AuditResult


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A plugin's section of the HTML report. `body` is escaped unless it is `markupsafe.Markup`."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Reporter:
    """A report format, chosen by `--report NAME` and written to `file_name` in the run folder."""

    name: str
    title: str
    file_name: str
    render: Callable[[AuditResult, Sequence[ReportSection]], str]
