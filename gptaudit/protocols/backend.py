"""Interfaces of a model under audit, which backends implement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gptaudit.records import (
    Answer,
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
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

    `score`, `generate` and `attribute` take any number of requests and return as many answers in the same order. A
    request that fails by itself gets a `Failure`. A call that fails as a whole raises `BackendError`, or
    `BackendLostError` if the model can no longer be asked anything. A call whose capability is not declared is never
    made.
    """

    fingerprint: str
    """Hash of everything that affects an answer: weights, config, tokenizer, dtype. Answers are stored under it."""
    verified: bool
    """Whether the fingerprint was computed from the model itself."""
    capabilities: frozenset[str]
    samples_as_asked: bool
    """Whether completions are sampled with the parameters of the request's `sampling`."""
    parameters: int | None
    planted: tuple[PlantedFlaw, ...]
    details: Mapping[str, Any]
    """Properties of the model that were found when it was opened, as JSON values; written to the results."""

    def score(self, requests: Sequence[ScoreRequest]) -> Sequence[Likelihood | Failure]:
        """Return the log-likelihood of each continuation."""

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> Sequence[Completion | Failure]:
        """Return one completion for each request; randomness depends only on the seed and the request."""

    def attribute(self, requests: Sequence[AttributeRequest]) -> Sequence[Attribution | Failure]:
        """Return the token scores of each contrast."""


@runtime_checkable
class StreamingBackend(Backend, Protocol):
    """A backend that keeps many requests in flight, as remote ones do."""

    def stream(self, requests: Iterable[Request], *, seed: int) -> Iterator[tuple[Request, Answer]]:
        """Yield each request once with its answer, in any order, as soon as it arrives.

        Requests are taken one by one, as they can be sent. A request that fails gets a `Failure`; raise
        `BackendLostError` if the model can no longer be asked anything. Closing the iterator cancels the requests in
        flight.
        """


@runtime_checkable
class ContinuousBackend(Backend, Protocol):
    """A backend that decodes completions continuously: one that ends makes place for the next."""

    def generate_continuously(
        self, requests: Iterable[GenerateRequest], *, seed: int
    ) -> Iterator[tuple[GenerateRequest, Completion | Failure]]:
        """Yield each request once with its completion, in any order, as soon as that ends.

        Requests are taken as there is place for them. A request that fails by itself gets a `Failure`.
        """


@runtime_checkable
class ChoosingBackend(Backend, Protocol):
    """A backend with the capability `choose`."""

    def choose(self, requests: Sequence[ChooseRequest]) -> Sequence[Choice | Failure]:
        """Return the probabilities of each request's options."""


@runtime_checkable
class MixedPrecisionBackend(Backend, Protocol):
    """A backend that can also compute log-likelihoods faster, in low precision.

    Every score request is first asked in low precision; if the errors leave a probe's decision open (`Probe.is_open`),
    it is asked again with `score`.
    """

    def score_in_low_precision(self, requests: Sequence[ScoreRequest]) -> Sequence[Likelihood | Failure]:
        """Return log-likelihoods, each with its largest expected `error`."""


@runtime_checkable
class CountingBackend(Backend, Protocol):
    """A backend that knows without asking the model how many tokens it reads; plans then count what they estimate."""

    def tokens_read(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return how many tokens the model reads for each request, its chat template included; 0 if it reads none.

        No request is a `SecretRequest`. Where this raises `BackendError`, plans keep their estimate.
        """


@runtime_checkable
class RecordedBackend(Backend, Protocol):
    """A backend with recorded answers only: a probe for which it holds none is skipped."""

    def holds(self, request: Request) -> bool:
        """Return whether there is an answer to this request."""


@runtime_checkable
class RecognisableBackend(Backend, Protocol):
    """A backend that cannot be verified, and is known again by what it answered when it was opened."""

    first_answers: Mapping[str, Sequence[str]]
    """The distinct answers to each of the first requests, sent twice: several where the model does not repeat itself.

    Where each has one, they are part of the target's fingerprint, and an audit whose target has others than when it
    began is refused.
    """


@dataclass(frozen=True, slots=True)
class BackendType:
    """A kind of backend, chosen by the scheme of the target: `SCHEME:REST`."""

    scheme: str
    title: str
    rest: str
    """Placeholder for REST in help texts: `FOLDER`."""
    options: type[Any]
    """A frozen dataclass; each field is an option of `-b KEY=VALUE`."""
    open: Callable[[str, Any], Backend]
    """Open the model, given REST and an instance of `options`; raises `TargetError`."""
