"""Reporters: report formats, and the sections that plugins add to the HTML report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptaudit.language import ENGLISH

if TYPE_CHECKING:
    from pathlib import Path

    from gptaudit.records import AuditResult, Measurement


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A plugin's section of the HTML report. `body` is escaped unless it is `markupsafe.Markup`."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a reporter may use besides the results."""

    sections: Sequence[ReportSection]
    """Sections of plugins, for a page that people read."""
    folder: Path
    """The run folder. A reporter reads there what it needs, and writes nothing: what it returns is written."""
    measurements: Callable[[str], Iterator[Measurement]]
    """Yields the measurements of a probe, by its id, in the order of its cases and one at a time: an audit may have
    more than fit in memory. It yields none where the evidence of the audit is not in the run folder."""
    language: str = ENGLISH
    """Language of `gptaudit.language.LANGUAGES` that a report for people is told in."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A report format, chosen by `--report NAME` and written to `file_name` in the run folder.

    `render` returns the content of the file, a text or bytes, the same each time.
    """

    name: str
    title: str
    file_name: str
    render: Callable[[AuditResult, ReportContext], str | bytes]
