"""HTML page of multiverses, and what they say in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gptaudit.gate.numbers import (
    compact,
    count,
    interval_text,
    level_text,
    places,
    quantity,
)
from gptaudit.run.specifications import CHOICES, Multiverse, Multiverses, Specification

from .decision import VERDICTS
from .html import render_page
from .plots import HEIGHT, TOP, Frame
from .probe_view import View, anchor

LEFT, WIDTH = 14.0, 86.0
"""Start and length of the curve in per cent of the width."""

ROW = 26
"""Height in pixels of an option in the matrix: its name, and its dots below."""

NO_TEST = (
    "The specifications are made of the same answers, so that they are not independent: how many of them agree says "
    "how far the figure rests on the choices, and is no test."
)

NORMALISED = {
    "sum": "summed log-likelihood",
    "token": "log-likelihood per token",
    "character": "log-likelihood per character",
}

TIED = {
    "left out": "ties left out",
    "half": "ties count half",
    "no stereotype": "ties count as no stereotype",
}

FIRST = "all templates"
"""The option of a template that stands before the others."""

OPTIONS: Mapping[str, Callable[[Specification], str | None]] = {
    "form": lambda one: one.form,
    "template": lambda one: FIRST if one.template is None else f"{one.template} alone",
    "normalisation": lambda one: one.normalisation and NORMALISED[one.normalisation],
    "ties": lambda one: TIED[one.ties],
}
"""Choice -> how a specification makes it, in words."""


def render(found: Multiverses) -> str:
    """Render the page."""
    view = {
        "title": found.multiverses[0].target,
        "sections": [_section(i, one) for i, one in enumerate(found.multiverses)],
        "left_out": list(found.left_out.values()),
        "no_test": NO_TEST,
    }
    return render_page("multiverse.html", view)


def summary(found: Multiverse) -> Iterator[str]:
    """Yield what the specifications say: their range, on which side of the ideal they lie, and what the gate says."""
    known, own = found.known, found.own
    values = [one.value for one in known if one.value is not None]
    if own.value is None or not values:
        yield f"The audit has no figure: {own.why}."
        return
    low, high = min(values), max(values)
    ends = interval_text(low, high, found.unit) or ""
    spread = f"is between {ends.replace(' to ', ' and ')}" if low < high else "is the same"
    name = found.metric.replace("_", " ")
    yield (
        f"Over {count(len(known))} different specifications the {name} {spread}; "
        f"the audit's own is {estimate(found, own)}."
    )
    if len(known) < len(found.specifications):
        yield f"{count(len(found.specifications) - len(known))} more have no figure, with too few cases for one."
    if found.direction == "target" and own.value != found.ideal:
        above = own.value > found.ideal
        away = own.value - found.ideal
        agree = [one for one in known if one.value is not None and (one.value - found.ideal) * away > 0]
        side = f"{'above' if above else 'below'} the ideal {compact(found.ideal, found.unit)}"
        yield f"On the side of the audit's own, {side}, lie {_shares(known, agree, own.form)}."
    if found.rule:
        verdicts = Counter(str(one.verdict) for one in found.specifications)
        told = ", ".join(f"{count(verdicts[v])} {v}" for v in VERDICTS if verdicts[v])
        yield f"By the rule of the run, {found.rule}: {told}; the audit's own: {own.verdict}."


def _shares(known: Sequence[Specification], agree: Sequence[Specification], first: str) -> str:
    """Say how many specifications agree, by form, and those of all templates and of one alone apart."""
    forms = list(dict.fromkeys([first, *(one.form for one in known)]))
    parts = []
    for form in forms:
        for alone, words in ((False, "all templates"), (True, "one template alone")):
            here, there = (
                sum((one.form, one.template is not None) == (form, alone) for one in some)
                for some in (agree, known)
            )
            if there:
                named = f", {form}" if len(forms) > 1 else ""
                parts.append(f"{count(here)} of {count(there)} with {words}{named}")
    return "; ".join(parts)


def spans(found: Multiverse) -> Iterator[tuple[str, int, str]]:
    """Yield each choice that varies, the number of its options, and the range over them with all else as audited."""
    for span in found.spans():
        told = interval_text(span.low, span.high, found.unit) or ""
        if span.beyond_chance:
            told += f"; of single ones beyond chance {interval_text(*span.beyond_chance, found.unit)}"
        elif span.choice == "template":
            told += "; how much of it is chance cannot be told"
        yield span.choice, span.options, told


def words(found: Multiverse, one: Specification) -> str:
    """Return a specification in words, by the choices that vary."""
    varied = [c for c in CHOICES if len({OPTIONS[c](s) for s in found.specifications}) > 1]
    return ", ".join(filter(None, (OPTIONS[choice](one) for choice in varied)))


def estimate(found: Multiverse, one: Specification) -> str:
    """Return the estimate of a specification with its interval."""
    if one.value is None:
        return f"not known: {one.why}"
    value = quantity(one.value, found.unit, places(one.low, one.high, found.unit))
    interval = interval_text(one.low, one.high, found.unit)
    return f"{value} ({level_text(found.level)} interval {interval})" if interval else value


@dataclass(frozen=True, slots=True)
class Point:
    """A specification on the curve; x is in per cent of the width, y in pixels."""

    x: str
    y: str
    top: str | None
    bottom: str | None
    own: bool


@dataclass(frozen=True, slots=True)
class Row:
    """An option of a choice, with a dot below each specification that takes it."""

    choice: str
    option: str
    name_y: str
    dots_y: str
    dots: tuple[tuple[str, bool], ...]
    """(x, whether it is the audit's own) of each dot."""


def _section(index: int, found: Multiverse) -> View:
    title = found.metric_title or found.metric.replace("_", " ")
    return {
        "anchor": anchor(index),
        "probe": found.probe,
        "title": found.title,
        "metric": found.metric,
        "metric_title": title[:1].upper() + title[1:],
        "summary": list(summary(found)),
        "cautions": list(found.cautions),
        "curve": _curve(found),
        "spans": list(spans(found)),
        "not_varied": [(one.choice, one.form, one.why) for one in found.not_varied],
        "rows": [_row(found, one) for one in found.specifications],
        "without": [(one.template, estimate(found, one)) for one in found.without],
        "rule": found.rule,
        "several_templates": any(one.template for one in found.specifications),
        "pooled": any(span.beyond_chance for span in found.spans()),
    }


def _row(found: Multiverse, one: Specification) -> View:
    return {
        "words": words(found, one),
        "own": one.own,
        "estimate": estimate(found, one),
        "n": f"{count(one.n)} of {count(one.cases)}",
        "verdict": one.verdict and VERDICTS[one.verdict],
    }


def _curve(found: Multiverse) -> View:
    known = found.known
    ends = [v for one in known for v in (one.value, one.low, one.high) if v is not None]
    frame = Frame.around([0, max(1, len(known) - 1)], [*ends, found.ideal], ("", found.unit))
    xs = [f"{LEFT + WIDTH * (i + 0.5) / len(known):.3f}%" for i in range(len(known))]
    rows = list(_matrix(found, xs))
    least, greatest = found.allowed
    zone = None
    if found.rule:
        top, bottom = (
            TOP if greatest is None else float(frame.down(greatest)),
            TOP + HEIGHT if least is None else float(frame.down(least)),
        )
        zone = (f"{top:.1f}", f"{bottom - top:.1f}")
    return {
        "label": f"Specification curve of {found.probe}.{found.metric}. {' '.join(summary(found))}",
        "y_ticks": frame.y_ticks(),
        "ideal": frame.down(found.ideal),
        "zone": zone,
        "points": [_point(frame, x, one) for x, one in zip(xs, known, strict=True)],
        "rows": rows,
        "height": f"{TOP + HEIGHT + 20 + ROW * len(rows)}",
        "radius": f"{min(3.5, max(1.2, 120 / max(1, len(known)))):.1f}",
    }


def _point(frame: Frame, x: str, one: Specification) -> Point:
    top, bottom = (None if end is None else frame.down(end) for end in (one.high, one.low))
    return Point(x, frame.down(one.value or 0.0), top, bottom, one.own)


def _matrix(found: Multiverse, xs: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each option of the choices that vary."""
    place = 0
    for choice in CHOICES:
        made = [OPTIONS[choice](one) for one in found.known]
        options = [option for option in dict.fromkeys(sorted(made, key=_order)) if option]
        if len(options) < 2:
            continue
        for option in options:
            top = TOP + HEIGHT + 20 + ROW * place
            dots = tuple(
                (x, one.own)
                for x, one, option_made in zip(xs, found.known, made, strict=True)
                if option_made == option
            )
            yield Row(choice, option, f"{top + 10}", f"{top + 18}", dots)
            place += 1


def _order(option: str | None) -> tuple[bool, str]:
    """Sort options by name, that of all templates first."""
    return option != FIRST, option or ""
