"""What a reporter is, and writing reports. The built-in ones live in `reports/`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptaudit.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from gptaudit.plugins import Plugins
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


def choose_reporters(plugins: Plugins, names: Sequence[str]) -> list[Reporter]:
    """Return the reporters of these names, each once. Raises `UsageError` for a name that is not known."""
    from gptaudit.validation import nearest

    known = plugins.reporters
    unknown = [name for name in names if name not in known]
    if unknown:
        msg = f"--report {unknown[0]}: no such format.{nearest(unknown[0], known)}"
        raise UsageError(msg)
    return [known[name] for name in dict.fromkeys(names)]


def write_reports(
    plugins: Plugins, result: AuditResult, names: Sequence[str], folder: Path, *, keep: Path | None = None
) -> list[Path]:
    """Write each named report into `folder`, and return the files.

    Raises `UsageError`, before anything is written, for a name that is not known, and where a report would
    replace the file `keep`.
    """
    from gptaudit.results import write_atomic

    reporters = choose_reporters(plugins, names)
    for reporter in reporters:
        if keep and (folder / reporter.file_name).resolve() == keep.resolve():
            msg = f"--report {reporter.name} would replace {keep}, which is being read. Name another folder with -o"
            raise UsageError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be made: {error.strerror or error}. Choose another folder with -o"
        raise UsageError(msg) from None
    offered = plugins.hook.gptaudit_report_sections(result=result)
    # pluggy calls the plugin that was loaded last first
    sections = [section for some in reversed(offered) for section in some]
    written = []
    for reporter in reporters:
        path = folder / reporter.file_name
        write_atomic(path, reporter.render(result, sections))
        written.append(path)
    return written
