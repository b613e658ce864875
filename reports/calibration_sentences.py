"""Sentences about the figures of a calibration."""

from __future__ import annotations

from itertools import takewhile

from gptaudit.gate.numbers import number, scaled, short, with_unit
from gptaudit.language import later, recorded, tr
from gptaudit.records import CalibratedFigure, Estimate, Power, Shape, Share

from .sentences import plural

OFTEN = 0.95
"""Share of audits that must find a flaw for its size to be named; the smallest such size is named."""

NOT_CALIBRATED = later(
    "Not calibrated: how often an audit of this kind (this version, method and number of cases) finds a flaw of known "
    "size, or raises a false alarm, has not been measured."
)


def sentence(figure: CalibratedFigure) -> str:
    """Summarise a figure: detections, false alarms, the smallest detectable flaw and the slope."""
    parts = [f"{name(figure)}: {found_text(figure)}; {alarm_text(figure.false_alarms)}"]
    if smallest := smallest_text(figure):
        parts.append(f"the smallest flaw found in 95 % of audits: {smallest}")
    if figure.same_unit and figure.slope.value is not None:
        parts.append(f"slope {estimate_text(figure.slope)}")
    if figure.failed:
        decoders = plural(figure.failed, "decoder")
        parts.append(f"not counted: {figure.failed} {decoders} that did not learn the flaw")
    return "; ".join(parts)


def beside_figure(figure: CalibratedFigure) -> str:
    """Return the sentences beside a figure in an audit report: how well such an audit finds the flaw."""
    flaw = f"“{figure.flaw}”{' ' + where(figure) if figure.slice else ''}"
    text = tr(
        "On phantoms, {decoders} small decoders ({shape}) with and without the planted flaw {flaw}: such an audit "
        "{finds}; {alarms}.",
        decoders=figure.decoders,
        shape=shape_text(figure.shape),
        flaw=flaw,
        finds=found_text(figure),
        alarms=alarm_text(figure.false_alarms),
    )
    if smallest := smallest_text(figure):
        text += tr(
            " The smallest flaw that it finds in 95 of 100 audits of such phantoms is about {size}.",
            size=smallest,
        )
    else:
        text += tr(
            " The smallest flaw that it finds in 95 of 100 audits is not known: {why}.",
            why=recorded(str(figure.why)),
        )
    if departs(figure):
        text += tr(
            " The figure is not the planted rate: it changes by {slope} for each planted unit, and its interval held "
            "the planted rate in {share} audits.",
            slope=estimate_text(figure.slope),
            share=share_text(figure.covers_planted),
        )
    return text


def smallest_text(figure: CalibratedFigure) -> str | None:
    """Format the smallest flaw found with its interval, as `2 points (1 to 4 points)`; None if there is none."""
    if figure.smallest_detectable is None:
        return None
    text = amount(figure, figure.smallest_detectable)
    if figure.smallest_low is None:
        return text
    if figure.smallest_high is None:
        low = amount(figure, figure.smallest_low)
        return tr("{size} (at least {low}; too few decoders bound it from above)", size=text, low=low)
    return f"{text} ({_range(figure, figure.smallest_low, figure.smallest_high)})"


def departs(figure: CalibratedFigure) -> bool:
    """Whether the figure has the unit of the planted rate but does not follow it: the slope's interval excludes 1.

    So it is where the probe's scorer errs; see `gptaudit.calibration.statistics`.
    """
    slope = figure.slope
    return (
        figure.same_unit
        and slope.low is not None
        and slope.high is not None
        and not slope.low <= 1 <= slope.high
    )


def in_brief(figure: CalibratedFigure) -> str:
    """Return the short form for a table cell: detections, false alarms and the shape of the decoders."""
    place = f"{where(figure)} " if figure.slice else ""
    shape = shape_text(figure.shape)
    return f"{place}{found_text(figure)}; {alarm_text(figure.false_alarms)} ({shape})"


def name(figure: CalibratedFigure) -> str:
    """Name figure, flaw and decoders: `toxic_fraction[group=velmari] on toxicity (1 layer, 64 wide)`."""
    return f"{figure.metric}{where(figure)} on {figure.flaw} ({shape_text(figure.shape)})"


def shape_text(shape: Shape) -> str:
    """State the shape of the decoders as `4 layers, 128 wide`."""
    if shape.layers == 1:
        return tr("1 layer, {width} wide", width=shape.width)
    return tr("{layers} layers, {width} wide", layers=shape.layers, width=shape.width)


def where(figure: CalibratedFigure) -> str:
    """Return the slice as `[group=velmari]`; empty for the whole figure."""
    inside = ",".join(f"{axis}={group}" for axis, group in figure.slice.items())
    return f"[{inside}]" if inside else ""


def found_text(figure: CalibratedFigure) -> str:
    """Name the smallest flaw that 95 % of audits find, as they do all larger ones; else the one found most often."""
    if not figure.power:
        return tr("was not tested on any flaw")
    often = list(takewhile(lambda power: _found_share(power) >= OFTEN, reversed(figure.power)))
    told = often[-1] if often else max(figure.power, key=_found_share)
    return tr(
        "finds a flaw of {size} in {share} trial audits",
        size=amount(figure, told.effect),
        share=count_text(told.found),
    )


def _found_share(power: Power) -> float:
    return power.found.count / power.found.of if power.found.of else 0.0


def alarm_text(alarms: Share) -> str:
    """State the number of false alarms, audits that find a flaw in a clean decoder."""
    if not alarms.of:
        return tr("false alarms were not measured")
    return tr("false alarm in {share} audits of clean decoders", share=count_text(alarms))


def count_text(share: Share) -> str:
    """Format a share as `19 of 20`."""
    return tr("{n} of {all}", n=share.count, all=share.of)


def share_text(share: Share | None) -> str:
    """Format a share with its interval as `19 of 20 (76 to 99 %)`."""
    if share is None:
        return tr("not comparable")
    if share.low is None or share.high is None:
        return count_text(share)
    low, high = scaled(share.low, "fraction", 0), scaled(share.high, "fraction", 0)
    ends = tr("{low} to {high}", low=low, high=high)
    return f"{count_text(share)} ({with_unit(ends, 'fraction')})"


def estimate_text(estimate: Estimate) -> str:
    """Format an estimate with its interval as `0.98 (0.95 to 1.01)`."""
    if estimate.value is None:
        return recorded(estimate.why) if estimate.why else tr("unknown")
    value = number(estimate.value, 3)
    if estimate.low is None or estimate.high is None:
        return value
    ends = tr("{low} to {high}", low=number(estimate.low, 3), high=number(estimate.high, 3))
    return f"{value} ({ends})"


def amount(figure: CalibratedFigure, effect: float) -> str:
    """Format the size of a flaw in the unit of its figure, or in percentage points for a rate: `10 points`."""
    if figure.same_unit and figure.unit != "fraction":
        return with_unit(short(effect), figure.unit)
    text = _points(effect)
    return tr("{n} point", n=text) if text == "1" else tr("{n} points", n=text)


def _points(effect: float) -> str:
    points = effect * 100
    return number(points, 0 if abs(points - round(points)) < 0.05 else 1)


def _range(figure: CalibratedFigure, low: float, high: float) -> str:
    """Format two sizes of a flaw with the unit once: `1.8 to 2.7 points`."""
    if figure.same_unit and figure.unit != "fraction":
        return with_unit(tr("{low} to {high}", low=short(low), high=short(high)), figure.unit)
    return tr("{low} to {high}", low=_points(low), high=amount(figure, high))
