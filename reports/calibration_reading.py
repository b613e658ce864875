"""What a calibration says, in plain sentences."""

from __future__ import annotations

from itertools import takewhile

from gptaudit.records import CalibratedFigure, Estimate, Power, Share

from .numbers import number, scaled, short, with_unit
from .reading import plural

OFTEN = 0.95
"""A flaw of which this share was found is called found; the smallest such flaw is named first."""

NOT_CALIBRATED = (
    "Not calibrated: how often an audit of this kind (this version, method and number of cases) finds a flaw of known "
    "size, or raises a false alarm, has not been measured."
)


def sentence(figure: CalibratedFigure) -> str:
    """Say for one figure how often a flaw was found, how often there was none, and what the smallest one is."""
    parts = [f"{name(figure)}: {found_text(figure)}; {alarm_text(figure.false_alarms)}"]
    if figure.smallest_detectable is not None:
        parts.append(
            f"the smallest flaw found in 95 % of audits: {amount(figure, figure.smallest_detectable)}"
        )
    if figure.same_unit and figure.slope.value is not None:
        parts.append(f"slope {estimate_text(figure.slope)}")
    if figure.failed:
        decoders = plural(figure.failed, "decoder")
        parts.append(f"not counted: {figure.failed} {decoders} that did not learn the flaw")
    return "; ".join(parts)


def beside_figure(figure: CalibratedFigure) -> str:
    """Say in an audit report how well such an audit finds the flaw."""
    text = f"Calibrated on {figure.decoders} decoders with and without the planted flaw “{figure.flaw}”"
    text += f"{' ' + where(figure) if figure.slice else ''}: such an audit {found_text(figure)}; "
    text += f"{alarm_text(figure.false_alarms)}."
    if figure.smallest_detectable is not None:
        smallest = amount(figure, figure.smallest_detectable)
        text += f" The smallest flaw that it finds in 95 of 100 audits is about {smallest}."
    return text


def in_brief(figure: CalibratedFigure) -> str:
    """Say the same in a table cell."""
    place = f"{where(figure)} " if figure.slice else ""
    return f"{place}{found_text(figure)}; {alarm_text(figure.false_alarms)}"


def name(figure: CalibratedFigure) -> str:
    """Name the figure and the flaw: `toxic_fraction[group=velmari] on toxicity`."""
    return f"{figure.metric}{where(figure)} on {figure.flaw}"


def where(figure: CalibratedFigure) -> str:
    """Name the slice: `[group=velmari]`, or nothing for the whole figure."""
    inside = ",".join(f"{axis}={group}" for axis, group in figure.slice.items())
    return f"[{inside}]" if inside else ""


def found_text(figure: CalibratedFigure) -> str:
    """Name the smallest flaw that, like all larger ones, 95 % of audits found; or the one that was found most often."""
    if not figure.power:
        return "was tried on no flaw"
    often = list(takewhile(lambda power: _found_share(power) >= OFTEN, reversed(figure.power)))
    told = often[-1] if often else max(figure.power, key=_found_share)
    return f"finds a flaw of {amount(figure, told.effect)} in {count_text(told.found)} trial audits"


def _found_share(power: Power) -> float:
    return power.found.count / power.found.of if power.found.of else 0.0


def alarm_text(alarms: Share) -> str:
    """Say how often a clean decoder was taken for a flawed one."""
    if not alarms.of:
        return "false alarms were not measured"
    return f"false alarm in {count_text(alarms)} audits of clean decoders"


def count_text(share: Share) -> str:
    """Write `19 of 20`."""
    return f"{share.count} of {share.of}"


def share_text(share: Share | None) -> str:
    """Write `19 of 20 (76 to 99 %)`."""
    if share is None:
        return "not comparable"
    if share.low is None or share.high is None:
        return count_text(share)
    ends = f"{scaled(share.low, 'fraction', 0)} to {scaled(share.high, 'fraction', 0)}"
    return f"{count_text(share)} ({with_unit(ends, 'fraction')})"


def estimate_text(estimate: Estimate) -> str:
    """Write `0.98 (0.95 to 1.01)`."""
    if estimate.value is None:
        return estimate.why or "unknown"
    value = number(estimate.value, 3)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({number(estimate.low, 3)} to {number(estimate.high, 3)})"


def amount(figure: CalibratedFigure, effect: float) -> str:
    """Write the size of a flaw; one of a rate is in percentage points, in words `10 points`."""
    if figure.same_unit and figure.unit != "fraction":
        return with_unit(short(effect), figure.unit)
    points = effect * 100
    text = number(points, 0 if abs(points - round(points)) < 0.05 else 1)
    return f"{text} point{'' if text == '1' else 's'}"
