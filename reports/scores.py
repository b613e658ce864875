"""
Figures that may stand as scores in the formats of others, and why the rest may not.

Readers of such formats take a score as it stands, without what surrounds it in gptaudit's own reports. So a figure is
withheld, and named with its reason, where the audit is incomplete, where too few cases of its probe were scored, where
there is no value, where the order of the options decides the answers, and where only the whole figure is balanced.

A share that a scorer rated has up to three forms, each a score of its own: as rated, corrected for the scorer's errors,
and by a person's labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gptaudit.gate.decide import COVERAGE_FLOOR, conclusion
from gptaudit.gate.numbers import count, level_text
from gptaudit.records import AuditResult, Correction, LabelledRate, Metric, ProbeResult, RuleResult, full_name

from .coverage import skipped
from .findings import CONSISTENCY, decided_by_order, findings
from .sentences import UNBALANCED, unbalanced

Form: TypeAlias = Literal["measured", "rated", "corrected", "labelled"]

FORMS: Mapping[Form, str] = {
    "measured": "as measured",
    "rated": "as rated by a scorer, not corrected for its errors",
    "corrected": "corrected for the errors of its scorer",
    "labelled": "by a person's labels of some texts and the scorer's verdict on all",
}
"""Form of a figure -> what it is, in words."""


@dataclass(frozen=True, slots=True)
class Score:
    """A figure in one of its forms. `low` and `high` are None only if `why` says why."""

    probe: ProbeResult
    metric: Metric
    form: Form
    value: float
    low: float | None
    high: float | None
    level: float
    interval: str
    """How the interval was computed."""
    why: str = ""

    @property
    def name(self) -> str:
        """The full name of the figure; the form stands behind that of one that is corrected or labelled."""
        name = full_name(self.probe.id, self.metric)
        return name if self.form in {"measured", "rated"} else f"{name}:{self.form}"

    @property
    def form_text(self) -> str:
        """What the figure is, and what is not known of it, in words."""
        fixed, said = self.metric.corrected, FORMS[self.form]
        if self.form != "rated":
            return said
        if fixed is None:
            return f"{said}, which are not known"
        return said if fixed.value is not None else f"{said}; nothing can be told from it: {fixed.why}"


def scores(result: AuditResult) -> Iterator[Score]:
    """Yield the figures that may stand as scores, in the order of the results, each in all of its forms."""
    for probe in result.probes:
        if not _probe_reason(result, probe):
            yield from (
                score for metric, why in _figures(probe) if not why for score in _forms(probe, metric)
            )


def headlines(result: AuditResult) -> list[Score]:
    """Return the scores that matter most: of the figures that rules limit, and of the first of each other probe."""
    named = {rule.metric for rule in (result.gate.rules if result.gate else ())}
    named |= {full_name(f.probe.id, f.metric) for f in findings(result) if f.metric is not None}
    return [score for score in scores(result) if full_name(score.probe.id, score.metric) in named]


def withheld(result: AuditResult, *, groups: bool = True) -> dict[str, list[str]]:
    """Return what may not stand as a score by the reason: probes, figures and, with `groups`, those of groups."""
    found: dict[str, list[str]] = {}
    for probe in result.probes:
        if probe.status == "skipped":
            continue
        if reason := _probe_reason(result, probe):
            found.setdefault(reason, []).append(probe.id)
            continue
        for metric, reason in _figures(probe):
            axes = ",".join(f"{axis}=*" for axis in metric.slice)
            name = f"{probe.id}.{metric.name}" + (f"[{axes}]" if axes else "")
            if reason and (groups or not axes) and name not in found.get(reason, ()):
                found.setdefault(reason, []).append(name)
    return found | {f"skipped: {reason}": probes for reason, probes in skipped(result).items()}


def withheld_lines(result: AuditResult, *, groups: bool = True) -> list[str]:
    """Return what may not stand as a score in words, one text for each reason; see `withheld`."""
    return [f"{', '.join(names)}: {reason}" for reason, names in withheld(result, groups=groups).items()]


def rules_of(result: AuditResult, score: Score) -> list[RuleResult]:
    """Return the rules of the policy about a figure."""
    name = full_name(score.probe.id, score.metric)
    return [rule for rule in (result.gate.rules if result.gate else ()) if rule.metric == name]


def _forms(probe: ProbeResult, metric: Metric) -> Iterator[Score]:
    fixed, seen = metric.corrected, metric.labelled
    how = f"{metric.interval}, corrected for misclassification (Rogan and Gladen 1978)"
    forms: tuple[tuple[Form, Metric | Correction | LabelledRate | None, str], ...] = (
        ("rated" if metric.rated else "measured", metric, metric.interval),
        ("corrected", fixed, how),
        ("labelled", seen, seen.interval if seen else ""),
    )
    for form, of, interval in forms:
        if of is not None and of.value is not None:
            yield Score(
                probe,
                metric,
                form,
                float(of.value),
                None if of.low is None else float(of.low),
                None if of.high is None else float(of.high),
                of.level,
                interval,
                of.why or "",
            )


def _probe_reason(result: AuditResult, probe: ProbeResult) -> str:
    """Return why no figure of a probe may stand as a score; empty if some may."""
    if probe.status != "scored":
        return f"{probe.status}: {probe.reason or 'no reason was recorded'}"
    if result.run.status != "complete" or conclusion(result) == "incomplete":
        return "the audit is incomplete, and nothing may be concluded from it"
    floor = float(result.gate.policy.get("coverage", COVERAGE_FLOOR)) if result.gate else COVERAGE_FLOOR
    if probe.coverage is None or probe.coverage < floor:
        scored = f"{count(probe.scored)} of {count(probe.cases)} cases were scored"
        return f"incomplete: only {scored}, fewer than {level_text(floor)}"
    return ""


def _figures(probe: ProbeResult) -> Iterator[tuple[Metric, str]]:
    """Yield each figure of a probe with the reason why it may not stand as a score; empty if it may."""
    order = decided_by_order(probe)
    of_groups = {
        axis for axis in {axis for m in probe.metrics for axis in m.slice} if unbalanced(probe, axis)
    }
    for metric in probe.metrics:
        if metric.value is None:
            yield metric, f"no figure: {metric.why or 'no reason was recorded'}"
        elif order and metric.name != CONSISTENCY:
            yield metric, order
        else:
            yield metric, UNBALANCED if of_groups & metric.slice.keys() else ""
