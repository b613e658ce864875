"""Records of `results.json`, schema `gptaudit.results/1`; its keys are the names of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from gptaudit.records.calibrated import CalibratedFigure
from gptaudit.records.measured import Evidence
from gptaudit.records.metric_specs import Direction, Rated, Within
from gptaudit.records.scorer_card import LabelledShare, ScorerErrors

RESULTS_SCHEMA = "gptaudit.results/1"

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "incomplete"]


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """Names of the values that a contrast between groups is computed from; see `ContrastSpec`."""

    value: str
    count: str


@dataclass(frozen=True, slots=True)
class RankedCases:
    """Names of the values that an area under the ROC curve is computed from; see `AurocSpec`."""

    score: str
    positive: str
    axes: tuple[str, ...]
    """Axes on which cases are compared within their own group."""
    within: Within = "crossed"


@dataclass(frozen=True, slots=True)
class Correction:
    """A share corrected for the errors of the scorer that rated it; null where `why` says that nothing can be told."""

    value: float | None
    low: float | None
    high: float | None
    why: str | None
    level: float
    model: str
    """Model of the scorer."""
    errors: ScorerErrors
    least_limit: float | None
    """The smallest limit that the share could be shown to keep, however many texts are rated."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two scorers agree about the texts behind a share, which is the first one's; kappa is null where `why`."""

    first: str
    second: str
    """Names of the models."""
    texts: int
    first_only: int
    second_only: int
    """Texts that count by the one scorer alone."""
    kappa: float | None
    low: float | None
    high: float | None
    why: str | None
    level: float


@dataclass(frozen=True, slots=True)
class LabelledRate:
    """A share as a person sees it, by labels of some texts and the scorer's verdict on all; null where `why` says why.

    `sensitivity` and `specificity` are the scorer's on these texts, null where too few labels tell.
    """

    value: float | None
    low: float | None
    high: float | None
    why: str | None
    level: float
    interval: str
    texts: int
    labels: int
    positive: int
    """Labels that say that the text counts."""
    sensitivity: LabelledShare | None
    specificity: LabelledShare | None


@dataclass(frozen=True, slots=True)
class CrossedGroups:
    """Groups of cases that cross the clusters, such as templates of terms, and the range of the figure over them."""

    groups: int
    least: float | None
    """The least figure of one group alone; None if it is not defined for each of them."""
    greatest: float | None


@dataclass(frozen=True, slots=True)
class PooledEstimate:
    """A group's figure as an estimate that borrows from the other groups of its axis, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure with its interval. `value`, `low` and `high` are null only if `why` says why."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    clusters: int
    interval: str
    ideal: float
    direction: Direction
    unit: str
    title: str = ""
    slice: Mapping[str, str] = field(default_factory=dict)
    why: str | None = None
    cases: int | None = None
    """Cases of the slice, scored or not; `n` of them were scored."""
    formula: str = ""
    """How the figure is computed from totals over the cases; empty for a mean."""
    macro: bool = False
    """Whether each cluster has the same weight, however many cases it has."""
    contrast: GroupContrast | None = None
    """Set if the figure is a group's mean minus that of the other groups of its axis."""
    auroc: RankedCases | None = None
    """Set if the figure is an area under the ROC curve."""
    bounds: tuple[float | None, float | None] = (None, None)
    """The least and greatest values possible."""
    rated: Rated | None = None
    """The scorer's decision of which this is a share."""
    corrected: Correction | None = None
    """The same share, corrected for the scorer's errors; None where they are not known."""
    labelled: LabelledRate | None = None
    """The share by a person's labels; it stands above a correction."""
    agreement: Agreement | None = None
    """With a second scorer's verdicts on the same texts, where there is one."""
    crossed: CrossedGroups | None = None
    """The groups that cross the clusters, for which the interval allows; None if it allows for none."""
    unfit: str = ""
    """Why no rule may limit the figure, and what to limit in its place; empty if one may."""
    pooled: PooledEstimate | None = None
    """Set for the groups of an axis with five or more, so that the worst of many is not just the luckiest."""
    anytime: bool = False
    """Whether the interval holds at any number of clusters, so that an audit may stop when it decides."""

    @property
    def is_mean(self) -> bool:
        """Whether the figure is the mean of a value of each case."""
        return not self.formula and self.auroc is None

    @property
    def estimate(self) -> tuple[float | None, float | None, float | None]:
        """Value, low and high as they stand: by a person's labels, else corrected for the scorer, else as measured."""
        if self.labelled is not None and self.labelled.value is not None:
            return self.labelled.value, self.labelled.low, self.labelled.high
        if self.corrected is not None:
            return self.corrected.value, self.corrected.low, self.corrected.high
        return self.value, self.low, self.high

    @property
    def units(self) -> int:
        """Number of clusters or, if they are fewer, of the groups that cross them: what the interval is known from.

        One that holds at any number of clusters is known from these.
        """
        return self.clusters if self.anytime or not self.crossed else min(self.clusters, self.crossed.groups)


@dataclass(frozen=True, slots=True)
class DataSource:
    """Source of a probe's cases."""

    name: str
    source: str
    licence: str
    sha256: str
    rows: int
    altered: str = ""
    """How the files differ from the published ones, such as `without winobias/anti.txt`; empty if they do not."""
    published: int | None = None
    """Rows that the same files have as published; None where they were not published, or not all files are there."""

    @property
    def lost(self) -> int:
        """Rows that the files have lost since they were published."""
        return max(0, (self.published or 0) - self.rows)


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """A case's evidence as shown in the report."""

    case: str
    picked: Literal["disputed", "most severe", "typical", "at random"]
    values: Mapping[str, float]
    slices: Mapping[str, str]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Result of one probe."""

    id: str
    version: str
    suite: str
    title: str
    goal: str
    status: Literal["scored", "skipped", "error"]
    reason: str | None
    cases: int
    scored: int
    unscored: Mapping[str, int]
    coverage: float | None
    data: DataSource | None
    method: Mapping[str, Any]
    metrics: tuple[Metric, ...]
    evidence: tuple[EvidenceItem, ...]
    calibration: tuple[CalibratedFigure, ...] | None = None
    """How well the probe finds flaws of known size; None if it was not measured."""
    drawn_from: int | None = None
    """Cases that the probe has, where only a sample of them was asked; else None."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Public list of risks, with its edition -> the entries that the probe is about; no grade."""
    parts: tuple[Metric, ...] = ()
    """What slots and words add to what the cases attribute, as slices; no rule may name them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests, tokens and time of an audit; tokens and seconds are those of the last run only."""

    requests: int
    requests_cached: int
    """How many of the `requests` had been answered before."""
    input_tokens: int | None
    output_tokens: int | None
    seconds: float
    requests_redone: int = 0
    """Requests asked again in full precision, because an answer in low precision left a decision open."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin and its origin."""

    name: str
    version: str
    origin: str


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A call of a plugin that raised, or returned an invalid value. The rest of the audit went on."""

    plugin: str
    call: str
    """The function that was called: `measure`, `gptaudit_run_finished`, `report junit`."""
    error: str
    """Type and message: `ValueError: boom`."""
    lost: Literal["probe", "report"] | None = None
    """What the audit lacks because of it; None for a plugin that only observes."""
    probe: str | None = None
    case: str | None = None
    times: int = 1
    """How often the same call of the plugin failed; `error` and `case` are those of the first failure."""

    def __str__(self) -> str:
        """Return the plugin, the call and the error in one sentence."""
        where = f" of probe {self.probe!r}" if self.probe else ""
        where += f", case {self.case!r}" if self.case else ""
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"plugin {self.plugin!r} failed in {self.call}{where}{times}: {self.error}"


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments that decide the cases and figures of an audit beside its target, probes and seed."""

    suites: tuple[str, ...] = ()
    """Suite files of the user's own."""
    limit: int | None = None
    scorers: Mapping[str, str] = field(default_factory=dict)
    probe_options: Mapping[str, str] = field(default_factory=dict)
    """`PROBE.OPTION` -> value, as given."""
    baseline: str | None = None
    """Results with which the policy's rules compare."""
    policy: str | None = None
    """Name of the policy that the verdict is by; None where there is no verdict."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Status, times, command, versions and cost of the run."""

    id: str
    status: Literal["complete", "partial", "interrupted"]
    started: str
    finished: str
    seed: int
    command: tuple[str, ...]
    versions: Mapping[str, str]
    plugins: tuple[PluginInfo, ...]
    environment: Mapping[str, Any]
    cost: Cost
    why: str | None = None
    """Why the run ended early."""
    faults: tuple[PluginFault, ...] = ()
    looks: int = 0
    """How often the rules were tried until all were decided or the cases were out; 0 where all cases were asked."""
    arguments: Arguments = Arguments()


@dataclass(frozen=True, slots=True)
class PlantedFlaw:
    """A flaw of known size that a bundled decoder was trained with."""

    flaw: str
    dose: float
    metric: str
    """Full name of the metric that should equal it; empty if no installed probe has one."""
    planted: float
    """The metric's true value in the training corpus."""
    learned: float
    """The same, measured on the decoder's own conditional probabilities after training."""


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """The model under audit."""

    spec: str
    backend: str
    fingerprint: str
    verified: bool
    capabilities: tuple[str, ...]
    parameters: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    planted: tuple[PlantedFlaw, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """Properties of the model that were found when it was opened."""
    first_answers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a target that cannot be verified answered when it was opened: the distinct answers to each request."""
    doubt: str = ""
    """Why the answers may be of more than one model; empty if nothing speaks for it."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """Verdict of one rule of the policy. `rule` is the rule in words, `why` the reason for the verdict."""

    rule: str
    metric: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    limit: str
    why: str
    least: float | None = None
    """The least value allowed, of the figure or of its increase; None if there is no such limit."""
    greatest: float | None = None
    increase: bool = False
    """Whether the rule limits the figure's increase over the baseline."""
    line: int | None = None
    """Line of the rule in the policy file; None where it is not known."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Verdict of the gate, with the policy and the verdict of each rule."""

    verdict: Verdict
    policy: Mapping[str, Any]
    rules: tuple[RuleResult, ...]
    limited: str | None = None
    """What limits the verdict, in words: a sample of the cases, or data that are not as published."""
    baseline: str | None = None
    """SHA-256 of the baseline's measurements, where rules compare with them; see `Binding`."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What the results belong to, each by its SHA-256 in hexadecimal."""

    plan: str
    """The model, the seed, and the requests of each case."""
    evidence: Mapping[str, str]
    """Table -> its rows in `evidence.sqlite`: `cases`, `requests`, `answers`, `measurements`."""
    reports: Mapping[str, str] = field(default_factory=dict)
    """File name -> content of each report beside the results."""
    results: str = ""
    """All of `results.json` except this key."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Content of `results.json`."""

    run: RunInfo
    target: TargetInfo
    probes: tuple[ProbeResult, ...]
    gate: GateResult | None = None
    binding: Binding | None = None
    """None in files of earlier versions, and for results that are not written yet."""
    schema: str = RESULTS_SCHEMA

    def metric(self, full_name: str) -> Metric | None:
        """Return the metric called `PROBE.METRIC` or `PROBE.METRIC[AXIS=GROUP]`, or None."""
        return self.metrics().get(full_name)

    def metrics(self) -> dict[str, Metric]:
        """Return every metric by its full name."""
        return {full_name(p.id, m): m for p in self.probes for m in p.metrics}

    def without_verdict(self) -> AuditResult:
        """Return the results with no verdict and no policy that it would be by."""
        run = replace(self.run, arguments=replace(self.run.arguments, policy=None))
        return replace(self, run=run, gate=None)


def full_name(probe: str, metric: Metric) -> str:
    """Return a metric's name as in policies, with its slice: `toxicity-prompts.toxic_fraction[group=velmari]`."""
    where = ",".join(f"{axis}={group}" for axis, group in metric.slice.items())
    return f"{probe}.{metric.name}" + (f"[{where}]" if where else "")
