"""HTML page of the explanation of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from gptaudit.attribution.suites.estimates import Estimated
from gptaudit.attribution.suites.explanation import (
    CurvePoint,
    Faithfulness,
    Mediated,
    SlotScore,
    SuiteExplanation,
)
from gptaudit.attribution.suites.sentences import carried, words_of_axis
from gptaudit.gate.numbers import compact, number

from .explanation import faithfulness, head_grid
from .html import render_page
from .plots import Frame, Line, Plot
from .probe_view import View

NONE = "\N{EN DASH}"


def render_suite(found: SuiteExplanation, target: str) -> str:
    """Render the page; `target` is the model as it was named."""
    tokens, heads, proof, mediation = found.tokens, found.heads, found.proof, found.mediation
    view: View = {
        "target": target,
        "title": found.title,
        "axis": words_of_axis(found.axis),
        "slot": found.slot,
        "fingerprint": found.fingerprint,
        "seed": found.seed,
        "explained": found.items,
        "cases": found.cases,
        "left_out": list(found.left_out.items()),
        "gap": estimate(found.gap),
        "sentences": found.sentences,
        "carried": carried(proof),
        "tokens": None
        if tokens is None
        else {
            "method": tokens.method,
            "baseline": tokens.baseline,
            "pairs": tokens.items,
            "incomplete": tokens.incomplete,
            "slots": [_score(one) for one in tokens.slots],
            "words": [_score(one) for one in tokens.words],
            "first_in_pairs": f"{100 * tokens.first_in_pairs:.0f}",
            "first_in_prompts": f"{100 * tokens.first_in_prompts:.0f}",
            "faithfulness": None if tokens.faithfulness is None else _faithfulness(tokens.faithfulness),
        },
        "grid": head_grid(heads.predicted, heads.key_heads),
        "stability": {
            "resamples": heads.stability.resamples,
            "first": f"{100 * heads.stability.first_stays:.0f}",
            "overlap": f"{100 * heads.stability.overlap:.0f}",
            "compared": heads.stability.compared,
        },
        "ranked_on": heads.items,
        "confirmed": [
            {
                "head": one.head,
                "effect": estimate(one.effect),
                "shown": one.shown,
                "predicted": number(one.predicted, 3, signed=True),
            }
            for one in heads.confirmed
        ],
        "proof": {
            "pairs": proof.items,
            "chosen": proof.chosen,
            "unrelated": proof.unrelated_suite,
            "points": [_point(point) for point in proof.points],
        },
        "plots": _plots(found),
        "mediation": None
        if mediation is None
        else {
            "pairs": mediation.items,
            "total": estimate(mediation.total),
            "rows": [_mediated(one) for one in (mediation.all_heads, *mediation.layers, *mediation.heads)],
        },
    }
    return render_page("suite_explanation.html", view)


def estimate(found: Estimated | None) -> str:
    """Write a figure with its interval: `1.11 (0.80 to 1.42)`."""
    if found is None:
        return NONE
    value = number(found.value, 2, signed=True)
    if found.low is None or found.high is None:
        return value
    return f"{value} ({number(found.low, 2)} to {number(found.high, 2)})"


def _faithfulness(found: Faithfulness) -> View:
    def share(value: float | None) -> str:
        return NONE if value is None else number(value, 2)

    return {
        **faithfulness(found),
        "prompts": found.prompts,
        "randomised": share(found.randomised),
        "randomised_size": share(found.randomised_size),
    }


def _score(one: SlotScore) -> View:
    return {"name": one.name, "score": estimate(one.score), "prompts": one.score.n}


def _mediated(one: Mediated) -> View:
    return {"name": one.name, "indirect": estimate(one.indirect), "direct": estimate(one.direct)}


def _point(point: CurvePoint) -> View:
    return {
        "k": point.k,
        "heads": ", ".join(point.heads) or "all heads in",
        "gap": estimate(point.gap),
        "at_random": _range(point.at_random),
        "whole": estimate(point.whole),
        "fact": estimate(point.fact),
        "unrelated": estimate(point.unrelated),
        "perplexity": number(point.perplexity, 1),
    }


def _range(values: Sequence[float]) -> str:
    return f"{number(min(values), 2)} to {number(max(values), 2)}" if values else NONE


def _plots(found: SuiteExplanation) -> list[View]:
    """Return the curves over the number of heads taken out: the suite, what is true, another suite, neutral texts."""
    points = found.proof.points
    bands = [(place, point.at_random) for place, point in enumerate(points) if point.at_random]
    drawn = [
        (
            f"The difference by {words_of_axis(found.axis)}; dashed: random sets of other heads",
            _curve(points, lambda point: point.gap, bands),
        )
    ]
    if points[0].fact is not None:
        drawn.append(("What is true and must stay", _curve(points, lambda point: point.fact)))
    if points[0].unrelated is not None:
        name = f"Another suite: {found.proof.unrelated_suite}"
        drawn.append((name, _curve(points, lambda point: point.unrelated)))
    perplexities = [Estimated(point.perplexity, None, None, 0, 0) for point in points]
    drawn.append(
        ("Perplexity of neutral texts", _curve(points, dict(zip(points, perplexities, strict=True)).get))
    )
    return [{"title": title, "plot": plot} for title, plot in drawn]


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
        label="; ".join(f"{points[place].k} heads out: {estimate(one)}" for place, one in figures),
        across="heads taken out",
        up="nats",
        x_ticks=tuple((frame.across(place), compact(point.k, "")) for place, point in enumerate(points)),
        y_ticks=frame.y_ticks(),
        marks=frame.marks((float(place), one.value, one.low, one.high) for place, one in figures),
        lines=tuple(
            frame.line((float(a[0]), a[1].value), (float(b[0]), b[1].value)) for a, b in pairwise(figures)
        ),
        guides=tuple(guides),
    )
