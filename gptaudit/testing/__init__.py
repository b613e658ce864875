"""Tools for testing plugins and gptaudit itself.

backend = ScriptedBackend(complete=lambda prompt, sample: " and then it rained")
result = run_probe(MyProbe(), backend)
assert result.metrics[0].value == 0.0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gptaudit.plugins import load_plugins
from gptaudit.probe import Probe
from gptaudit.protocols.backend import Backend
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    PlantedFlaw,
    ProbeResult,
    ScoreRequest,
)
from gptaudit.run.scorers import Scorers
from gptaudit.run.single_probe import audit_probe

F = TypeVar("F")


class ScriptedBackend:
    """A backend that answers by given functions; its capabilities are those with a function.

    `complete(prompt, sample)` returns a completion's text, `score(context, continuation)` a log-likelihood in nats or a
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
        score: Callable[[str, str], float | Likelihood | Failure] | None = None,
        choose: Callable[[Any, tuple[str, ...]], Sequence[float] | Failure] | None = None,
        attribute: Callable[[AttributeRequest], Attribution | Failure] | None = None,
        fingerprint: str = "scripted",
        chat: bool = False,
    ) -> None:
        self.fingerprint = fingerprint
        self._complete = complete
        self._score = score
        self._choose = choose
        self._attribute = attribute
        given = {"generate": complete, "score": score, "choose": choose, "gradients": attribute}
        able = {name for name, function in given.items() if function is not None}
        self.capabilities = frozenset(able | ({"chat"} if chat else set()))

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


def run_probe(
    probe: Probe, backend: Backend, *, data: Path | None = None, limit: int | None = None, seed: int = 0
) -> ProbeResult:
    """Run one probe as `gptaudit run` does, without a run folder; installed plugins take part."""
    plugins = load_plugins()
    return audit_probe(probe, backend, plugins, Scorers(plugins, {}), data=data, limit=limit, seed=seed)


def _required(function: F | None) -> F:
    if function is None:
        msg = (
            "ScriptedBackend: no function for this kind of request; give complete, score, choose or attribute"
        )
        raise AssertionError(msg)
    return function
