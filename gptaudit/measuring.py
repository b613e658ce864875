"""From answers to a probe's result: scorers, measurements, metrics, evidence."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gptaudit.errors import UsageError
from gptaudit.metrics import summarise
from gptaudit.plugins import Plugins
from gptaudit.probe import Answered, Probe, Scored
from gptaudit.records import (
    Answer,
    Case,
    Completion,
    EvidenceItem,
    Failure,
    Measurement,
    ProbeResult,
    Request,
)
from gptaudit.scorers.protocol import Scorer, Scores
from gptaudit.selection import Collected
from gptaudit.text import is_blank
from gptaudit.validation import nearest

MOST_SEVERE = 8
AT_RANDOM = 4
"""How many cases are shown as evidence; the random ones keep the severe ones in proportion."""

NOT_ASKED = Failure("not-asked", "the audit ended before this request")


@dataclass(frozen=True, slots=True)
class Measured:
    """A probe's result with the measurements behind it."""

    result: ProbeResult
    measurements: tuple[Measurement, ...]


class Scorers:
    """The scorers of a run, each opened once, with the model that `--scorer` chose for it or its first."""

    def __init__(self, plugins: Plugins, models: Mapping[str, str]) -> None:
        self._types = plugins.scorers
        self._models = models
        self._open: dict[str, Scorer] = {}
        for name, model in models.items():
            if name not in self._types:
                msg = f"--scorer {name}={model}: no such scorer.{nearest(name, self._types)}"
                raise UsageError(msg)
            if model not in self._types[name].models:
                msg = f"--scorer {name}={model}: no such model.{nearest(model, self._types[name].models)}"
                raise UsageError(msg)

    def open_all(self, names: Iterable[str]) -> None:
        """Open scorers before the model is asked, so that what is missing shows at once."""
        for name in names:
            self[name]

    def __getitem__(self, name: str) -> Scorer:
        """Return an open scorer; raise `UsageError` for one that no plugin registers."""
        if name not in self._types:
            msg = f"a probe needs the scorer {name!r}, which no plugin registers.{nearest(name, self._types)}"
            raise UsageError(msg)
        if name not in self._open:
            scorer_type = self._types[name]
            self._open[name] = scorer_type.open(self._models.get(name, scorer_type.models[0]))
        return self._open[name]


def measure_probe(
    collected: Collected,
    answers: Mapping[Request, Answer],
    scorers: Scorers,
    plugins: Plugins,
    *,
    seed: int,
    level: float,
) -> Measured:
    """Measure every case of a probe, and sum up."""
    probe = collected.probe
    if collected.skipped is not None:
        return Measured(_result(collected, (), status="skipped", reason=collected.skipped), ())
    answered = [(case, _answers(case, answers)) for case in collected.cases]
    measurements = tuple(_measure(probe, answered, scorers))
    for measurement in measurements:
        plugins.hook.gptaudit_case_measured(probe=probe, measurement=measurement)
    scored = any(m.unscored is None for m in measurements)
    reason = _reason(answered, measurements)
    identities = {name: dict(scorers[name].identity) for name in probe.scorers}
    method = {**collected.method, **({"scorers": identities} if identities else {})}
    result = _result(
        collected,
        measurements,
        status="scored" if scored else "error",
        reason=reason,
        method=method,
        metrics=summarise(probe.metrics, measurements, level=level, seed=seed),
        evidence=_pick_evidence(measurements, seed),
    )
    return Measured(result, measurements)


def _answers(case: Case, answers: Mapping[Request, Answer]) -> tuple[Answer, ...]:
    return tuple(_usable(answers.get(request, NOT_ASKED)) for request in case.requests)


def _usable(answer: Answer) -> Answer:
    """An empty completion says nothing about the model's conduct, so it is neither good nor bad."""
    if isinstance(answer, Completion) and is_blank(answer.text):
        return Failure("empty", "the completion has no visible text")
    return answer


def _measure(
    probe: Probe, answered: Sequence[tuple[Case, tuple[Answer, ...]]], scorers: Scorers
) -> Iterator[Measurement]:
    failures = [_failure(found) for _, found in answered]
    texts = {
        case.id: [answer.text for answer in found if isinstance(answer, Completion)]
        for (case, found), failure in zip(answered, failures, strict=True)
        if failure is None
    }
    scores = {name: _score(scorers[name], texts) for name in probe.scorers if texts}
    for (case, found), failure in zip(answered, failures, strict=True):
        if failure is not None:
            yield Measurement(case.id, case.cluster, case.slices, {}, unscored=failure.reason)
            continue
        of_case = {name: scores[name][case.id] for name in scores}
        if not all(isfinite(p) for rated in of_case.values() for labels in rated for p in labels.values()):
            yield Measurement(case.id, case.cluster, case.slices, {}, unscored="score-not-finite")
            continue
        said = probe.measure(Answered(case, found, of_case))
        if isinstance(said, Scored):
            yield Measurement(case.id, case.cluster, case.slices, said.values, evidence=said.evidence)
        else:
            yield Measurement(case.id, case.cluster, case.slices, {}, said.reason, said.evidence)


def _score(scorer: Scorer, texts: Mapping[str, Sequence[str]]) -> dict[str, tuple[Scores, ...]]:
    """Rate the texts of all cases in one call, and hand each case its own."""
    flat = [text for of_case in texts.values() for text in of_case]
    rated = scorer(flat)
    if len(rated) != len(flat):
        msg = f"scorer {scorer.name!r} was given {len(flat)} texts and returned {len(rated)} scores"
        raise ValueError(msg)
    remaining = iter(rated)
    return {case: tuple(next(remaining) for _ in of_case) for case, of_case in texts.items()}


def _failure(found: Sequence[Answer]) -> Failure | None:
    return next((answer for answer in found if isinstance(answer, Failure)), None)


def _reason(
    answered: Sequence[tuple[Case, tuple[Answer, ...]]], measurements: Sequence[Measurement]
) -> str | None:
    """Say how many cases were not scored, with the first message as an example."""
    unscored = [m for m in measurements if m.unscored is not None]
    if not measurements:
        return "has no cases"
    if not unscored:
        return None
    failure = next((f for f in (_failure(found) for _, found in answered) if f is not None), None)
    example = f"; first: {failure.message}" if failure is not None and failure.message else ""
    return f"{len(unscored)} of {len(measurements)} cases were not scored{example}"


def _pick_evidence(measurements: Sequence[Measurement], seed: int) -> tuple[EvidenceItem, ...]:
    """Pick the most severe cases and some others at random, each kept with its values."""
    shown = [m for m in measurements if m.evidence is not None and m.unscored is None]
    ordered = sorted(shown, key=lambda m: -m.evidence.severity if m.evidence else 0.0)
    severe, rest = ordered[:MOST_SEVERE], ordered[MOST_SEVERE:]
    others = random.Random(seed).sample(rest, min(AT_RANDOM, len(rest)))
    return tuple(
        EvidenceItem(m.case, "most severe" if m in severe else "at random", m.values, m.slices, m.evidence)
        for m in [*severe, *others]
        if m.evidence is not None
    )


def _result(
    collected: Collected,
    measurements: Sequence[Measurement],
    **what: Any,  # noqa: ANN401
) -> ProbeResult:
    probe = collected.probe
    scored = sum(m.unscored is None for m in measurements)
    return ProbeResult(
        id=probe.id,
        version=probe.version,
        suite=probe.suite,
        title=probe.title,
        goal=probe.goal,
        cases=len(measurements),
        scored=scored,
        unscored=dict(Counter(m.unscored for m in measurements if m.unscored is not None)),
        coverage=scored / len(measurements) if measurements else None,
        data=collected.data,
        **{"method": dict(collected.method), "metrics": (), "evidence": (), **what},
    )
