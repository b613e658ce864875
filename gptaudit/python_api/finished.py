"""A finished audit: its verdict, figures and cases, and what can be done with it further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from html import escape
from os import PathLike, fspath
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal, Protocol, TypeAlias
from weakref import finalize

from gptaudit.errors import ExitCode, UsageError
from gptaudit.evidence.cases import CaseFilter, StoredCases
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.comparison import Comparison, compare
from gptaudit.gate.decide import decide, exit_code, read_audit, read_candidate
from gptaudit.gate.policy import load_policy
from gptaudit.plugins import load_plugins
from gptaudit.records import AuditResult, GateResult, Metric, Verdict
from gptaudit.reports.cases import CASE_COLUMNS, case_rows
from gptaudit.reports.figures_table import figure_rows
from gptaudit.reports.findings import KINDS, findings
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS
from gptaudit.run.reports import write_reports
from gptaudit.validation import nearest

Record: TypeAlias = Mapping[str, Any]
SHOWN = 5
"""Findings that a notebook shows beside the rules: the worst."""

Place: TypeAlias = "Audit | str | PathLike[str]"
"""An audit, its run folder, or its `results.json`."""


class Records(Sequence[Record]):
    """Rows of plain values by name, all with the same names; a table of pandas or polars where those are installed."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a row, or several for a slice
        return Records(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __repr__(self) -> str:
        names = ", ".join(self._rows[0]) if self._rows else "none"
        return f"<{len(self._rows)} records of {names}>"

    def to_pandas(self) -> Any:  # noqa: ANN401 - a DataFrame of pandas, which need not be installed
        """Return a `pandas.DataFrame`; raise `UsageError` where pandas is not installed."""
        try:
            import pandas as pd  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            raise _not_installed("pandas") from None
        return pd.DataFrame([dict(row) for row in self._rows])

    def to_polars(self) -> Any:  # noqa: ANN401 - a DataFrame of polars, which need not be installed
        """Return a `polars.DataFrame`; raise `UsageError` where polars is not installed."""
        try:
            import polars as pl  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise _not_installed("polars") from None
        return pl.DataFrame([dict(row) for row in self._rows], infer_schema_length=None)


def _not_installed(library: str) -> UsageError:
    return UsageError(f"{library} is not installed; pip install {library}, or take the records as they are")


class SubTests(Protocol):
    """The fixture `subtests` of pytest."""

    def test(self, msg: str) -> AbstractContextManager[object]:
        """Begin a sub-test of this name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an audit passes a policy; it is true or false, and prints its rules, so that `assert` explains itself."""

    gate: GateResult
    code: ExitCode
    """Exit code of `gptaudit gate`."""

    def __bool__(self) -> bool:
        """Whether the release may go out."""
        return self.code is ExitCode.PASS

    def __repr__(self) -> str:
        """Write the verdict, then a line for each rule."""
        rules = "".join(f"\n  {rule.verdict}: {rule.rule}. {rule.why}" for rule in self.gate.rules)
        return f"<Decision: {self.gate.verdict}>{rules}"

    def show(self, subtests: SubTests) -> None:
        """Show each rule as a sub-test; one that does not pass is a failed one, unless the release may go out."""
        for rule in self.gate.rules:
            with subtests.test(rule.rule):
                if rule.verdict != "pass" and not self:
                    msg = f"{rule.verdict}: {rule.why}"
                    raise AssertionError(msg)


class TemporaryFolder:
    """A folder that goes away with this object, or when the program ends; nobody has to close it."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="gptaudit-"))
        finalize(self, rmtree, self.path, ignore_errors=True)


class Audit:
    """A finished audit and its run folder."""

    def __init__(self, folder: Path, result: AuditResult, temporary: TemporaryFolder | None = None) -> None:
        """`temporary` is what keeps the run folder, where it is not kept otherwise."""
        self.folder = folder
        self.result = result
        self._temporary = temporary

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the policy that the audit was given; None without one."""
        return self.result.gate.verdict if self.result.gate else None

    @property
    def status(self) -> str:
        """`complete`, `partial` or `interrupted`."""
        return self.result.run.status

    @property
    def figures(self) -> Records:
        """Every figure by its full name, with its interval: the rows and names of `--report csv`."""
        return Records(figure_rows(self.result))

    def figure(self, name: str) -> Metric:
        """Return a figure by its full name, as in policies: `religion.association[contrast=christian/muslim]`.

        Raises:
            UsageError: the audit has no such figure.
        """
        metrics = self.result.metrics()
        if name not in metrics:
            msg = f"figure {name!r}: the audit has none of that name.{nearest(name, metrics)}"
            raise UsageError(msg)
        return metrics[name]

    def cases(self, probe: str | None = None) -> Records:
        """Return every case of a probe, or of all: its values, or why it was not scored."""
        self._require_probe(probe)
        probes = [probe] if probe else [p.id for p in self.result.probes]
        return Records(_filled(list(self._cases(probes))))

    def evidence(
        self,
        probe: str | None = None,
        *,
        outcome: str | None = None,
        group: str | None = None,
        text: str | None = None,
    ) -> Records:
        """Return the texts of the cases that match, a row each, as `gptaudit evidence` prints them."""
        self._require_probe(probe)
        found = StoredCases(self.folder).find(CaseFilter(probe, outcome, group, text))
        return Records(
            [dict(zip(CASE_COLUMNS, row, strict=True)) for case in found for row in case_rows(case)]
        )

    def gate(self, policy: str | PathLike[str] = "default", baseline: Place | None = None) -> GateResult:
        """Decide by a policy, a file or one that ships, as `gptaudit gate` does."""
        return self.passes(policy, baseline).gate

    def passes(
        self,
        policy: str | PathLike[str] = "default",
        baseline: Place | None = None,
        *,
        subtests: SubTests | None = None,
    ) -> Decision:
        """Return whether the release may go out by a policy: `assert audit.passes("policy.toml")`.

        With the fixture `subtests` of pytest, each rule is a sub-test too.
        """
        rules = load_policy(fspath(policy))
        old = None if baseline is None else read_audit(results_of(baseline))
        candidate = read_candidate(self.folder / RESULTS, compares=old is not None)
        gate = decide(candidate, rules, old, installed=load_plugins().probes)
        decision = Decision(gate, exit_code(replace(candidate.result, gate=gate), rules))
        if subtests is not None:
            decision.show(subtests)
        return decision

    def compare(self, baseline: Place) -> Comparison:
        """Return what changed since an earlier audit of the same cases, as `gptaudit compare` does."""
        return compare(read_audit(results_of(baseline)), read_audit(self.folder / RESULTS))

    def report(
        self, *formats: str, output: str | PathLike[str] | None = None, lang: Literal["en", "zh"] = "en"
    ) -> list[Path]:
        """Write reports, `html` if none is named, and return their files; into the run folder without `output`.

        `lang` is the language of the page and of the summary.
        """
        folder = Path(output) if output is not None else self.folder
        keep = self.folder / RESULTS
        _, written = write_reports(
            Faults(load_plugins(), folder),
            self.result,
            formats or ("html",),
            folder,
            keep=keep,
            language=lang,
        )
        return written

    def plot(self, *figures: str, ax: Any = None) -> Any:  # noqa: ANN401 - axes of matplotlib, which need not be installed
        """Draw figures with their intervals, each beside its ideal value, and return the axes of matplotlib.

        `figures` are full names; without any, each whole figure of the audit is drawn. `ax` is drawn on if it is given.

        Raises:
            UsageError: matplotlib is not installed, or the audit has no such figure.
        """
        from gptaudit.python_api.plotting import draw

        named = figures or [name for name, metric in self.result.metrics().items() if not metric.slice]
        return draw({name: self.figure(name) for name in named}, self.result.target.spec, ax)

    def __repr__(self) -> str:
        """Write target, verdict and folder in three lines."""
        scored = sum(p.status == "scored" for p in self.result.probes)
        return (
            f"<Audit of {self.result.target.spec}: {self.status}, {self.verdict or 'no policy'}\n"
            f" {scored} of {len(self.result.probes)} probes scored, {len(self.result.metrics())} figures\n"
            f" {self.folder}>"
        )

    def _repr_html_(self) -> str:
        """Write the decision, its rules and the findings that no rule is about, for a notebook."""
        rules = self.result.gate.rules if self.result.gate else ()
        rows = [(str(rule.verdict), rule.rule, rule.why) for rule in rules]
        others = [finding for finding in findings(self.result) if not finding.rule]
        rows += [(KINDS[found.kind], found.probe.id, found.sentence) for found in others[:SHOWN]]
        if len(others) > SHOWN:
            rows.append(("", "", f"and {len(others) - SHOWN} more findings, in the report"))
        table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        target = f"{escape(self.result.target.spec)} ({escape(self.status)})"
        return f"<p><b>{escape(self.verdict or 'no policy')}</b> {target}</p><table>{table}</table>"

    def _require_probe(self, probe: str | None) -> None:
        known = [p.id for p in self.result.probes]
        if probe is not None and probe not in known:
            msg = f"probe {probe!r}: the audit has none of that name.{nearest(probe, known)}"
            raise UsageError(msg)

    def _cases(self, probes: Sequence[str]) -> Iterator[Record]:
        stored = StoredMeasurements(self.folder)
        for probe in probes:
            for m in stored.get(probe, ()):
                yield {
                    "probe": probe,
                    "case": m.case,
                    "cluster": m.cluster,
                    "unscored": m.unscored,
                    **{f"slice.{axis}": group for axis, group in m.slices.items()},
                    **m.values,
                }


def _filled(rows: Sequence[Record]) -> list[Record]:
    """Give every row the names of all, with None where it has no value."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def results_of(audit: Place) -> Path:
    """Return the `results.json` of an audit, a run folder, or the file itself."""
    if isinstance(audit, Audit):
        return audit.folder / RESULTS
    place = Path(audit)
    return place if place.suffix == ".json" else place / RESULTS
