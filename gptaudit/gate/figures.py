"""The figures that a policy's rules limit, each with its interval at the policy's level."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gptaudit.errors import DataError, PolicyError
from gptaudit.gate.numbers import level_text, places, quantity, unit_of_difference
from gptaudit.gate.pairing import Audit, Difference, Pairs
from gptaudit.gate.policy import Limitable, require_sense
from gptaudit.gate.wording import rule_words, slice_words
from gptaudit.records import AuditResult, Measurement, Metric, ProbeResult, ScorerErrors, full_name
from gptaudit.scorers.correction import corrected_at
from gptaudit.stats.intervals import WILSON, Interval, wilson
from gptaudit.stats.multiplicity import quantile
from gptaudit.stats.sequences import BETTING, Bets
from gptaudit.validation import nearest

if TYPE_CHECKING:
    from gptaudit.gate.policy import Policy, Rule


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a rule limits; `missing` is the reason if it cannot be decided."""

    rule: Rule
    words: str
    name: str
    unit: str = ""
    """Unit of `value` and of the limits: that of the metric, or of its increase."""
    missing: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    clusters: int = 0
    """Clusters or, if they are fewer, groups that cross them: what the interval is known from."""
    anytime: bool = False
    """Whether the interval holds at any number of clusters."""
    bets: Bets | None = None
    """The bets that the interval is of, where it is by bets."""
    cases: int = 0
    """Independent cases of which the value is the share; 0 for any other figure."""
    note: str = ""
    """What a share is that a scorer rated, if it is not as rated."""
    untold: str | None = None
    """Why no verdict is possible, whatever the figure."""

    @property
    def estimate(self) -> tuple[float, float, float]:
        """Value, low and high of a figure that is not missing."""
        if self.value is None or self.low is None or self.high is None:
            msg = f"{self.name} has no interval"
            raise ValueError(msg)
        return self.value, self.low, self.high


def figures(
    candidate: Audit, policy: Policy, baseline: Audit | None, installed: Collection[str] = ()
) -> list[Figure]:
    """Return the figures of all rules: one for each rule, or one for each slice if the rule names `[AXIS=*]`.

    An `installed` probe that the audit was not asked for is missing, and no mistake in the policy.
    """
    asked = {probe.id for probe in candidate.result.probes}
    found = [
        figure
        for rule in policy.rule
        for figure in (
            [_not_asked(rule)]
            if rule.target.probe in set(installed) - asked
            else _of_rule(rule, candidate, policy, baseline)
        )
    ]
    seen: dict[tuple[str, str], Rule] = {}
    for figure in found:
        first = seen.setdefault((figure.name, figure.rule.kind), figure.rule)
        if first is not figure.rule:
            both = f"the rules on {first.metric!r} and {figure.rule.metric!r}"
            msg = f"{policy.name}: {both} both limit {figure.name!r}; keep one"
            raise PolicyError(msg)
    return found


def require_baseline(policy: Policy, baseline: Audit | None, *, until_decided: bool = False) -> None:
    """Raise `PolicyError` if a rule compares with a baseline that is missing or lacks the probe or its cases.

    An audit that is asked until it decides may need any of the cases.
    """
    for rule in policy.rule:
        if rule.kind != "increase":
            continue
        found, probe = _in_baseline(rule, policy, baseline)
        if until_decided and found.result.run.looks and probe.drawn_from is not None:
            where = f"{policy.name}: {rule.metric}: max_increase"
            part = f"{probe.cases:,} of {probe.drawn_from:,} cases, until its own rules were decided"
            msg = (
                f"{where} needs a baseline with all cases; it was asked {part}. Run it again without --until"
            )
            raise PolicyError(msg)


def _in_baseline(rule: Rule, policy: Policy, baseline: Audit | None) -> tuple[Audit, ProbeResult]:
    if baseline is None:
        where = f"{policy.name}: {rule.metric}: max_increase"
        msg = f"{where} compares with an earlier audit; give its results with --baseline RESULTS.json"
        raise PolicyError(msg)
    return baseline, _probe(baseline.result, rule.target.probe, f"{policy.name}: the baseline holds")


def _not_asked(rule: Rule) -> Figure:
    name = rule.target.probe
    return _missing(rule, f"the audit was not asked for the probe {name}; run it with -p {name} too")


def _missing(rule: Rule, why: str) -> Figure:
    target = rule.target
    where = slice_words({target.axis: target.group or ""} if target.axis else {})
    return Figure(rule, rule_words(rule, target.probe, target.name, where), rule.metric, missing=why)


def _of_rule(rule: Rule, candidate: Audit, policy: Policy, baseline: Audit | None) -> Iterator[Figure]:
    target = rule.target
    probe = _probe(candidate.result, target.probe, f"{policy.name}: the results hold")
    if probe.status != "scored":
        yield _missing(rule, _unscored(probe))
        return
    increase = _Increase.of(rule, candidate, baseline, probe, policy) if rule.kind == "increase" else None
    metrics = _metrics(rule, probe, policy)
    by_bets = increase is None and any(metric.interval == BETTING for metric in metrics)
    measured = list(candidate.by_case(probe.id).values()) if by_bets else []
    for metric in metrics:
        require_sense(policy, rule, Limitable(metric.bounds, metric.unit, metric.unfit))
        words = rule_words(rule, probe.id, metric.name, slice_words(metric.slice), unit=metric.unit)
        unit = unit_of_difference(metric.unit) if increase else metric.unit
        missing = _uncovered(probe, metric, policy.coverage)
        figure = Figure(rule, words, full_name(probe.id, metric), unit, missing)
        if increase:
            yield increase.over(figure, metric)
        else:
            bets = _bets(measured, probe.id, metric) if metric.interval == BETTING else None
            yield _at_level(replace(figure, anytime=metric.anytime, bets=bets), metric, policy.level)


def _probe(result: AuditResult, name: str, who: str) -> ProbeResult:
    for probe in result.probes:
        if probe.id == name:
            return probe
    msg = f"{who} no probe {name!r}.{nearest(name, [p.id for p in result.probes])}"
    raise PolicyError(msg)


def _metrics(rule: Rule, probe: ProbeResult, policy: Policy) -> list[Metric]:
    named = {full_name(probe.id, m): m for m in probe.metrics}
    target = rule.target
    if target.group == "*":
        found = [m for m in probe.metrics if m.name == target.name and list(m.slice) == [target.axis]]
    else:
        found = [named[rule.metric]] if rule.metric in named else []
    if not found:
        msg = f"{policy.name}: the results hold no metric {rule.metric!r}.{nearest(rule.metric, named)}"
        raise PolicyError(msg)
    return found


def _bets(measured: Sequence[Measurement], probe: str, metric: Metric) -> Bets:
    """Return the bets on a mean that an audit measured until it decided; raise `DataError` where they are missing."""
    least, greatest = metric.bounds
    of_slice = [
        m
        for m in measured
        if m.unscored is None and metric.slice.items() <= m.slices.items() and metric.name in m.values
    ]
    if least is None or greatest is None or len(of_slice) != metric.n:
        what = (
            f"{full_name(probe, metric)} is of {metric.n} cases, but the evidence has {len(of_slice)} of them"
        )
        msg = f"{what}; restore the evidence.sqlite of that audit, or run it again"
        raise DataError(msg)
    values = [m.values[metric.name] for m in of_slice]
    return Bets.of(values, [m.cluster for m in of_slice], (least, greatest))


def _unscored(probe: ProbeResult) -> str:
    failed = "scored no case" if probe.unscored else "ended in an error"
    what = "was skipped" if probe.status == "skipped" else failed
    return f"the probe {probe.id} {what}: {probe.reason or 'no reason was recorded'}"


def _uncovered(probe: ProbeResult, metric: Metric, floor: float) -> str | None:
    """Return why too few cases were scored, or None. The slice must reach the floor too: its cases may have failed.

    Rows that the data have lost count as cases that were not scored.
    """
    if probe.data and probe.data.lost and (probe.coverage or 0.0) < floor:
        rows = f"{probe.data.rows:,} of the {probe.data.published:,} published rows of {probe.data.name}"
        return f"the data have {rows}, and the policy asks for {level_text(floor)} of the cases"
    for scored, cases in ((probe.scored, probe.cases), (metric.n, metric.cases or metric.n)):
        if scored < floor * cases or not cases:
            return f"only {scored} of {cases} cases were scored; the policy asks for {level_text(floor)}"
    return None


def _at_level(figure: Figure, metric: Metric, level: float) -> Figure:
    """Add a metric's value and interval at the policy's level.

    A share of independent cases has it by its count, any other figure by the interval's sides, rescaled by t quantiles.

    A share that a scorer rated is that of a person's labels, where there are some; else it is corrected for the
    scorer's errors, where they are known.
    """
    labelled = metric.labelled
    if labelled is not None and labelled.value is not None:
        note = f" It is by {labelled.labels} labels of a person; as rated it is {_as_rated(metric)}."
        by_labels = replace(
            metric,
            value=labelled.value,
            low=labelled.low,
            high=labelled.high,
            level=labelled.level,
            interval=labelled.interval,
            rated=None,
            labelled=None,
            anytime=False,
        )
        return _at_level(replace(figure, note=note, anytime=False, bets=None), by_labels, level)
    if metric.value is None or metric.low is None or metric.high is None:
        return replace(figure, missing=figure.missing or metric.why or "no interval", value=metric.value)
    low, high, cases = _ends(metric, (metric.value, metric.low, metric.high), level, figure.bets)
    whole = replace(figure, value=metric.value, low=low, high=high, clusters=metric.units, cases=cases)
    found = corrected_at(metric, Interval(low, high, metric.interval), level)
    if found is None:
        return whole
    if found.value is None or found.low is None or found.high is None:
        return replace(whole, untold=found.why or "the scorer cannot tell")
    note = f" The scorer's errors are corrected for; as rated it is {_as_rated(metric)}."
    corrected = replace(
        whole, value=found.value, low=found.low, high=found.high, cases=0, bets=None, note=note
    )
    return replace(corrected, untold=untold(figure.rule, found.least_limit, found.errors))


def _as_rated(metric: Metric) -> str:
    """Return the share that the scorer found, as its own interval warrants."""
    decimals = places(metric.low, metric.high, metric.unit)
    return "unknown" if metric.value is None else quantity(metric.value, metric.unit, decimals)


def _ends(
    metric: Metric, estimate: tuple[float, float, float], level: float, bets: Bets | None
) -> tuple[float, float, int]:
    """Return both ends at a level, and the cases of a share of independent ones."""
    value, low, high = estimate
    if metric.interval == WILSON and not metric.anytime:
        exact = wilson(value * metric.n, metric.n, level)
        return exact.low or 0.0, exact.high or 0.0, metric.n
    if bets:
        found = bets.interval(level)
        return found.low or 0.0, found.high or 0.0, 0
    ours, stored = (quantile(at, metric.units, anytime=metric.anytime) for at in (level, metric.level))
    scale = ours / stored
    return value - (value - low) * scale, value + (high - value) * scale, 0


def untold(rule: Rule, least_limit: float | None, errors: ScorerErrors) -> str | None:
    """Return why no verdict on a rule is possible: its limit lies within the scorer's error; None where it is."""
    _, greatest = rule.limits
    if greatest is None or rule.kind == "increase" or (least_limit is not None and least_limit <= greatest):
        return None
    least = "no limit" if least_limit is None else f"no limit below {quantity(least_limit, 'fraction', 2)}"
    return (
        f"the limit lies within the error of the scorer, by which {least} can be shown to be kept: its specificity is "
        f"{quantity(errors.specificity.value, 'fraction', 1)} ({errors.specificity_on})"
    )


@dataclass(frozen=True, slots=True)
class _Increase:
    """The pairs of cases that decide a rule with `max_increase`."""

    pairs: Pairs
    missing: str | None
    level: float
    seed: int

    @classmethod
    def of(
        cls, rule: Rule, candidate: Audit, baseline: Audit | None, probe: ProbeResult, policy: Policy
    ) -> _Increase:
        baseline, old_probe = _in_baseline(rule, policy, baseline)
        if old_probe.status != "scored":
            missing = f"in the baseline, {_unscored(old_probe)}"
            return cls(Pairs((), 0, ()), missing, policy.level, 0)
        pairs = Pairs.of(candidate, baseline, (probe, old_probe))
        if pairs.unlike:
            where = f"{policy.name}: {rule.metric}: max_increase needs a baseline measured in the same way"
            what = f"{' and '.join(pairs.unlike)} differ"
            msg = f"{where}, but {what}; run the baseline again with the same probe and cases"
            raise PolicyError(msg)
        short = f"only {len(pairs.scored)} of {pairs.total} cases were scored in both audits"
        enough = pairs.scored and len(pairs.scored) >= policy.coverage * pairs.total
        return cls(pairs, None if enough else short, policy.level, candidate.result.run.seed)

    def over(self, figure: Figure, metric: Metric) -> Figure:
        """Return the figure with the metric's increase over the baseline."""
        if missing := figure.missing or self.missing:
            return replace(figure, missing=missing)
        found = Difference.of(self.pairs.of_metric(metric), metric, level=self.level, seed=self.seed)
        low, high, why = found.interval.low, found.interval.high, found.interval.why
        return replace(
            figure,
            missing=why,
            value=found.value,
            low=low,
            high=high,
            clusters=found.units,
            anytime=metric.anytime,
        )
