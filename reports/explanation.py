"""HTML pages of explanations: of a prompt, and of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gptaudit.attribution.explanation import Ablation, Asking, Explanation, HeadGrid
from gptaudit.attribution.suites.explanation import SuiteExplanation
from gptaudit.gate.numbers import number, short
from gptaudit.language import tr
from gptaudit.records.words import Word

from .html import render_page
from .probe_view import View, heatmap
from .suite_explanation import explained_suite, faithfulness, head_grid


def render_suite(found: SuiteExplanation, target: str) -> str:
    """Render the page of a suite; `target` is the model as it was named."""
    view = {"target": target, "explained": explained_suite(found, "explained")}
    return render_page("suite_explanation.html", view)


def render(explanation: Explanation, target: str) -> str:
    """Render the page of a prompt; `target` is the model as it was named."""
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
        "faithfulness": None
        if explanation.faithfulness is None
        else faithfulness(explanation.faithfulness, explanation.unit),
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
        "unknown": f"{asking.unknown:.2g}" if asking.unknown else None,
        "neither": None if asking.neither is None else f"{100 * asking.neither:.0f}",
        "words": [
            {
                "text": word.text,
                "score": number(word.score, 3, signed=True),
                "interval": tr(
                    "{low} to {high}",
                    low=number(interval[0], 3, signed=True),
                    high=number(interval[1], 3, signed=True),
                )
                if interval
                else tr("exact"),
            }
            for word, interval in zip(words, asking.intervals, strict=True)
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
