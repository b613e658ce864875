"""Tools for testing plugins and gptaudit itself.

backend = ScriptedBackend(complete=lambda prompt, sample: " and then it rained")
result = run_probe(MyProbe(), backend)
assert result.metrics[0].value == 0.0

`gptaudit.testing.conformance` checks what every plugin has to keep to, `gptaudit.testing.phantoms` whether a probe sees
what it should, and `gptaudit.testing.faulty_server` is a server for tests of clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from gptaudit.plugins import Plugins, load_plugins
from gptaudit.probe import Probe, ProbeContext
from gptaudit.protocols.backend import Backend
from gptaudit.protocols.scorer import Output, Scorer, ScorerType, Scores
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    Message,
    PlantedFlaw,
    ProbeResult,
    ScoreRequest,
    messages_of,
)
from gptaudit.run.scorers import Scorers
from gptaudit.run.single_probe import audit_probe

F = TypeVar("F")


class ScriptedBackend:
    """A backend that answers by given functions; its capabilities are those with a function.

    `complete(prompt, sample)` returns a completion's text, `reply(messages, sample)` the next message of a conversation
    (a prompt that is a text is its first), `score(context, continuation)` a log-likelihood in nats or a
    `Likelihood` with its tokens, `choose(prompt, options)` the probability of each option, `attribute(request)` an
    attribution. Each may return a `Failure` instead.
    """

    verified = False
    samples_as_asked = True
    parameters: int | None = None
    planted: tuple[PlantedFlaw, ...] = ()
    details: Mapping[str, Any] = {}

    def __init__(
        self,
        *,
        complete: Callable[[Any, int], str | Failure] | None = None,
        reply: Callable[[Sequence[Message], int], str | Failure] | None = None,
        score: Callable[[str, str], float | Likelihood | Failure] | None = None,
        choose: Callable[[Any, tuple[str, ...]], Sequence[float] | Failure] | None = None,
        attribute: Callable[[AttributeRequest], Attribution | Failure] | None = None,
        fingerprint: str = "scripted",
        chat: bool = False,
    ) -> None:
        self.fingerprint = fingerprint
        if reply is not None:
            complete = lambda prompt, sample: reply(messages_of(prompt), sample)  # noqa: E731
        self._complete = complete
        self._score = score
        self._choose = choose
        self._attribute = attribute
        given = {"generate": complete, "score": score, "choose": choose, "gradients": attribute}
        able = {name for name, function in given.items() if function is not None}
        talks = {"chat", "continue"} if reply is not None else {"chat"} if chat else set()
        self.capabilities = frozenset(able | talks)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Return the results of the function `score`."""
        found = [_required(self._score)(r.context, r.continuation) for r in requests]
        return [Likelihood((f,), f, 1) if isinstance(f, int | float) else f for f in found]

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> list[Completion | Failure]:  # noqa: ARG002
        """Return the results of the function `complete`."""
        found = [_required(self._complete)(r.prompt, r.sample) for r in requests]
        return [f if isinstance(f, Failure) else Completion(f, "stop") for f in found]

    def choose(self, requests: Sequence[ChooseRequest]) -> list[Choice | Failure]:
        """Return the results of the function `choose`."""
        found = [_required(self._choose)(r.prompt, r.options) for r in requests]
        return [f if isinstance(f, Failure) else Choice(tuple(f), tuple(f)) for f in found]

    def attribute(self, requests: Sequence[AttributeRequest]) -> list[Attribution | Failure]:
        """Return the results of the function `attribute`."""
        return [_required(self._attribute)(r) for r in requests]


class ScriptedScorer:
    """A scorer that is a function of a text: `ScriptedScorer(lambda text: {"toxicity": float("fool" in text)})`."""

    name = "scripted"
    identity: Mapping[str, str] = {"model": "scripted"}

    def __init__(self, rate: Callable[[str], Scores], labels: tuple[str, ...] = ()) -> None:
        """`labels` are those of the scores of an empty text, unless they are given."""
        self.labels = labels or tuple(rate(""))
        self._rate = rate

    def __call__(self, outputs: Sequence[Output]) -> list[Scores]:
        """Return the results of the function."""
        return [self._rate(output.text) for output in outputs]


class GivenScorers(Scorers):
    """The scorers of a run, some of which a test gives in place of those that are registered."""

    def __init__(self, plugins: Plugins, given: Mapping[str, Scorer]) -> None:
        super().__init__(plugins, {})
        types = {n: ScorerType(n, "of a test", ("given",), partial(_as_it_is, s)) for n, s in given.items()}
        self._types = {**self._types, **types}
        self._owners = {**self._owners, **dict.fromkeys(types, "a test")}


def run_probe(
    probe: Probe,
    backend: Backend,
    *,
    data: Path | None = None,
    secrets: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    scorers: Mapping[str, Scorer] = MappingProxyType({}),
) -> ProbeResult:
    """Run one probe as `gptaudit run` does, without a run folder; installed plugins take part.

    `scorers` play their roles in place of the registered ones: `{"toxicity": ScriptedScorer(...)}`.
    """
    plugins = load_plugins()
    return audit_probe(
        probe,
        backend,
        plugins,
        GivenScorers(plugins, scorers),
        context=ProbeContext(data, seed, secrets),
        limit=limit,
    )


def _as_it_is(scorer: Scorer, model: str) -> Scorer:  # noqa: ARG001 - as `ScorerType.open` has it
    return scorer


def _required(function: F | None) -> F:
    if function is None:
        msg = "ScriptedBackend: no function for this kind of request; give complete, reply, score, choose or attribute"
        raise AssertionError(msg)
    return function
