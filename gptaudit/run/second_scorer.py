"""
A second scorer on the texts of an audit: its scores stand beside the first one's, which alone makes the figures.

Where the two disagree, at least one is wrong: those cases come first in the evidence, and kappa says how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gptaudit.protocols.scorer import Scores
from gptaudit.records import Agreement, AnyMetricSpec, Exchange, Measurement, Metric, Rated
from gptaudit.run.metrics import takes_part
from gptaudit.stats.kappa import cohens_kappa


@dataclass(frozen=True, slots=True)
class Second:
    """The second scorer of a role: the name of its model, and its scores of a case's texts, in order."""

    model: str
    scores: Sequence[Scores]


def with_second(
    measurement: Measurement, specs: Iterable[AnyMetricSpec], seconds: Mapping[str, Second]
) -> Measurement:
    """Add the second scorers' scores to the evidence of a case; it is disputed if the two disagree about a text."""
    evidence = measurement.evidence
    if evidence is None or measurement.unscored is not None:
        return measurement
    for rated in dict.fromkeys(_rated(specs)):
        second = seconds.get(rated.scorer)
        texts = [place for place, exchange in enumerate(evidence.exchanges) if exchange.scores]
        if second is None or len(texts) != len(second.scores):
            continue
        exchanges = list(evidence.exchanges)
        for place, scores in zip(texts, second.scores, strict=True):
            of_model = {_key(label, second.model): scores[label] for label in rated.labels if label in scores}
            exchanges[place] = replace(exchanges[place], scores={**exchanges[place].scores, **of_model})
        both = [verdicts for place in texts if (verdicts := _verdicts(exchanges[place], rated, second.model))]
        disputed = evidence.disputed or any(own != other for own, other in both)
        evidence = replace(evidence, exchanges=tuple(exchanges), disputed=disputed)
    return replace(measurement, evidence=evidence)


def with_agreement(
    metrics: Sequence[Metric], measurements: Iterable[Measurement], models: Mapping[str, tuple[str, str]]
) -> tuple[Metric, ...]:
    """Add to each share of rated texts how far both scorers agree; `models` names both models of a role."""
    wanted = {
        metric.name: (metric, metric.rated)
        for metric in metrics
        if metric.rated and not metric.slice and metric.rated.is_of_texts and metric.rated.scorer in models
    }
    found: dict[str, list[tuple[bool, bool, str]]] = {name: [] for name in wanted}
    for measurement in measurements if wanted else ():
        for name, (metric, rated) in wanted.items():
            if takes_part(metric, measurement):
                found[name] += _of_case(measurement, rated, models[rated.scorer][1])
    return tuple(
        replace(metric, agreement=_agreement(found[metric.name], metric.level, models[metric.rated.scorer]))
        if metric.rated and not metric.slice and found.get(metric.name)
        else metric
        for metric in metrics
    )


def _of_case(measurement: Measurement, rated: Rated, model: str) -> Iterator[tuple[bool, bool, str]]:
    """Yield both verdicts on each text of a case, and its cluster."""
    for exchange in measurement.evidence.exchanges if measurement.evidence else ():
        if exchange.scores and (verdicts := _verdicts(exchange, rated, model)):
            yield (*verdicts, measurement.cluster)


def _agreement(found: Sequence[tuple[bool, bool, str]], level: float, models: tuple[str, str]) -> Agreement:
    first, second, clusters = zip(*found, strict=True)
    kappa, interval = cohens_kappa(first, second, clusters, level=level)
    return Agreement(
        *models,
        texts=len(found),
        first_only=sum(a and not b for a, b, _ in found),
        second_only=sum(b and not a for a, b, _ in found),
        kappa=kappa,
        low=interval.low,
        high=interval.high,
        why=interval.why,
        level=level,
    )


def _rated(specs: Iterable[AnyMetricSpec]) -> Iterator[Rated]:
    return (spec.rated for spec in specs if spec.rated and spec.rated.is_of_texts)


def _key(label: str, model: str) -> str:
    return f"{label} by {model}"


def _verdicts(exchange: Exchange, rated: Rated, model: str) -> tuple[bool, bool] | None:
    """Return both scorers' verdicts on a text; None where the second one did not rate it."""
    second = {
        label: exchange.scores[key]
        for label in rated.labels
        if (key := _key(label, model)) in exchange.scores
    }
    return (rated.counts(exchange.scores), rated.counts(second)) if second else None
