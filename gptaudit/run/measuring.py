"""From answers to a probe's result: scorers, measurements, metrics, evidence.

What is measured goes back into the store page by page, and everything said about it is read from there, so that
no audit is too large to be measured.
"""

from __future__ import annotations

import hashlib
import heapq
import reprlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from gptaudit.errors import plugin_call
from gptaudit.evidence.store import Store
from gptaudit.probe import Answered, Probe, Scored, Unscored
from gptaudit.protocols.scorer import Output, Scorer, Scores
from gptaudit.records import (
    Answer,
    AnyMetricSpec,
    Case,
    Completion,
    DataSource,
    Evidence,
    EvidenceItem,
    Failure,
    GenerateRequest,
    Measurement,
    Metric,
    PluginFault,
    ProbeResult,
)
from gptaudit.run.attributed import figures_of_parts, with_typical
from gptaudit.run.folder import TRACEBACK
from gptaudit.run.metrics import Cards, checked_values, summarise
from gptaudit.run.scorers import Scorers, model_of
from gptaudit.run.second_scorer import Second, with_agreement, with_second
from gptaudit.run.selection import Collected

MOST_SEVERE = 8
AT_RANDOM = 4
"""How many cases are shown as evidence; the random ones keep the severe ones in proportion."""

NOT_RATED = "not-rated"
"""Why a case is unscored one of whose texts a scorer cannot rate, such as one in another language."""
PROBE_FAILED = "probe-failed"
"""Why all cases of a probe are unscored that raised, or measured what it must not."""

Watch: TypeAlias = Callable[[Probe, Measurement], object]
"""Told of each case as it is measured."""


def unwatched(probe: Probe, measurement: Measurement) -> None:
    """Tell nobody of a measurement."""


Page: TypeAlias = Sequence[tuple[Case, Sequence[Answer]]]
"""Cases with their answers."""


def measure_probe(
    collected: Collected, store: Store, scorers: Scorers, watch: Watch, *, seed: int, level: float
) -> ProbeResult:
    """Measure every case of a probe that was asked, keep the measurements, and sum up.

    Raises `PluginCallError` where the probe or one of its scorers fails, naming the case.
    """
    probe = collected.probe
    if collected.skipped is not None:
        return _result(collected, Counter(), status="skipped", reason=collected.skipped)
    failures: list[Failure] = []
    store.keep_measurements(probe.id, _pages(probe, store, scorers, watch, failures))
    identities = {name: dict(scorers[name].identity) for name in probe.scorers}
    method = {**collected.method, **({"scorers": identities} if identities else {})}
    cards = {name: card.in_language(probe.language) for name in probe.scorers if (card := scorers.card(name))}
    return sum_up(
        replace(collected, method=method),
        probe.metrics,
        store,
        seed=seed,
        level=level,
        failures=failures,
        cards=cards,
        models={
            name: (model_of(scorers[name]), model_of(second))
            for name in probe.scorers
            if (second := scorers.second(name))
        },
    )


def failed_probe(collected: Collected, fault: PluginFault, store: Store) -> ProbeResult:
    """Return the result of a probe that has no figures for a fault, its cases counted as unscored."""
    name = collected.probe.id
    store.keep_measurements(
        name,
        ([Measurement.of(case, unscored=PROBE_FAILED) for case, _ in page] for page in store.answered(name)),
    )
    counts = Counter(m.unscored for m in store.measurements(name))
    reason = f"{fault}. The traceback is in {TRACEBACK}"
    return _result(collected, counts, status="error", reason=reason)


def sum_up(
    collected: Collected,
    metrics: Sequence[AnyMetricSpec],
    store: Store,
    *,
    seed: int,
    level: float,
    failures: Sequence[Failure] = (),
    cards: Cards = MappingProxyType({}),
    models: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> ProbeResult:
    """Sum up a probe's measurements that the store holds; `models` has both models of a role that has two."""
    name = collected.probe.id
    counts = Counter(m.unscored for m in store.measurements(name))
    figures = summarise(
        metrics,
        store.measurements(name),
        level=level,
        seed=seed,
        cards=cards,
        anytime=collected.until_decided,
    )
    evidence = _pick_evidence(store.measurements(name), seed)
    parts: tuple[Metric, ...] = ()
    if any(item.evidence.attribution is not None for item in evidence):
        evidence = with_typical(evidence, lambda: store.measurements(name))
        parts = figures_of_parts(lambda: store.measurements(name), level=level, seed=seed)
    return _result(
        collected,
        counts,
        status="scored" if counts[None] else "error",
        reason=_reason(counts, failures),
        metrics=with_agreement(figures, store.measurements(name), models),
        evidence=evidence,
        parts=parts,
    )


def _pages(
    probe: Probe, store: Store, scorers: Scorers, watch: Watch, failures: list[Failure]
) -> Iterator[list[Measurement]]:
    """Measure page by page; the first failure that has something to say goes into `failures`."""
    for answered in store.answered(probe.id):
        page = [(case, [probe.usable(answer) for answer in answers]) for case, answers in answered]
        found = (_failure(answers) for _, answers in page)
        failures.extend([f for f in found if f is not None and f.message][: 1 - len(failures)])
        measurements = list(measure_page(probe, page, scorers))
        for measurement in measurements:
            watch(probe, measurement)
        yield measurements


def measure_page(probe: Probe, page: Page, scorers: Scorers) -> Iterator[Measurement]:
    """Yield the measurement of each case, whose answers are those that the probe can use, or failures.

    Raises `PluginCallError` where the probe or a scorer fails, naming the case.
    """
    failures = [_failure(found) for _, found in page]
    outputs = {
        case.id: _outputs(probe, case, found)
        for (case, found), failure in zip(page, failures, strict=True)
        if failure is None
    }
    scores = {name: _score(scorers, name, scorers[name], outputs) for name in probe.scorers if outputs}
    seconds = {
        name: (model_of(second), _score(scorers, name, second, outputs))
        for name in probe.scorers
        if outputs and (second := scorers.second(name))
    }
    for (case, found), failure in zip(page, failures, strict=True):
        if failure is not None:
            yield Measurement.of(case, unscored=failure.reason)
            continue
        of_case = {name: scores[name][case.id] for name in scores}
        if not all(labels for rated in of_case.values() for labels in rated):
            yield Measurement.of(case, unscored=NOT_RATED)
            continue
        if not all(isfinite(p) for rated in of_case.values() for labels in rated for p in labels.values()):
            yield Measurement.of(case, unscored="score-not-finite")
            continue
        with plugin_call("measure", case=case.id):
            measurement = _checked(probe, case, probe.measure(Answered(case, tuple(found), of_case)))
        beside = {name: Second(model, of_second[case.id]) for name, (model, of_second) in seconds.items()}
        yield with_second(measurement, probe.metrics, beside)


def _checked(probe: Probe, case: Case, said: object) -> Measurement:
    """Return what `measure` says of a case; raise `TypeError` or `ValueError` where it cannot be what was measured."""
    if not isinstance(said, Scored | Unscored):
        msg = f"expected Scored(...) or Unscored(...), found {reprlib.repr(said)}"
        raise TypeError(msg)
    if said.evidence is not None and not isinstance(said.evidence, Evidence):
        msg = f"evidence: expected Evidence(...), found {reprlib.repr(said.evidence)}"
        raise TypeError(msg)
    if isinstance(said, Unscored):
        if not isinstance(said.reason, str) or not said.reason:
            msg = f"Unscored: expected a reason in a word, found {said.reason!r}"
            raise TypeError(msg)
        return Measurement.of(case, unscored=said.reason, evidence=said.evidence)
    if not case.requests:
        msg = "the case is scored without having asked the model: it has no requests"
        raise ValueError(msg)
    values = checked_values(probe.metrics, said.values)
    return Measurement.of(case, values, evidence=said.evidence)


def _outputs(probe: Probe, case: Case, found: Sequence[Answer]) -> list[Output]:
    return [
        Output(answer.text, probe.asked(case, request), probe.language)
        for request, answer in zip(case.requests, found, strict=True)
        if isinstance(request, GenerateRequest) and isinstance(answer, Completion)
    ]


def _score(
    scorers: Scorers, name: str, scorer: Scorer, outputs: Mapping[str, Sequence[Output]]
) -> dict[str, tuple[Scores, ...]]:
    """Rate the outputs of many cases in one call, each distinct one once, and hand each case its own."""
    distinct = list(dict.fromkeys(output for of_case in outputs.values() for output in of_case))
    with plugin_call(f"scorer {name}", plugin=scorers.owner(name)):
        rated = scorer(distinct)
        if len(rated) != len(distinct):
            msg = f"it was given {len(distinct)} outputs and returned {len(rated)} scores"
            raise ValueError(msg)
    scores = dict(zip(distinct, rated, strict=True))
    return {case: tuple(scores[output] for output in of_case) for case, of_case in outputs.items()}


def _failure(found: Sequence[Answer]) -> Failure | None:
    return next((answer for answer in found if isinstance(answer, Failure)), None)


def _reason(counts: Counter[str | None], failures: Sequence[Failure]) -> str | None:
    """Say how many cases were not scored and why, with the first message as an example."""
    if not counts.total():
        return "has no cases"
    if counts[None] == counts.total():
        return None
    kinds = ", ".join(f"{n} {reason}" for reason, n in counts.most_common() if reason is not None)
    example = f"; first: {failures[0].message}" if failures else ""
    return f"{counts.total() - counts[None]} of {counts.total()} cases were not scored ({kinds}){example}"


def _pick_evidence(measurements: Iterable[Measurement], seed: int) -> tuple[EvidenceItem, ...]:
    """Pick the most severe cases, disputed ones first, and some others at random, each kept with its values.

    A case's lot is a hash of the seed and its name: the lowest lots of any number of cases are found in one pass.
    """
    severe: list[tuple[tuple[bool, float], int, Measurement]] = []
    others: list[tuple[bytes, int, Measurement]] = []
    for i, m in enumerate(measurements):
        if m.evidence is None or m.unscored is not None:
            continue
        _keep_greatest(severe, ((m.evidence.disputed, m.evidence.severity), -i, m), MOST_SEVERE)
        lot = hashlib.sha256(f"{seed}\n{m.case}".encode()).digest()
        _keep_greatest(others, (lot, -i, m), MOST_SEVERE + AT_RANDOM)
    shown = [m for *_, m in sorted(severe, reverse=True)]
    rest = [m for *_, m in sorted(others, reverse=True) if m not in shown][:AT_RANDOM]
    return tuple(
        EvidenceItem(m.case, _picked(m.evidence, severe=m in shown), m.values, m.slices, m.evidence)
        for m in [*shown, *rest]
        if m.evidence is not None
    )


def _picked(evidence: Evidence, *, severe: bool) -> Literal["disputed", "most severe", "at random"]:
    if not severe:
        return "at random"
    return "disputed" if evidence.disputed else "most severe"


def _keep_greatest(heap: list[Any], item: Any, count: int) -> None:  # noqa: ANN401 - anything that has an order
    heapq.heappush(heap, item)
    if len(heap) > count:
        heapq.heappop(heap)


def coverage(counts: Counter[str | None], data: DataSource | None) -> float | None:
    """Return the share of cases, and of rows that the data have lost, that were scored; None without a case.

    `counts` has the number of cases by the reason why they are unscored, None for those that are not.
    """
    kept = 1.0 if data is None or not data.lost else data.rows / (data.rows + data.lost)
    return counts[None] / counts.total() * kept if counts.total() else None


def _result(
    collected: Collected,
    counts: Counter[str | None],
    **what: Any,  # noqa: ANN401
) -> ProbeResult:
    probe, cases, scored = collected.probe, counts.total(), counts[None]
    return ProbeResult(
        id=probe.id,
        version=probe.version,
        suite=probe.suite,
        title=probe.title,
        goal=probe.goal,
        cases=cases,
        scored=scored,
        unscored={reason: count for reason, count in counts.items() if reason is not None},
        coverage=coverage(counts, collected.data),
        data=collected.data,
        drawn_from=collected.drawn_from,
        tags=dict(probe.tags),
        **{"method": dict(collected.method), "metrics": (), "evidence": (), **what},
    )
