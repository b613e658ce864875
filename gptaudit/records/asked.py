"""Requests to a model, its answers, and the cases that requests belong to."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Any, Literal, Self, TypeAlias

from gptaudit.records.conversation import (
    Message,
    Prompt,
    conversation_problem,
    is_begun,
    messages_of,
    prompt_text,
)
from gptaudit.text import well_formed


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of a completion. `temperature` 0 is greedy decoding."""

    max_new_tokens: int = 20
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Convert to float, since the key of a request is the hash of its JSON, where 1 and 1.0 differ."""
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "top_p", float(self.top_p))


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Asks for log P(continuation | context); an empty context means the model's start token."""

    context: str
    continuation: str
    with_tokens: bool = False
    """Whether the answer should include the continuation's tokens."""
    kind: Literal["score"] = "score"


@dataclass(frozen=True)
class SecretRequest:
    """Asks as a `ScoreRequest` for texts that nothing may keep: wherever it is written or shown, it has their hashes.

    The texts are no field of it, so that no file, no message and no copy has them. Only the request that `of` returns
    knows them; one that is read from a store is equal to it, and cannot be asked.
    """

    context: str
    """HMAC-SHA-256 of the context, 128 bits in hexadecimal."""
    continuation: str
    """The same of the continuation."""
    kind: Literal["secret"] = "secret"

    @classmethod
    def of(cls, context: str, continuation: str, key: bytes) -> Self:
        """Return the request for a continuation after a context, hashed with a key."""
        known, asked = (
            hmac.digest(key, text.encode(), "sha256").hex()[:32] for text in (context, continuation)
        )
        request = cls(known, asked)
        request.__dict__["_texts"] = (context, continuation)
        return request

    @property
    def shown(self) -> str:
        """What is shown in place of its text."""
        return f"kept as a hash: {self.continuation}"

    @property
    def in_full(self) -> ScoreRequest | None:
        """The request with the texts, for the model alone; None where they are not known."""
        texts = self.__dict__.get("_texts")
        return ScoreRequest(*texts) if texts else None


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Asks for one completion of a prompt. Several samples of a prompt differ in `sample` only.

    A conversation may end with the beginning of the answer, an assistant's message, for backends that can `continue`.
    """

    prompt: Prompt
    sampling: Sampling = Sampling()
    sample: int = 0
    kind: Literal["generate"] = "generate"

    def __post_init__(self) -> None:
        """See `_askable`."""
        object.__setattr__(self, "prompt", _askable(self.prompt, begun=True))

    def then(self, answer: Completion, content: str) -> GenerateRequest:
        """Return the next turn, with the answer as the assistant's message and `content` as the user's."""
        before, said = messages_of(self.prompt), answer.text
        if is_begun(self.prompt):
            before, said = before[:-1], before[-1].content + said
        return replace(self, prompt=(*before, Message("assistant", said), Message("user", content)))


@dataclass(frozen=True, slots=True)
class ChooseRequest:
    """Asks how probable each of a few options is as the first token of a chat model's answer, at temperature 1.

    ChooseRequest("Is the sky blue? Reply with Y or N.", ("Y", "N"))
    """

    prompt: Prompt
    options: tuple[str, ...]
    """Texts of one token each, without white space around them."""
    kind: Literal["choose"] = "choose"

    def __post_init__(self) -> None:
        """See `_askable`."""
        object.__setattr__(self, "prompt", _askable(self.prompt))


@dataclass(frozen=True, slots=True)
class AttributeRequest:
    """Asks how much each token of `prompt` adds to the log-probability of `target` less that of `foil`."""

    prompt: str
    target: str
    foil: str
    kind: Literal["attribute"] = "attribute"


Request: TypeAlias = ScoreRequest | SecretRequest | GenerateRequest | ChooseRequest | AttributeRequest


def _askable(prompt: Prompt, *, begun: bool = False) -> Prompt:
    """Return a prompt, its messages as a tuple; raise `ValueError` for messages that no model can answer."""
    if isinstance(prompt, str):
        return prompt
    messages = tuple(prompt)
    if problem := conversation_problem(messages, begun=begun):
        msg = f"a conversation cannot be asked: {problem}"
        raise ValueError(msg)
    return messages


def request_text(request: Request) -> str:
    """Return the text that the model reads, or what is shown of a secret; a conversation as `prompt_text` has it."""
    if isinstance(request, SecretRequest):
        return request.shown
    if isinstance(request, ScoreRequest):
        return request.context + request.continuation
    return prompt_text(request.prompt)


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of a continuation in nats, with the log-probability of each of its tokens."""

    token_logprobs: tuple[float, ...]
    logprob: float
    context_tokens: int
    error: float = 0.0
    """Largest expected difference of `logprob` from its value in full precision, in nats; 0 for the exact value."""
    tokens: tuple[str, ...] | None = None
    """One text for each of `token_logprobs`; equal texts stand for equal tokens. None if not requested."""
    kind: Literal["likelihood"] = "likelihood"


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text without the prompt."""

    text: str
    finish: Literal["stop", "length", "unknown"]
    tokens: int | None = None
    prompt_tokens: int | None = None
    token_logprobs: tuple[float, ...] | None = None
    """Log-probability in nats of each generated token except the end token, under the model's own distribution: before
    temperature, top-k and top-p. None if the backend does not know it."""
    thought: str = ""
    """Text that a reasoning model wrote before its answer, which is not part of the answer."""
    refused: bool = False
    """Whether the server says that the answer is a refusal, or was withheld by its filter."""
    kind: Literal["completion"] = "completion"

    def __post_init__(self) -> None:
        """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
        object.__setattr__(self, "text", well_formed(self.text))
        object.__setattr__(self, "thought", well_formed(self.thought))


LEAST_SHARE = 0.5
"""Least probability of all options together; from here on, one of them is likelier to come first than anything else."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Probability of each option of a `ChooseRequest`, in their order; all tokens shown that spell an option add up.

    A target that shows only its likeliest tokens leaves open how probable an option is that is not among them: its
    probability is from `least`, 0, to `most`. That of any other option is known, and the two are equal.
    """

    least: tuple[float, ...]
    most: tuple[float, ...]
    prompt_tokens: int | None = None
    kind: Literal["choice"] = "choice"

    @property
    def share(self) -> float:
        """Probability that the answer begins with one of the options, at least."""
        return fsum(self.least)

    @property
    def is_likely(self) -> bool:
        """Whether an option is likelier to come first than anything else."""
        return self.share >= LEAST_SHARE


@dataclass(frozen=True, slots=True)
class Attribution:
    """How much each token of a prompt adds to a contrast: the log-probability of a target less that of a foil, in nats.

    Completeness (Sundararajan et al. 2017, section 3): the scores sum to `contrast - baseline_contrast`, up to `delta`.
    """

    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    """Start and end of each token in the prompt, in characters."""
    scores: tuple[float, ...]
    contrast: float
    """At the prompt; without a foil, the log-probability of the target."""
    baseline_contrast: float
    delta: float
    steps: int
    """How often the model was run for it: with gradients, where the method takes them."""
    converged: bool | None
    """Whether the completeness error is within its tolerance; None for a method that does not promise completeness."""
    baseline: str
    method: str
    kind: Literal["attribution"] = "attribution"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a usable answer. Failures are counted by `reason`, a short word; `message` is for readers."""

    reason: str
    message: str = ""
    kind: Literal["failure"] = "failure"

    def __post_init__(self) -> None:
        """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
        object.__setattr__(self, "reason", well_formed(self.reason))
        object.__setattr__(self, "message", well_formed(self.message))


NOT_ASKED = Failure("not-asked", "the audit ended before this request")
CUT_OFF = Failure("cut-off", "the answer was cut off at its most tokens, so that its end is not known")
REFUSED = Failure("refused", "the server marks the answer as refused or withheld")
EMPTY = Failure("empty", "the completion has no visible text")
NOT_FINITE = Failure("not-finite", "the model's output is not a finite number; another dtype may help")

Answer: TypeAlias = Likelihood | Completion | Choice | Attribution | Failure


@dataclass(frozen=True, slots=True)
class Case:
    """One question of a probe, with the requests that answer it."""

    id: str
    cluster: str
    """The independent unit that this case belongs to, such as its template, target term or prompt."""
    requests: tuple[Request, ...]
    slices: Mapping[str, str] = field(default_factory=dict)
    """AXIS -> GROUP; each becomes a slice of every metric."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that the probe's `measure` needs."""
    crossed: str = ""
    """What the case shares with cases of other clusters, such as the template of a term; empty for nothing.

    Such groups are a sample too: from five of them on, intervals allow for both.
    """
