"""What the core asks of a model, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    PlantedFlaw,
    ScoreRequest,
)


class Backend(Protocol):
    """A model under audit.

    The three calls take any number of requests and return as many answers in the same order. A request that
    alone has no answer gets a `Failure`; a call that fails as a whole raises `BackendError`. A call whose
    capability is not declared is never made.
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

    def score(self, requests: Sequence[ScoreRequest]) -> Sequence[Likelihood | Failure]:
        """Return the log-likelihood of each continuation."""

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> Sequence[Completion | Failure]:
        """Return one completion each; randomness depends on seed, request and its sample number alone."""

    def attribute(self, requests: Sequence[AttributeRequest]) -> Sequence[Attribution | Failure]:
        """Return the token scores of each contrast."""


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
