"""Measuring a scorer on labelled texts: AUROC, sensitivity, specificity, in all and by part, and its speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.errors import UsageError
from gptaudit.protocols.scorer import Output, Scorer
from gptaudit.records import (
    Decision,
    LabelledFigures,
    LabelledShare,
    LabelledSlice,
    ScorerCard,
)
from gptaudit.scorers.evaluation.labelled import LabelledSet, LabelledText, read_labelled
from gptaudit.scorers.evaluation.public_sets import COMPLIED, REFUSED, SETS, TOXIC
from gptaudit.scorers.languages import CHINESE, JAPANESE
from gptaudit.stats.auroc import auroc
from gptaudit.stats.intervals import DEFAULT_LEVEL, mean_interval

THRESHOLD = 0.5
FEWEST = 20
"""Labelled texts that a share needs to be given."""
SHORT = 20
"""Words, or characters of Chinese and Japanese, of a short text at most."""
SPEED_TEXTS = 1000
LENGTHS = (10, 20, 40, 80, 160)
"""Upper ends, in words, or in characters of Chinese and Japanese, of the slices by length."""
DECISIONS: Mapping[str, Sequence[Sequence[str]]] = {"toxicity": (TOXIC,), "refusal": (COMPLIED, REFUSED)}
"""Role -> the labels that probes decide by."""

Said: TypeAlias = Callable[[str, int], object]
"""Told of each set and its number of texts, before it is rated."""


@dataclass(frozen=True, slots=True)
class _Rated:
    """A labelled set with the scorer's sums, those texts left out that it cannot rate."""

    texts: Sequence[LabelledText]
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]


def labelled_sets(
    role: str, paths: Sequence[Path], language: str = "en"
) -> dict[tuple[str, ...], list[LabelledSet]]:
    """
    Return the labelled sets for each decision of a role: files of the user's own, and public sets in folders.

    A file of one's own stands for the role's first decision, and its texts are in `language`.

    Raises:
        UsageError: the role is none that can be evaluated, or no path has a set for it.
        DataError: a file is not what it should be.
    """
    if role not in DECISIONS:
        msg = f"{role}: expected a scorer with labelled sets, one of {', '.join(DECISIONS)}"
        raise UsageError(msg)
    found: dict[tuple[str, ...], list[LabelledSet]] = {tuple(labels): [] for labels in DECISIONS[role]}
    for path in paths:
        if path.is_file():
            found[tuple(DECISIONS[role][0])].append(read_labelled(path, language))
            continue
        for public in SETS:
            if public.role == role and (read := public.found(path)):
                found[tuple(public.labels)].append(read)
    if not any(found.values()):
        names = ", ".join(public.name for public in SETS if public.role == role)
        where = ", ".join(map(str, paths))
        msg = f"--data {where}: no labelled set of {role}; expected a file of JSON Lines, or one of: {names}"
        raise UsageError(msg)
    return found


def evaluate(
    scorer: Scorer, sets: Mapping[tuple[str, ...], Sequence[LabelledSet]], said: Said, *, threads: int
) -> ScorerCard:
    """Rate every labelled text and return the card; `threads` is what its speed is measured with."""
    decisions = tuple(
        Decision(labels, THRESHOLD, tuple(f for s in of_labels if (f := _figures(scorer, labels, s, said))))
        for labels, of_labels in sets.items()
        if of_labels
    )
    outputs = [output for of_labels in sets.values() for s in of_labels for output in _outputs(s)]
    return ScorerCard(
        scorer.name, dict(scorer.identity), decisions, _speed(scorer, outputs), threads, DEFAULT_LEVEL
    )


def _figures(
    scorer: Scorer, labels: Sequence[str], labelled: LabelledSet, said: Said
) -> LabelledFigures | None:
    """Return the figures on a set, or None for one in a language that the scorer does not read."""
    said(labelled.name, len(labelled.texts))
    rated = _rate(scorer, labels, labelled)
    if len(rated.texts) < len(labelled.texts) / 2:
        return None
    positive, clusters = rated.labels, [t.cluster or str(i) for i, t in enumerate(rated.texts)]
    area = None
    if min(positive.sum(), (~positive).sum()) >= FEWEST and len(set(clusters)) > 1:
        area = LabelledShare(*auroc(rated.scores, positive, clusters, DEFAULT_LEVEL), n=len(positive))
    return LabelledFigures(
        data=labelled.name,
        labelled_by=labelled.labelled_by,
        sha256=labelled.sha256,
        texts=len(positive),
        positives=int(positive.sum()),
        clusters=len(set(clusters)),
        auroc=area,
        sensitivity=_share(rated, positive, clusters, called=True),
        specificity=_share(rated, ~positive, clusters, called=False),
        slices=tuple(_slices(rated, clusters, labelled.language)),
        language=labelled.language,
    )


def _rate(scorer: Scorer, labels: Sequence[str], labelled: LabelledSet) -> _Rated:
    pairs = [(t, s) for t, s in zip(labelled.texts, scorer(_outputs(labelled)), strict=True) if s]
    sums = [sum(scores[label] for label in labels) for _, scores in pairs]
    return _Rated(
        [t for t, _ in pairs],
        np.array(sums, dtype=np.float64),
        np.array([t.label for t, _ in pairs], dtype=bool),
    )


def _outputs(labelled: LabelledSet) -> list[Output]:
    return [Output(t.text, t.prompt, labelled.language) for t in labelled.texts]


def _share(
    rated: _Rated, rows: NDArray[np.bool_], clusters: Sequence[str], *, called: bool
) -> LabelledShare | None:
    """Return the share of these rows that is called positive, or that is not; None for fewer than `FEWEST`."""
    right = ((rated.scores >= THRESHOLD) == called)[rows]
    if len(right) < FEWEST:
        return None
    names = [name for name, row in zip(clusters, rows, strict=True) if row]
    values = right.astype(np.float64)
    interval = mean_interval(values, names, level=DEFAULT_LEVEL, seed=0, binary=True)
    if interval.low is None or interval.high is None:
        return None
    return LabelledShare(float(values.mean()), interval.low, interval.high, len(values))


def _slices(rated: _Rated, clusters: Sequence[str], language: str) -> Iterable[LabelledSlice]:
    """Yield the parts: by length, and by the groups of the texts."""
    parts: dict[tuple[str, str], list[int]] = {}
    for row, text in enumerate(rated.texts):
        for part in ({"length": _length(text.text, language)} | dict(text.groups)).items():
            parts.setdefault(part, []).append(row)
    for (axis, group), rows in sorted(parts.items()):
        own = np.zeros(len(rated.labels), dtype=bool)
        own[rows] = True
        yield LabelledSlice(
            axis,
            group,
            len(rows),
            _share(rated, own & rated.labels, clusters, called=True),
            _share(rated, own & ~rated.labels, clusters, called=False),
        )


def _length(text: str, language: str) -> str:
    unit = "characters" if language in (CHINESE, JAPANESE) else "words"
    length = _size(text, language)
    below = next((end for end in LENGTHS if length <= end), None)
    return f"up to {below:3} {unit}" if below else f"over {LENGTHS[-1]} {unit}"


def _size(text: str, language: str) -> int:
    words = text.split()
    return sum(map(len, words)) if language in (CHINESE, JAPANESE) else len(words)


def _speed(scorer: Scorer, outputs: Sequence[Output]) -> float:
    """Return how many short texts are rated a second."""
    short = [o for o in outputs if _size(o.text, o.language) <= SHORT][:SPEED_TEXTS]
    if not short:
        return 0.0
    start = time.perf_counter()
    scorer(short)
    return round(len(short) / (time.perf_counter() - start), 1)
