"""Writing the reports of an audit."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from gptaudit.errors import UsageError
from gptaudit.evidence.results_file import results_text
from gptaudit.evidence.stored import FILE_NAME as STORE
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.files import write_atomic
from gptaudit.language import ENGLISH
from gptaudit.plugins import Plugins
from gptaudit.protocols.reporter import ReportContext, Reporter, ReportSection
from gptaudit.records import AuditResult, Measurement
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS

BUILT_IN_REPORTS = "gptaudit.reports"


def choose_reporters(plugins: Plugins, names: Sequence[str]) -> list[Reporter]:
    """Return the reporters of these names, each once. Raises `UsageError` for a name that is not known."""
    return [plugins.find("reporters", name, f"--report {name}") for name in dict.fromkeys(names)]


def write_reports(
    faults: Faults,
    result: AuditResult,
    names: Sequence[str],
    folder: Path,
    *,
    keep: Path | None = None,
    language: str = ENGLISH,
) -> tuple[AuditResult, list[Path]]:
    """Write each named report into `folder`; return the result as it was reported, with all faults, and the files.

    The result's binding names the hash of each report that is written, for the `json` that comes last.

    A plugin's report that cannot be rendered, and sections that cannot be made, are left out and recorded. Raises
    `UsageError`, before anything is written, for a name that is not known, and where a report would replace the file
    `keep`, the results that are reported; without it, `folder` is the run folder.
    """
    reporters = choose_reporters(faults.plugins, names)
    for reporter in reporters:
        if keep and (folder / reporter.file_name).resolve() == keep.resolve():
            msg = f"--report {reporter.name} would replace {keep}, which is being read. Name another folder with -o"
            raise UsageError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be made: {error.strerror or error}. Choose another folder with -o"
        raise UsageError(msg) from None
    run_folder = keep.parent if keep else folder
    evidence = _Evidence(run_folder)
    sections = list(_sections(faults, result))
    context = ReportContext(sections, run_folder, evidence.measurements, language)
    written = []
    for reporter in reporters:
        result = with_faults(result, faults)
        path = folder / reporter.file_name
        try:
            content = _content(reporter, result, context)
        except Exception as error:
            if faults.plugins.owner("reporters", reporter.name) == BUILT_IN_REPORTS:
                raise  # a bug of ours
            faults.of_report(reporter.name, error)
            continue
        write_atomic(path, content)
        written.append(path)
        result = _with_report(result, reporter.file_name, content)
    return with_faults(result, faults), written


def write_again(
    faults: Faults, result: AuditResult, names: Sequence[str], results: Path, folder: Path, language: str
) -> list[Path]:
    """Write reports of the finished audit in the file `results`, as `write_reports` does; return their files.

    The results name the hashes of the reports that are beside them.
    """
    reported, written = write_reports(faults, result, names, folder, keep=results, language=language)
    if reported.binding != result.binding and folder.resolve() == results.parent.resolve():
        write_atomic(results, results_text(replace(result, binding=reported.binding)))
    return written


class _Evidence:
    """The measurements of the audit in a run folder, which is opened only if a reporter reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _stored(self) -> Mapping[str, Iterable[Measurement]]:
        return StoredMeasurements(self._folder) if (self._folder / STORE).exists() else {}

    def measurements(self, probe: str) -> Iterator[Measurement]:
        """Yield the measurements of a probe; none where there are none. Raises `DataError` for a damaged store."""
        yield from self._stored.get(probe, ())


def _content(reporter: Reporter, result: AuditResult, context: ReportContext) -> bytes:
    """Return what a reporter renders, a text as UTF-8; raise `TypeError` for what is neither a text nor bytes."""
    content = reporter.render(result, context)
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, bytes):
        msg = f"expected a text or bytes, found {reprlib.repr(content)}"
        raise TypeError(msg)
    return content


def _with_report(result: AuditResult, file_name: str, content: bytes) -> AuditResult:
    """Return the result bound to a report beside it, if it is bound at all."""
    if result.binding is None or file_name == RESULTS:
        return result
    named = {**result.binding.reports, file_name: sha256(content).hexdigest()}
    return replace(result, binding=replace(result.binding, reports=named))


def with_faults(result: AuditResult, faults: Faults) -> AuditResult:
    """Return the result with the faults that were found since it was made."""
    known = {(fault.plugin, fault.call, fault.probe) for fault in faults.found}
    before = [f for f in result.run.faults if (f.plugin, f.call, f.probe) not in known]
    return replace(result, run=replace(result.run, faults=(*before, *faults.found)))


def _sections(faults: Faults, result: AuditResult) -> Iterator[ReportSection]:
    """Yield the sections of all plugins, in the order of loading."""
    for offered in faults.observe("gptaudit_report_sections", _require_sections, result=result):
        yield from offered


def _require_sections(offered: object) -> None:
    if not isinstance(offered, list | tuple) or not all(isinstance(s, ReportSection) for s in offered):
        msg = f"expected a list of ReportSection(...), found {reprlib.repr(offered)}"
        raise TypeError(msg)
