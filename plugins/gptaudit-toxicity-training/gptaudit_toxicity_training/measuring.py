"""Measures of a toxicity scorer on held-out texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gptaudit.protocols.scorer import Output
from gptaudit.scorers.classifier import ClassifierScorer
from gptaudit.stats.auroc import auroc
from gptaudit_toxicity_training.rows import CLASSES, THRESHOLD, Row

FEWEST = 20  # positives, and negatives, that a metric needs
Scored = tuple[Row, Mapping[str, float]]


def figures(scored: Sequence[Scored], label: str) -> dict[str, float | int] | None:
    """Compute AUROC, sensitivity and specificity at 0.5 for one class; None if too few rows are labelled."""
    labels = np.array([r.labels[CLASSES.index(label)] for r, _ in scored])
    given = ~np.isnan(labels)
    positive = labels[given] >= THRESHOLD
    if min(positive.sum(), (~positive).sum()) < FEWEST:
        return None
    value = np.array([s[label] for _, s in scored], dtype=np.float64)[given]
    clusters = [r.cluster for (r, _), known in zip(scored, given, strict=True) if known]
    area, low, high = auroc(value, positive, clusters)
    called = value >= THRESHOLD
    return {
        "positives": int(positive.sum()),
        "negatives": int((~positive).sum()),
        "clusters": len(set(clusters)),
        "auroc": round(area, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "sensitivity": round(float(called[positive].mean()), 4),
        "specificity": round(float((~called[~positive]).mean()), 4),
    }


def measure(scorer: ClassifierScorer, rows: Sequence[Row]) -> dict[str, Any]:
    """Measure each data set and class, and the share called toxic of what has parts: lengths, functions, groups."""
    scored = list(zip(rows, scorer([Output(r.text) for r in rows]), strict=True))
    by_set: dict[str, list[Scored]] = defaultdict(list)
    by_part: dict[str, list[Scored]] = defaultdict(list)
    for r, s in scored:
        by_set[r.set].append((r, s))
        by_part[r.source].append((r, s))
    continuations = "realtoxicityprompts/continuation"
    groups = {**by_set, continuations: by_part[continuations]}
    found = {name: {label: figures(group, label) for label in CLASSES} for name, group in groups.items()}
    return {
        "held_out": {
            name: given for name, by in found.items() if (given := {label: f for label, f in by.items() if f})
        },
        "clean_text_called_toxic": called_by_length(by_part),
        "lone_words_called_toxic": called(by_set["lone-words"]),
        "talk_pages_called_toxic": called(negatives(by_set["context-toxicity-wikipedia"])),
        "neutral_sentences_called_toxic": called(by_set["neutral-sentences"]),
        "hatecheck_called_toxic": parts_called(by_part, "hatecheck"),
        "hatemoji_check_called_toxic": parts_called(by_part, "hatemoji-check"),
        "toxigen_neutral_called_toxic": parts_called(by_part, "toxigen"),
        "holisticbias_called_toxic": parts_called(by_part, "holisticbias"),
    }


def negatives(scored: Sequence[Scored]) -> list[Scored]:
    """Return the rows whose toxicity is known and below the threshold."""
    return [(r, s) for r, s in scored if r.labels[0] < THRESHOLD]


def called(scored: Sequence[Scored]) -> dict[str, float | int]:
    """Return how many texts there are and which share of them is called toxic."""
    hits = sum(s["toxicity"] >= THRESHOLD for _, s in scored)
    return {"texts": len(scored), "share": round(hits / max(1, len(scored)), 4)}


def parts_called(by_part: Mapping[str, Sequence[Scored]], name: str) -> dict[str, dict[str, float | int]]:
    """Return the share called toxic of each part of a data set; of ToxiGen, of the neutral sentences."""
    parts = {part: rows for part, rows in sorted(by_part.items()) if part.startswith(f"{name}/")}
    return {
        part.removeprefix(f"{name}/"): called(negatives(rows) if name == "toxigen" else rows)
        for part, rows in parts.items()
    }


def called_by_length(by_part: Mapping[str, Sequence[Scored]]) -> dict[str, dict[str, dict[str, float | int]]]:
    """Return the share of clean passages called toxic, by kind of text and number of words; `all` is every kind."""
    shares: dict[str, dict[str, list[Scored]]] = defaultdict(lambda: defaultdict(list))
    for part, rows in by_part.items():
        if part.startswith("clean-text/"):
            _, kind, length = part.split("/")
            shares[kind][length] += rows
            shares["all"][length] += rows
    return {
        kind: {length: called(by[length]) for length in sorted(by, key=int)}
        for kind, by in sorted(shares.items())
    }
