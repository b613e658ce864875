"""View of the explanation of a suite, for its own page and for that of an audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from math import sqrt
from pathlib import Path

from gptaudit.attribution.orders import Curve, OrderFaithfulness, PromptFaithfulness
from gptaudit.attribution.suites.explanation import (
    CurvePoint,
    Estimated,
    Faithfulness,
    HeadEffect,
    Mediated,
    MediationPart,
    Proof,
    SlotScore,
    SuiteExplanation,
    TokenPart,
)
from gptaudit.attribution.suites.sentences import sentences, words_of_axis
from gptaudit.gate.numbers import compact, number, quantity
from gptaudit.language import recorded, tr
from gptaudit.records import AuditResult
from gptaudit.run.explanations import Explanations, read_explanations

from . import charts
from .plots import Frame, Line, Plot
from .probe_view import View

NONE = "\N{EN DASH}"
CELL = 22
"""Width and height of a head in the grid, in pixels."""


def explained_view(result: AuditResult, folder: Path | None) -> View:
    """Return the views of the explanations in a run folder: those of the audited model, and what others it has."""
    kept = read_explanations(folder) if folder else Explanations()
    fingerprint = result.target.fingerprint
    explained = [
        explained_suite(found, f"explained-{number}")
        for number, found in enumerate(kept.of(fingerprint), start=1)
    ]
    return {
        "explained_suites": explained,
        "explained_at": {one["probe"]: one["anchor"] for one in explained},
        "explained_others": [recorded(found.title) for found in kept.of_others(fingerprint)],
    }


def explained_suite(found: SuiteExplanation, anchor: str) -> View:
    """Return the view of an explanation; `anchor` is the id of its section."""
    heads = found.heads
    return {
        "anchor": anchor,
        "probe": found.probe,
        "title": recorded(found.title),
        "slot": recorded(found.slot),
        "fingerprint": found.fingerprint,
        "seed": found.seed,
        "pairs": found.items,
        "cases": found.cases,
        "left_out": [(recorded(reason), many) for reason, many in found.left_out.items()],
        "gap": estimate(found.gap),
        "sentences": sentences(heads, found.proof, found.axis),
        "proof": _proof(found.proof),
        "plots": _plots(found),
        "grid": head_grid(heads.predicted, heads.key_heads),
        "ranked_on": heads.items,
        "stability": {
            "resamples": heads.stability.resamples,
            "first": f"{100 * heads.stability.first_stays:.0f}",
            "overlap": f"{100 * heads.stability.overlap:.0f}",
            "compared": heads.stability.compared,
        },
        "confirmed": [_confirmed(one) for one in heads.confirmed],
        "tokens": None if found.tokens is None else _tokens(found.tokens),
        "mediation": None if found.mediation is None else _mediation(found.mediation),
    }


def estimate(found: Estimated | None) -> str:
    """Write a figure with its interval: `1.11 (0.80 to 1.42)`."""
    if found is None:
        return NONE
    value = number(found.value, 2, signed=True)
    if found.low is None or found.high is None:
        return value
    return tr("{value} ({low} to {high})", value=value, low=number(found.low, 2), high=number(found.high, 2))


def band(values: Sequence[float]) -> str:
    """Write what random orders or heads give, from the least to the most."""
    if not values:
        return NONE
    return tr("{low} to {high}", low=number(min(values), 2), high=number(max(values), 2))


def faithfulness(found: OrderFaithfulness | Faithfulness, unit: str = "nats") -> View:
    """Return what a page says of whether the largest scores are of tokens that matter."""
    return {
        "unit": recorded(unit),
        "failures": [recorded(failure) for failure in found.failures],
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
        "curves": _order_curves(found, recorded(unit)),
    }


def _order_curves(found: OrderFaithfulness | Faithfulness, unit: str) -> list[View]:
    """Return the curves of deletion and insertion, each with the area under it."""
    return [
        {
            "title": title,
            "area": number(curve.area, 2),
            "random_areas": band(curve.random_areas),
            "plot": _order_curve(curve, across, unit),
        }
        for title, across, curve in (
            (
                tr(
                    "Deletion: what is left as the largest scores go first; the area is in {unit} (low is good)",
                    unit=unit,
                ),
                tr("share left out"),
                found.deletion,
            ),
            (
                tr(
                    "Insertion: what is there as the largest scores come first; the area is in {unit} (high is good)",
                    unit=unit,
                ),
                tr("share put in"),
                found.insertion,
            ),
        )
    ]


def _order_curve(curve: Curve, across: str, unit: str) -> Plot:
    """Draw how much is there over the share of tokens, with the band of random orders."""
    beside = list(zip(*curve.random_values, strict=True))
    frame = Frame.around([0.0, 1.0], [0.0, *curve.values, *chain(*curve.random_values)], ("fraction", ""))
    points = list(zip(curve.shares, curve.values, strict=True))
    edges = [list(zip(curve.shares, map(edge, beside), strict=True)) for edge in (min, max)]
    return Plot(
        label=tr("; ").join(
            f"{quantity(share, 'fraction', 0)}: {number(value, 2)}" for share, value in points
        ),
        across=across,
        up=unit,
        x_ticks=frame.x_ticks(),
        y_ticks=frame.y_ticks(),
        marks=frame.marks((share, value, None, None) for share, value in points),
        lines=tuple(frame.line(a, b) for a, b in pairwise(points)),
        guides=tuple(frame.line(a, b) for edge in edges for a, b in pairwise(edge)),
    )


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


def _proof(proof: Proof) -> View:
    return {
        "pairs": proof.items,
        "chosen": proof.chosen,
        "unrelated": recorded(proof.unrelated_suite),
        "points": [
            {
                "k": point.k,
                "heads": ", ".join(point.heads) or tr("all heads in"),
                "gap": estimate(point.gap),
                "at_random": band(point.at_random),
                "whole": estimate(point.whole),
                "fact": estimate(point.fact),
                "unrelated": estimate(point.unrelated),
                "perplexity": number(point.perplexity, 1),
            }
            for point in proof.points
        ],
    }


def _confirmed(one: HeadEffect) -> View:
    return {
        "head": one.head,
        "effect": estimate(one.effect),
        "shown": recorded(one.shown),
        "predicted": number(one.predicted, 3, signed=True),
    }


def _tokens(tokens: TokenPart) -> View:
    return {
        "method": recorded(tokens.method),
        "baseline": recorded(tokens.baseline),
        "pairs": tokens.items,
        "incomplete": tokens.incomplete,
        "slots": [_score(recorded(one.name), one) for one in tokens.slots],
        "words": [_score(one.name, one) for one in tokens.words],
        "first_in_pairs": f"{100 * tokens.first_in_pairs:.0f}",
        "first_in_prompts": f"{100 * tokens.first_in_prompts:.0f}",
        "faithfulness": None if tokens.faithfulness is None else _faithfulness(tokens.faithfulness),
    }


def _score(name: str, one: SlotScore) -> View:
    return {"name": name, "score": estimate(one.score), "prompts": one.score.n}


def _faithfulness(found: Faithfulness) -> View:
    def share(value: float | None) -> str:
        return NONE if value is None else number(value, 2)

    return {
        **faithfulness(found),
        "prompts": found.prompts,
        "randomised": share(found.randomised),
        "randomised_size": share(found.randomised_size),
    }


def _mediation(mediation: MediationPart) -> View:
    rows: list[Mediated] = [mediation.all_heads, *mediation.layers, *mediation.heads]
    return {
        "pairs": mediation.items,
        "total": estimate(mediation.total),
        "rows": [
            {"name": recorded(one.name), "indirect": estimate(one.indirect), "direct": estimate(one.direct)}
            for one in rows
        ],
    }


def _plots(found: SuiteExplanation) -> list[View]:
    """Return the curves over the number of heads taken out: the suite, what is true, another suite, neutral texts."""
    points = found.proof.points
    bands = [(place, point.at_random) for place, point in enumerate(points) if point.at_random]
    axis, other = words_of_axis(found.axis), recorded(found.proof.unrelated_suite)
    drawn = [
        (
            tr("The difference by {axis}; dashed: random sets of other heads", axis=axis),
            _curve(points, lambda point: point.gap, bands),
        )
    ]
    if points[0].fact is not None:
        drawn.append((tr("What is true and must stay"), _curve(points, lambda point: point.fact)))
    if points[0].unrelated is not None:
        drawn.append(
            (tr("Another suite: {title}", title=other), _curve(points, lambda point: point.unrelated))
        )
    drawn.append((tr("Perplexity of neutral texts"), _curve(points, _perplexity)))
    return [{"title": title, "plot": plot} for title, plot in drawn]


def _perplexity(point: CurvePoint) -> Estimated:
    return Estimated(point.perplexity, None, None, 0, 0)


def _curve(
    points: Sequence[CurvePoint],
    of: Callable[[CurvePoint], Estimated | None],
    bands: Sequence[tuple[int, Sequence[float]]] = (),
) -> Plot:
    """Draw a figure over the number of heads that are out, at equal distances."""
    figures = [(place, one) for place, point in enumerate(points) if (one := of(point)) is not None]
    at_random = [value for _, values in bands for value in values]
    ends = [end for _, one in figures for end in (one.value, one.low, one.high) if end is not None]
    frame = Frame.around([0.0, len(points) - 1.0], [0.0, *ends, *at_random], ("", ""))
    edges = [[(float(place), edge(values)) for place, values in bands] for edge in (min, max)]
    guides: list[Line] = [frame.line(a, b) for edge in edges for a, b in pairwise(edge)]
    return Plot(
        label=tr("; ").join(
            tr("{n} heads out: {found}", n=points[place].k, found=estimate(one)) for place, one in figures
        ),
        across=tr("heads taken out"),
        up=recorded("nats"),
        x_ticks=tuple((frame.across(place), compact(point.k, "")) for place, point in enumerate(points)),
        y_ticks=frame.y_ticks(),
        marks=frame.marks((float(place), one.value, one.low, one.high) for place, one in figures),
        lines=tuple(
            frame.line((float(a[0]), a[1].value), (float(b[0]), b[1].value)) for a, b in pairwise(figures)
        ),
        guides=tuple(guides),
    )
