"""Writing the reports of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gptaudit.errors import UsageError
from gptaudit.files import write_atomic
from gptaudit.plugins import Plugins
from gptaudit.protocols.reporter import Reporter
from gptaudit.records import AuditResult
from gptaudit.validation import nearest


def choose_reporters(plugins: Plugins, names: Sequence[str]) -> list[Reporter]:
    """Return the reporters of these names, each once. Raises `UsageError` for a name that is not known."""
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
