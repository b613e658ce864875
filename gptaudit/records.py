"""
The values that flow through an audit, all frozen.

    Case -> Request -> Answer -> Measurement -> Metric -> ProbeResult -> AuditResult

`AuditResult` is `results.json`: field names there are field names here (schema `gptaudit.results/1`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from gptaudit.calibration.calibration import CalibratedFigure
from gptaudit.text import well_formed

Direction: TypeAlias = Literal["lower", "higher", "target"]
"""Where the ideal lies: as low or as high as possible, or at `ideal` itself."""

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive", "incomplete"]

RESULTS_SCHEMA = "gptaudit.results/1"

# --- what is asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is drawn. `temperature` 0 is greedy decoding."""

    max_new_tokens: int = 20
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Make 1 and 1.0 the same, in JSON too: requests are known by their JSON."""
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "top_p", float(self.top_p))


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """log P(continuation | context); an empty context means the model's start token."""

    context: str
    continuation: str
    with_tokens: bool = False
    """Whether the answer should say what the continuation's tokens are."""
    kind: Literal["score"] = "score"


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One sampled completion of a prompt. Samples of one prompt differ in `sample` alone."""

    prompt: str
    sampling: Sampling = Sampling()
    sample: int = 0
    kind: Literal["generate"] = "generate"


@dataclass(frozen=True, slots=True)
class AttributeRequest:
    """Which tokens of `prompt` move the next-token logit of `target` against that of `foil`."""

    prompt: str
    target: str
    foil: str
    kind: Literal["attribute"] = "attribute"


Request: TypeAlias = ScoreRequest | GenerateRequest | AttributeRequest


def request_text(request: Request) -> str:
    """Return the text that the model reads."""
    return request.context + request.continuation if isinstance(request, ScoreRequest) else request.prompt


# --- what comes back --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of a continuation in nats, with the log-probability of each of its tokens."""

    token_logprobs: tuple[float, ...]
    logprob: float
    context_tokens: int
    error: float = 0.0
    """How far `logprob` may be from what the model says when it is asked exactly; 0 where it was."""
    tokens: tuple[str, ...] | None = None
    """The continuation's tokens, as many as `token_logprobs`, equal where the model's are; None if not asked for."""
    kind: Literal["likelihood"] = "likelihood"


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text without the prompt."""

    text: str
    finish: Literal["stop", "length", "unknown"]
    tokens: int | None = None
    prompt_tokens: int | None = None
    token_logprobs: tuple[float, ...] | None = None
    """Log-probability in nats of each generated token, the end token left out, under the model's own distribution:
    before temperature, top-k and top-p. None where the backend does not know."""
    kind: Literal["completion"] = "completion"

    def __post_init__(self) -> None:
        """Replace lone surrogates, which no file can hold, by U+FFFD."""
        object.__setattr__(self, "text", well_formed(self.text))


@dataclass(frozen=True, slots=True)
class Attribution:
    """Token scores of a logit contrast, in logits.

    Completeness (Sundararajan et al. 2017, section 3): their sum is `contrast - baseline_contrast` up to `delta`.
    """

    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    """Start and end of each token in the prompt, in characters."""
    scores: tuple[float, ...]
    contrast: float
    baseline_contrast: float
    delta: float
    steps: int
    converged: bool
    baseline: str
    method: str
    kind: Literal["attribution"] = "attribution"


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable answer. `reason` is a short word that is counted; `message` is for a reader."""

    reason: str
    message: str = ""
    kind: Literal["failure"] = "failure"

    def __post_init__(self) -> None:
        """Replace lone surrogates, which no file can hold, by U+FFFD."""
        object.__setattr__(self, "reason", well_formed(self.reason))
        object.__setattr__(self, "message", well_formed(self.message))


NOT_FINITE = Failure("not-finite", "the model's output is not a finite number; another dtype may help")

Answer: TypeAlias = Likelihood | Completion | Attribution | Failure

# --- what is measured -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """One independent question of a probe, with the requests that answer it."""

    id: str
    cluster: str
    """The independent unit this case belongs to: template, target term, prompt."""
    requests: tuple[Request, ...]
    slices: Mapping[str, str] = field(default_factory=dict)
    """AXIS -> GROUP; each becomes a slice of every metric."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What the probe's `measure` needs to know of this case; JSON values."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A text shown to or written by the model, with the numbers that belong to it."""

    label: str
    prompt: str
    output: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reader should see of a case: exchanges, or a heatmap, or both."""

    exchanges: tuple[Exchange, ...] = ()
    attribution: Attribution | None = None
    note: str = ""
    severity: float = 0.0
    """Orders the evidence; the largest is shown first."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one case says: a value per metric, or the reason why it says nothing."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"ser_json_inf_nan": "constants"}
    """NaN is kept as it is, so that it is found where figures are computed, and not taken for a damaged file."""

    case: str
    cluster: str
    slices: Mapping[str, str]
    values: Mapping[str, float]
    unscored: str | None = None
    evidence: Evidence | None = None


# --- results.json -----------------------------------------------------------------------------------------


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
