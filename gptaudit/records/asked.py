"""What is asked of a model and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gptaudit.text import well_formed


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
