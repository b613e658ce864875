"""
Multiverse of a figure: what it would be had the audit been made by other choices that can be defended as well.

The choices are the template (all, or one alone), the normalisation of log-likelihoods, what a tied case counts, and the
form of the question, of which each run given is one. Their combinations are the specifications of a multiverse analysis
(Steegen et al. 2016); ordered by their estimates they are a specification curve (Simonsohn, Simmons and Nelson 2020).
Nothing is asked: the probe measures its recorded answers again. Specifications share these, so that how many of them
agree says how far the figure rests on the choices, and is no test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.recorded import RecordedEvidence
from gptaudit.evidence.results_file import read_bound
from gptaudit.gate.decide import decide, policy_of
from gptaudit.gate.numbers import quantity
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe
from gptaudit.records import (
    AnyMetricSpec,
    AuditResult,
    AurocSpec,
    ContrastSpec,
    Measurement,
    Metric,
    MetricSpec,
    ProbeResult,
    RuleResult,
    Verdict,
    full_name,
)
from gptaudit.records.margin import Normalisation
from gptaudit.run.folder import RESULTS
from gptaudit.run.measuring import coverage
from gptaudit.run.metrics import standard_error, summarise, value_names
from gptaudit.run.recorded_probes import recorded_probes
from gptaudit.run.remeasured import NORMALISATIONS, TIES, Remeasured, Ties, alike, remeasured
from gptaudit.run.rescoring import BACKEND as PREDICTIONS
from gptaudit.run.scorers import Scorers
from gptaudit.run.specifications import Multiverse, Multiverses, NotVaried, Specification
from gptaudit.validation import nearest

PLAIN = "plain"
"""Form of a probe that is no elicited one."""

CONSISTENCY = "consistency"
"""Metric of elicited forms: how often an answer is the same in every order of the options."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run folder, read."""

    folder: Path
    result: AuditResult
    evidence: RecordedEvidence

    @classmethod
    def read(cls, folder: Path) -> RecordedRun:
        """Read a run folder; raise `DataError` for one without results or evidence, or that was made elsewhere."""
        result = read_bound(folder / RESULTS)
        if result.target.backend == PREDICTIONS:
            msg = f"{folder}: expected the answers of a model, found predictions made elsewhere, which have none"
            raise DataError(f"{msg}; name a folder that `gptaudit run` wrote")
        return cls(folder, result, RecordedEvidence(folder))

    def probe_result(self, name: str) -> ProbeResult:
        """Return the results of a probe; raise `UsageError` for one that scored no case, or is not there."""
        found = {probe.id: probe for probe in self.result.probes}
        if name not in found:
            msg = f"{self.folder}: expected the probe {name!r}, and this run has none.{nearest(name, found)}"
            raise UsageError(msg)
        if found[name].status != "scored":
            msg = f"{self.folder}: {name} scored no case: {found[name].reason or 'no reason was recorded'}"
            raise UsageError(msg)
        return found[name]


def multiverses(
    folders: Sequence[Path], plugins: Plugins, probes: Sequence[str] = (), metric: str | None = None
) -> Multiverses:
    """Return the multiverse of each probe, or of those named; the first folder's audit is the one looked at.

    Raises:
        UsageError: a probe or metric is not there, the runs are of different models, forms or cases do not fit, or
            nothing can be varied.
        DataError: a folder is no run folder with its evidence, or was changed.
    """
    runs = [RecordedRun.read(folder) for folder in folders]
    _require_one_model(runs)
    scored = [probe.id for probe in runs[0].result.probes if probe.status == "scored"]
    found, left_out = [], {}
    for name in dict.fromkeys(probes or scored):
        try:
            found.append(_multiverse([_form(run, name, plugins) for run in runs], metric, plugins))
        except UsageError as error:
            if probes or len(scored) == 1:
                raise
            left_out[name] = str(error)
    if not found:
        reasons = "; ".join(left_out.values()) or "no probe scored a case"
        msg = (
            f"{folders[0]}: expected a probe with a choice that its answers can serve, found none: {reasons}"
        )
        raise UsageError(msg)
    return Multiverses(tuple(found), left_out)


def _require_one_model(runs: Sequence[RecordedRun]) -> None:
    first = runs[0].result.target
    for run in runs[1:]:
        target = run.result.target
        same = target.spec == first.spec and target.parameters == first.parameters
        if not same or (target.options == first.options and target.fingerprint != first.fingerprint):
            msg = f"{run.folder}: expected a run of {first.spec}, as {runs[0].folder} is, in another form; found "
            what = target.spec if target.spec != first.spec else "other weights under that name"
            raise UsageError(f"{msg}{what}. To compare models: gptaudit compare")


@dataclass(frozen=True, slots=True)
class _Form:
    """The answers of one run to a probe, in the form in which they were asked."""

    run: RecordedRun
    probe: Probe
    result: ProbeResult

    @property
    def name(self) -> str:
        asked = str(self.result.method.get("form", PLAIN))
        return f"{asked}, chat" if self.run.result.target.options.get("chat") else asked

    def specs(self) -> dict[str, AnyMetricSpec]:
        """Return the metrics that have a figure of the whole, by name."""
        known = {spec.name: spec for spec in self.probe.metrics if not isinstance(spec, ContrastSpec)}
        return {m.name: known[m.name] for m in self.result.metrics if not m.slice and m.name in known}

    def template_of(self, measurement: Measurement) -> str:
        return str(getattr(measurement, self.probe.template_of))

    @property
    def level(self) -> float:
        """The level of the run's intervals."""
        return self.result.metrics[0].level

    def figure(self, metric: str, measurements: Iterable[Measurement], *, halves: bool) -> Metric:
        """Return a metric of the whole as the run computes it; with `halves`, cases may count by half."""
        spec = self.specs()[metric]
        if halves and isinstance(spec, MetricSpec):
            spec = replace(spec, binary=False, bounds=spec.range)
        kept = spec.axes if isinstance(spec, AurocSpec) else ()
        whole = (
            replace(m, slices={axis: m.slices[axis] for axis in kept if axis in m.slices})
            for m in measurements
        )
        run = self.run.result.run
        return summarise([spec], whole, level=self.level, seed=run.seed, anytime=bool(run.looks))[0]


def _form(run: RecordedRun, name: str, plugins: Plugins) -> _Form:
    result = run.probe_result(name)
    (probe,) = recorded_probes(replace(run.result, probes=(result,)), plugins)
    if probe.scorers:
        msg = (
            f"{name}: its texts are rated by the scorer {probe.scorers[0]}, and no choice of it can be varied"
        )
        raise UsageError(f"{msg} from the answers at hand")
    return _Form(run, probe, result)


@dataclass(frozen=True, slots=True)
class _Gate:
    """The policy of the first run, without the rules that compare with a baseline, and its rule on the figure."""

    form: _Form
    policy: Policy
    rule: RuleResult
    installed: tuple[str, ...]

    @classmethod
    def of(cls, form: _Form, metric: str, plugins: Plugins) -> _Gate | None:
        gate = form.run.result.gate
        name = f"{form.result.id}.{metric}"
        found = [rule for rule in gate.rules if rule.metric == name and not rule.increase] if gate else []
        if gate is None or not found:
            return None
        policy = policy_of(gate)
        ranges = tuple(rule for rule in policy.rule if rule.kind == "range")
        return cls(form, replace(policy, rule=ranges), found[0], tuple(plugins.probes))

    def verdict(self, metric: Metric, measurements: Sequence[Measurement]) -> Verdict:
        """Decide as if this were the audit's figure, and all else as it is."""
        counts = Counter(m.unscored for m in measurements)
        probe = replace(
            self.form.result,
            cases=counts.total(),
            scored=counts[None],
            coverage=coverage(counts, self.form.result.data),
            metrics=tuple(
                metric if not m.slice and m.name == metric.name else m for m in self.form.result.metrics
            ),
        )
        result = self.form.run.result
        probes = tuple(probe if one.id == probe.id else one for one in result.probes)
        audit = Audit(replace(result, probes=probes), {probe.id: measurements})
        rules = decide(audit, self.policy, installed=self.installed).rules
        return next(r.verdict for r in rules if r.metric == full_name(probe.id, metric) and not r.increase)


def _multiverse(forms: Sequence[_Form], named: str | None, plugins: Plugins) -> Multiverse:
    _require_other_forms(forms)
    metric = _metric(forms, named)
    gate = _Gate.of(forms[0], metric, plugins)
    measured = [_Measured.of(form, metric, gate, plugins) for form in forms]
    _require_same_cases(measured)
    own, *others = (one for form in measured for one in form.specifications())
    _require_recorded(forms[0], metric, own)
    found = [replace(own, own=True), *others]
    not_varied = [why for form in measured for why in form.not_varied()]
    if len(forms) == 1:
        why = "one run was given; name runs of the same model in other forms after it, such as --elicited"
        not_varied.append(NotVaried("form", forms[0].name, why))
    if not others:
        reasons = "; ".join(f"{one.choice}: {one.why}" for one in not_varied)
        msg = f"{forms[0].probe.id}.{metric}: no choice can be varied from the answers at hand: {reasons}"
        raise UsageError(msg)
    spec = forms[0].specs()[metric]
    return Multiverse(
        target=forms[0].run.result.target.spec,
        probe=forms[0].probe.id,
        title=forms[0].result.title,
        metric=metric,
        metric_title=spec.title,
        unit=spec.unit,
        ideal=spec.ideal,
        direction=spec.direction,
        level=forms[0].level,
        specifications=tuple(sorted(found, key=lambda one: (one.value is None, one.value or 0.0))),
        without=tuple(measured[0].without()),
        not_varied=tuple(not_varied),
        cautions=tuple(why for form in forms for why in _cautions(form)),
        rule=gate.rule.rule if gate else "",
        allowed=(gate.rule.least, gate.rule.greatest) if gate else (None, None),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """A form with its cases measured by each normalisation that makes a difference, its own first."""

    form: _Form
    metric: str
    gate: _Gate | None
    by: Mapping[Normalisation, Remeasured]
    same: Sequence[Normalisation]
    """Normalisations that make no difference."""
    templates: Sequence[str]

    @classmethod
    def of(cls, form: _Form, metric: str, gate: _Gate | None, plugins: Plugins) -> _Measured:
        own = form.probe.normalised.get(metric)
        others = [by for by in NORMALISATIONS if own and by != own]
        pages = form.run.evidence.answered(form.probe.id)
        by = remeasured(form.probe, pages, own or "sum", [own or "sum", *others], Scorers(plugins, {}))
        usual = by[own or "sum"]
        names = value_names(form.specs()[metric])
        same = [other for other in others if alike(by[other].cases, usual.cases, names)]
        templates = list(dict.fromkeys(map(form.template_of, usual.cases))) if form.probe.template_of else []
        apart = {name: found for name, found in by.items() if name not in same}
        return cls(form, metric, gate, apart, same, templates if len(templates) > 1 else [])

    @property
    def own(self) -> Normalisation | None:
        """The form's own normalisation; None if its figure compares no log-likelihoods."""
        return self.form.probe.normalised.get(self.metric)

    @property
    def usual(self) -> Remeasured:
        """The cases as the run measured them."""
        return self.by[self.own or "sum"]

    def specifications(self) -> Iterator[Specification]:
        """Yield the specifications, that of the run first; what has the same values for every case as it, once."""
        names = value_names(self.form.specs()[self.metric])
        for by, measured in self.by.items():
            for ties in TIES if measured.settled else TIES[:1]:
                whole = measured.by(ties)
                yield self._specification(whole, None, by, ties)
                for one in self.templates:
                    alone = self._only(whole, one)
                    usual = (by, ties) == (self.own or "sum", TIES[0])
                    if usual or not alike(alone, self._only(self.usual.cases, one), names):
                        yield self._specification(alone, one, by, ties)

    def _only(self, measurements: Sequence[Measurement], template: str) -> list[Measurement]:
        return [m for m in measurements if self.form.template_of(m) == template]

    def without(self) -> Iterator[Specification]:
        """Yield the run's own specification without each template."""
        for one in self.templates:
            others = [m for m in self.usual.cases if self.form.template_of(m) != one]
            yield self._specification(others, one, self.own or "sum", TIES[0])

    def _specification(
        self, measurements: Sequence[Measurement], template: str | None, by: Normalisation, ties: Ties
    ) -> Specification:
        metric = self.form.figure(self.metric, measurements, halves=ties == "half")
        return Specification(
            form=self.form.name,
            template=template,
            normalisation=by if self.own else None,
            ties=ties,
            value=metric.value,
            low=metric.low,
            high=metric.high,
            error=None if metric.low is None or metric.high is None else standard_error(metric),
            why=metric.why,
            n=metric.n,
            cases=len(measurements),
            verdict=self.gate.verdict(metric, measurements) if self.gate else None,
            usual=(by, ties) == (self.own or "sum", TIES[0]),
        )

    def not_varied(self) -> Iterator[NotVaried]:
        """Yield what makes no difference here, or cannot be varied, and why."""
        form, counts = self.form, Counter(m.unscored for m in self.usual.cases if m.unscored is not None)
        if not form.probe.template_of:
            why = "the probe does not say which cases share a template that can stand alone"
            yield NotVaried("template", form.name, why)
        elif not self.templates:
            yield NotVaried("template", form.name, "all cases have the same one")
        if self.own is None:
            others = ", ".join(name for name in form.probe.normalised if name in form.specs())
            why = f"{self.metric} does not compare log-likelihoods of whole texts"
            yield NotVaried("normalisation", form.name, why + (f"; {others} do" if others else ""))
        for by in self.same:
            why = f"by {by} every case has the same values"
            yield NotVaried("normalisation", form.name, why)
        if not self.usual.settled:
            what = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            why = f"of the unscored cases none is a tie that the probe could settle ({what})"
            yield NotVaried("ties", form.name, why if what else "no case ties")


def _require_other_forms(forms: Sequence[_Form]) -> None:
    seen: dict[str, Path] = {}
    for form in forms:
        if form.name in seen:
            msg = f"{form.run.folder}: expected {form.probe.id} in another form than {seen[form.name]} has it, found "
            raise UsageError(f"{msg}{form.name!r} in both; leave one of the runs out")
        seen[form.name] = form.run.folder


def _metric(forms: Sequence[_Form], named: str | None) -> str:
    """Return the metric that was named, else the first that all forms have, one with a rule before the others."""
    first = forms[0]
    common = [name for name in first.specs() if all(name in form.specs() for form in forms)]
    if named is not None and named not in common:
        msg = f"--metric {named}: expected a figure of {first.probe.id} that every run given has"
        raise UsageError(f"{msg}.{nearest(named, common)}")
    if not common:
        msg = f"{first.probe.id}: expected a figure that every run given has, found none; leave a run out"
        raise UsageError(msg)
    gate = first.run.result.gate
    ruled = {rule.metric for rule in gate.rules} if gate else set()
    return named or next((name for name in common if f"{first.probe.id}.{name}" in ruled), common[0])


def _require_recorded(form: _Form, metric: str, found: Specification) -> None:
    """Raise `DataError` if the answers do not give the figure that the results have."""
    (recorded,) = (m for m in form.result.metrics if m.name == metric and not m.slice)
    if (recorded.value, recorded.low, recorded.high) != (found.value, found.low, found.high):
        msg = f"{form.run.folder}: {form.probe.id}.{metric} is {recorded.value} in {RESULTS}, and its answers give "
        raise DataError(f"{msg}{found.value}; to see what differs: gptaudit verify {form.run.folder}")


def _require_same_cases(measured: Sequence[_Measured]) -> None:
    first, *others = measured
    cases = sorted(m.case for m in first.usual.cases)
    for other in others:
        if sorted(m.case for m in other.usual.cases) != cases:
            msg = f"{other.form.run.folder}: expected the cases of {first.form.probe.id} that {first.form.run.folder} "
            raise UsageError(f"{msg}has, found others; run both with the same --limit and --seed")


def _cautions(form: _Form) -> Iterator[str]:
    """Yield what a reader of a form's figures has to know."""
    run, result = form.run.result.run, form.result
    if run.status != "complete":
        yield f"{form.name}: the audit is {run.status}; {result.scored} of {result.cases} cases were scored"
    elif result.scored < result.cases:
        yield f"{form.name}: {result.scored} of {result.cases} cases were scored"
    for metric in result.metrics:
        if metric.name == CONSISTENCY and not metric.slice and metric.value is not None:
            share = quantity(metric.value, metric.unit, 0)
            told = f"the answer is the same in every order of the options in {share} of the cases"
            yield f"{form.name}: {told}; where it is in few, the order decides and the form says little"
