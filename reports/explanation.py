"""HTML page of an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

from gptaudit.attribution.explanation import Ablation, Asking, Explanation, HeadGrid
from gptaudit.attribution.faithfulness import PromptFaithfulness
from gptaudit.attribution.orders import OrderFaithfulness
from gptaudit.attribution.suites.explanation import Faithfulness
from gptaudit.gate.numbers import number, short
from gptaudit.records.words import Word

from . import charts
from .html import render_page
from .probe_view import View, heatmap

CELL = 22
"""Width and height of a head in the grid, in pixels."""


def render(explanation: Explanation, target: str) -> str:
    """Render the page; `target` is the model as it was named."""
    words = explanation.words
    by_word = replace(
        explanation.attribution,
        tokens=tuple(word.text for word in words),
        offsets=tuple((word.start, word.end) for word in words),
        scores=tuple(word.score for word in words),
    )
    view = {
        "target": target,
        "fingerprint": explanation.fingerprint,
        "compared": explanation.compared,
        "contrast": short(explanation.attribution.contrast, signed=True),
        "unit": explanation.unit,
        "asking": None if explanation.asking is None else _asking(explanation.asking, explanation.words),
        "prompt": explanation.prompt,
        "failures": explanation.failures,
        "faithfulness": None if explanation.faithfulness is None else faithfulness(explanation.faithfulness),
        "heat": heatmap(by_word, explanation.unit, failed=bool(explanation.failures)),
        "tokens": heatmap(explanation.attribution)["tokens"],
        "grid": None if explanation.grid is None else _grid(explanation.grid),
        "ablation": None if explanation.ablation is None else _ablation(explanation.ablation),
    }
    return render_page("explanation.html", view)


def _asking(asking: Asking, words: Sequence[Word]) -> View:
    """Return what a page says of an explanation that only asked."""
    return {
        "through": asking.through,
        "requests": asking.requests,
        "rounds": asking.rounds,
        "neither": None if asking.neither is None else f"{100 * asking.neither:.0f}",
        "words": [
            {
                "text": word.text,
                "score": number(word.score, 3, signed=True),
                "interval": f"{number(interval[0], 3, signed=True)} to {number(interval[1], 3, signed=True)}"
                if interval
                else "exact",
            }
            for word, interval in zip(words, asking.intervals, strict=True)
        ],
    }


def faithfulness(found: OrderFaithfulness | Faithfulness) -> View:
    """Return what a page says of whether the largest scores are of tokens that matter."""

    def band(values: Sequence[float]) -> str:
        return f"{number(min(values), 2)} to {number(max(values), 2)}"

    return {
        "failures": found.failures,
        "orders": len(found.random_comprehensiveness),
        "comprehensiveness": number(found.comprehensiveness, 2),
        "random_comprehensiveness": band(found.random_comprehensiveness),
        "sufficiency": number(found.sufficiency, 2),
        "random_sufficiency": band(found.random_sufficiency),
        "sized": {
            "infidelity": number(sqrt(found.infidelity), 2),
            "random_infidelity": band([sqrt(value) for value in found.random_infidelity]),
            "sensitivity": None if found.sensitivity is None else f"{100 * found.sensitivity:.0f} %",
        }
        if isinstance(found, PromptFaithfulness | Faithfulness)
        else None,
    }


def head_grid(predicted: Sequence[Sequence[float]], key_heads: int) -> View:
    """Return the drawing of a score for each head, (layers, heads)."""
    peak = max((abs(score) for row in predicted for score in row), default=0.0)
    heads = len(predicted[0])
    return {
        "layers": len(predicted),
        "heads": heads,
        "key_heads": key_heads,
        "cell": CELL,
        "width": (heads + 2) * CELL,
        "height": (len(predicted) + 2) * CELL,
        "cells": [
            {
                "name": f"{layer}.{head}",
                "x": (head + 2) * CELL,
                "y": (layer + 1) * CELL,
                "colour": charts.heat(score, peak),
                "score": number(score, 3, signed=True),
            }
            for layer, row in enumerate(predicted)
            for head, score in enumerate(row)
        ],
    }


def _grid(grid: HeadGrid) -> View:
    return {
        **head_grid(grid.predicted, grid.key_heads),
        "effects": [
            {
                "name": name,
                "effect": number(effect, 3, signed=True),
                "predicted": number(_predicted(grid, name), 3, signed=True),
            }
            for name, effect in grid.effects.items()
        ],
    }


def _predicted(grid: HeadGrid, name: str) -> float:
    layer, head = map(int, name.split("."))
    return grid.predicted[layer][head]


def _ablation(ablation: Ablation) -> View:
    at_random = ablation.after_random
    return {
        "heads": ", ".join(ablation.heads),
        "before": short(ablation.before, signed=True),
        "after": short(ablation.after, signed=True),
        "sets": len(at_random),
        "least": short(min(at_random), signed=True) if at_random else "",
        "most": short(max(at_random), signed=True) if at_random else "",
        "perplexity_before": short(ablation.perplexity_before),
        "perplexity_after": short(ablation.perplexity_after),
    }
