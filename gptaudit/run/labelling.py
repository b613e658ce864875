"""
A person's labels of an audit's texts: which texts are drawn, where the labels are kept, and what they say of a figure.

Half of the texts are drawn from those that the scorer's verdict counts, half from the others, at random within each;
a text is shown without its score. The labels and the scorer's verdict on all texts then give the rate by
`gptaudit.stats.prediction_powered`, whatever the scorer's errors are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path

from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.files import read_record, to_json, write_atomic
from gptaudit.records import (
    LABELS_SCHEMA,
    AuditResult,
    FigureLabels,
    LabelledRate,
    LabelledShare,
    Labels,
    Measurement,
    Metric,
    ProbeResult,
    Rated,
    TextLabel,
)
from gptaudit.run.metrics import takes_part
from gptaudit.stats.prediction_powered import Figure, labelled_errors, labelled_rate
from gptaudit.validation import nearest

FILE_NAME = "labels.json"


@dataclass(frozen=True, slots=True)
class RatedText:
    """A text that a scorer rated: which one it is, its cluster, and the scorer's verdict."""

    case: str
    number: int
    cluster: str
    prompt: str
    text: str
    counted: bool

    @property
    def sha256(self) -> str:
        """Hash of the prompt and the text."""
        return hashlib.sha256(json.dumps([self.prompt, self.text]).encode()).hexdigest()

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells the text from any other, as `TextLabel.key`."""
        return self.case, self.number, self.sha256


def chosen_metric(result: AuditResult, probe: str, metric: str | None) -> tuple[ProbeResult, Metric]:
    """Return the figure to label: the named one of a probe, or its first that is a share of rated texts.

    Raises `UsageError` if there is none.
    """
    found = next((p for p in result.probes if p.id == probe), None)
    if found is None:
        msg = (
            f"--probe {probe}: the results hold no such probe.{nearest(probe, [p.id for p in result.probes])}"
        )
        raise UsageError(msg)
    shares = {m.name: m for m in found.metrics if _is_share_of_texts(m)}
    if not shares:
        why = f" ({found.reason})" if found.reason else ""
        msg = f"--probe {probe}: it has no share of texts that a scorer rated, so there is nothing to label{why}"
        raise UsageError(msg)
    if metric is not None and metric not in shares:
        msg = f"--metric {metric}: expected a share of texts that a scorer rated.{nearest(metric, shares)}"
        raise UsageError(msg)
    return found, shares[metric or next(iter(shares))]


def _is_share_of_texts(metric: Metric) -> bool:
    return (
        metric.rated is not None
        and metric.rated.is_of_texts
        and metric.value is not None
        and not metric.slice
    )


def rated_texts(metric: Metric, measurements: Iterable[Measurement]) -> list[RatedText]:
    """Return all texts of the scored cases; raise `DataError` if they do not give the figure."""
    if metric.rated is None:
        msg = f"{metric.name} is no share of rated texts"
        raise ValueError(msg)
    texts = [text for m in measurements if takes_part(metric, m) for text in _texts(m, metric.rated)]
    share = sum(text.counted for text in texts) / len(texts) if texts else None
    if share is None or metric.value is None or not isclose(share, metric.value, abs_tol=1e-9):
        found = "no texts with scores" if share is None else f"texts of which {share:.4g} count"
        msg = f"{metric.name}: the evidence has {found}, and the figure is {metric.value}: they cannot be labelled"
        raise DataError(msg)
    return texts


def _texts(measurement: Measurement, rated: Rated) -> Iterator[RatedText]:
    exchanges = [e for e in measurement.evidence.exchanges if e.scores] if measurement.evidence else []
    for number, exchange in enumerate(exchanges):
        yield RatedText(
            measurement.case,
            number,
            measurement.cluster,
            exchange.prompt,
            exchange.output,
            rated.counts(exchange.scores),
        )


def drawn(texts: Sequence[RatedText], sample: int, seed: int) -> list[RatedText]:
    """Return a random sample in an order that tells nothing, half of it from the texts that count if there are so many.

    A larger sample holds the smaller ones.
    """

    def place(of: str) -> Callable[[RatedText], str]:
        """Return a random place for each text, independent for what it is the place of."""
        return lambda text: hashlib.sha256(f"{of}\n{seed}\n{text.case}\n{text.number}".encode()).hexdigest()

    counted, others = (
        sorted((t for t in texts if t.counted is side), key=place("draw")) for side in (True, False)
    )
    first = min(len(counted), max(sample // 2, sample - len(others)))
    return sorted([*counted[:first], *others[: sample - first]], key=place("order"))


def read_labels(folder: Path) -> Labels:
    """Return the labels of a run folder, none where it has no file of them; raise `DataError` naming the key."""
    path = folder / FILE_NAME
    if not path.exists():
        return Labels(())
    remedy = "Restore the file, or remove it to label anew"
    return read_record(path, Labels, LABELS_SCHEMA, remedy=remedy, error=DataError)


def write_labels(folder: Path, of_figure: FigureLabels) -> None:
    """Put the labels of one figure in place of those that the folder has of it."""
    others = [
        f for f in read_labels(folder).figures if (f.probe, f.metric) != (of_figure.probe, of_figure.metric)
    ]
    write_atomic(folder / FILE_NAME, to_json(Labels((*others, of_figure))))


def labels_of(labels: Labels, probe: ProbeResult, metric: Metric) -> FigureLabels:
    """Return the labels of a figure; none if they were drawn by another scorer's verdicts."""
    scorer = scorer_of(probe, metric)
    found = (f for f in labels.figures if (f.probe, f.metric, f.scorer) == (probe.id, metric.name, scorer))
    return next(found, FigureLabels(probe.id, metric.name, scorer, ()))


def scorer_of(probe: ProbeResult, metric: Metric) -> dict[str, str]:
    """Return the identity of the scorer that rated a figure's texts."""
    return dict(probe.method.get("scorers", {}).get(metric.rated.scorer if metric.rated else "", {}))


def with_labels(result: AuditResult, folder: Path) -> AuditResult:
    """Return the result with the rates by the labels that the run folder holds."""
    labels = read_labels(folder)
    if not labels.figures:
        return result
    measurements = StoredMeasurements(folder)
    return replace(result, probes=tuple(_labelled(p, labels, measurements) for p in result.probes))


def _labelled(probe: ProbeResult, labels: Labels, measurements: StoredMeasurements) -> ProbeResult:
    def of_metric(metric: Metric) -> Metric:
        known = labels_of(labels, probe, metric).labels if _is_share_of_texts(metric) else ()
        if not known:
            return metric
        texts = rated_texts(metric, measurements[probe.id])
        return replace(metric, labelled=_rate(texts, known, metric.level))

    return replace(probe, metrics=tuple(map(of_metric, probe.metrics)))


def of_these(known: Iterable[TextLabel], texts: Iterable[RatedText]) -> tuple[TextLabel, ...]:
    """Return the labels that are of these very texts."""
    here = {text.key for text in texts}
    return tuple(label for label in known if label.key in here)


def _rate(texts: Sequence[RatedText], known: Sequence[TextLabel], level: float) -> LabelledRate:
    """Return the rate by labels, unknown if some are of other texts: then the rest are no random sample."""
    by_text = {label.key: label.positive for label in known}
    labels = [by_text.get(text.key) for text in texts]
    count, positive = sum(label is not None for label in labels), sum(label is True for label in labels)
    if count < len(known):
        why = f"{len(known) - count} of {len(known)} labels are of texts that are no longer here; label again"
        return LabelledRate(None, None, None, why, level, "none", len(texts), count, positive, None, None)
    given = [text.counted for text in texts], labels, [text.cluster for text in texts]
    value, interval = labelled_rate(*given, level=level)
    sensitivity, specificity = labelled_errors(*given, level=level)
    return LabelledRate(
        value,
        interval.low,
        interval.high,
        interval.why,
        level,
        interval.method,
        texts=len(texts),
        labels=count,
        positive=positive,
        sensitivity=_share(sensitivity, count),
        specificity=_share(specificity, count),
    )


def _share(figure: Figure, labels: int) -> LabelledShare | None:
    value, interval = figure
    if value is None or interval.low is None or interval.high is None:
        return None
    return LabelledShare(value, interval.low, interval.high, labels)
