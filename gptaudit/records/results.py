"""`results.json`, schema `gptaudit.results/1`: field names there are field names here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gptaudit.records.calibrated import CalibratedFigure
from gptaudit.records.measured import Evidence
from gptaudit.records.metric_specs import Direction

RESULTS_SCHEMA = "gptaudit.results/1"

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "incomplete"]


@dataclass(frozen=True, slots=True)
class GroupContrast:
    """The values of a case that a contrast between groups is computed from; see `ContrastSpec`."""

    value: str
    count: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure with its interval. `value`, `low` and `high` are null only with a `why`."""

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
    """Whether each cluster weighs the same, however many cases it has."""
    contrast: GroupContrast | None = None
    """Set where the figure is a group's mean less that of the other groups of its axis."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where a probe's cases come from."""

    name: str
    source: str
    licence: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """A case's evidence as shown in the report."""

    case: str
    picked: Literal["most severe", "at random"]
    values: Mapping[str, float]
    slices: Mapping[str, str]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All that one probe found."""

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
    """How well such an audit finds flaws of known size; None where nobody has measured it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the audit asked of the model; tokens and seconds are those of the process that finished it."""

    requests: int
    requests_cached: int
    """Of the `requests`, those that had been answered before."""
    input_tokens: int | None
    output_tokens: int | None
    seconds: float
    requests_redone: int = 0
    """Asked again exactly, since a rough answer left a decision open."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A loaded plugin and where it came from."""

    name: str
    version: str
    origin: str


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A call of a plugin that raised, or returned what it must not. The rest of the audit went on."""

    plugin: str
    call: str
    """The function that was called: `measure`, `gptaudit_run_finished`, `report junit`."""
    error: str
    """Type and message: `ValueError: boom`."""
    lost: Literal["probe", "report"] | None = None
    """What the audit goes without; None for a plugin that only looks on."""
    probe: str | None = None
    case: str | None = None
    times: int = 1
    """How often the same call of the plugin failed; `error` and `case` are those of the first time."""

    def __str__(self) -> str:
        """Name the plugin, the call and the error, in one sentence."""
        where = f" of probe {self.probe!r}" if self.probe else ""
        where += f", case {self.case!r}" if self.case else ""
        times = f" ({self.times} times)" if self.times > 1 else ""
        return f"plugin {self.plugin!r} failed in {self.call}{where}{times}: {self.error}"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """When, how and with what the audit ran."""

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
    """What ended the run before its end."""
    faults: tuple[PluginFault, ...] = ()


@dataclass(frozen=True, slots=True)
class PlantedFlaw:
    """A flaw of known size that a bundled decoder was trained with."""

    flaw: str
    dose: float
    metric: str
    """Full name of the metric that should equal it; empty where no installed probe has one."""
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
    """What was found out about the model when it was opened."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule of the policy, decided. `rule` is the rule in words, `why` the reading of the verdict."""

    rule: str
    metric: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    limit: str
    why: str
    least: float | None = None
    """The least value allowed, of the figure or of its increase; None where there is no such limit."""
    greatest: float | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """The decision."""

    verdict: Verdict
    policy: Mapping[str, Any]
    rules: tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True)
class AuditResult:
    """`results.json`."""

    run: RunInfo
    target: TargetInfo
    probes: tuple[ProbeResult, ...]
    gate: GateResult | None = None
    schema: str = RESULTS_SCHEMA

    def metric(self, full_name: str) -> Metric | None:
        """Return the metric called `PROBE.METRIC` or `PROBE.METRIC[AXIS=GROUP]`, or None."""
        return self.metrics().get(full_name)

    def metrics(self) -> dict[str, Metric]:
        """Return every metric by its full name."""
        return {full_name(p.id, m): m for p in self.probes for m in p.metrics}


def full_name(probe: str, metric: Metric) -> str:
    """Name a metric as policies do, its slice in brackets: `toxicity-prompts.toxic_fraction[group=velmari]`."""
    where = ",".join(f"{axis}={group}" for axis, group in metric.slice.items())
    return f"{probe}.{metric.name}" + (f"[{where}]" if where else "")
