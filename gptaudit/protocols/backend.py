"""What the core asks of a model, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gptaudit.records import (
    Answer,
    AttributeRequest,
    Attribution,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    PlantedFlaw,
    Request,
    ScoreRequest,
)


class Backend(Protocol):
    """A model under audit.

    The three calls take any number of requests and return as many answers in the same order. A request that
    alone has no answer gets a `Failure`; a call that fails as a whole raises `BackendError`, and one after which the
    model can be asked nothing more, `BackendLostError`. A call whose capability is not declared is never made.
    """

    fingerprint: str
    """Hash of everything that decides an answer: weights, config, tokenizer, dtype. Answers are kept under it."""
    verified: bool
    """Whether the fingerprint was computed from the model itself."""
    capabilities: frozenset[str]
    samples_as_asked: bool
    """Whether completions are drawn as the request's `sampling` says."""
    parameters: int | None
    planted: tuple[PlantedFlaw, ...]
    details: Mapping[str, Any]
    """What was found out about the model when it was opened, as JSON; stands in the results."""

    def score(self, requests: Sequence[ScoreRequest]) -> Sequence[Likelihood | Failure]:
        """Return the log-likelihood of each continuation."""

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> Sequence[Completion | Failure]:
        """Return one completion each; randomness depends on seed, request and its sample number alone."""

    def attribute(self, requests: Sequence[AttributeRequest]) -> Sequence[Attribution | Failure]:
        """Return the token scores of each contrast."""


@runtime_checkable
class StreamingBackend(Backend, Protocol):
    """A backend that keeps many requests under way at once, as remote ones do."""

    def stream(self, requests: Iterable[Request], *, seed: int) -> Iterator[tuple[Request, Answer]]:
        """Yield each request once with its answer, in any order, as soon as it comes.

        Requests are taken one by one, as they can be sent. A request that fails gets a `Failure`; `BackendLostError`
        says that the model can be asked nothing more. Closing the iterator drops what is under way.
        """


@runtime_checkable
class MixedPrecisionBackend(Backend, Protocol):
    """A backend that can also say quickly and roughly how likely a continuation is.

    Everything is asked roughly first; where the errors leave a decision of a probe open (`Probe.is_open`), `score`
    is asked again.
    """

    def score_in_low_precision(self, requests: Sequence[ScoreRequest]) -> Sequence[Likelihood | Failure]:
        """Return log-likelihoods with the `error` that each may have."""


@runtime_checkable
class RecordedBackend(Backend, Protocol):
    """A backend that can be asked only what was recorded: a probe of which it holds nothing is skipped."""

    def holds(self, request: Request) -> bool:
        """Whether there is an answer to this request."""


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of backend, found by the scheme of the target: `SCHEME:REST`."""

    scheme: str
    title: str
    rest: str
    """What follows the scheme, for the help text: `FOLDER`."""
    options: type[Any]
    """A frozen dataclass; each field is an option of `-b KEY=VALUE`."""
    open: Callable[[str, Any], Backend]
    """Called with REST and an instance of `options`; raises `TargetError`."""
