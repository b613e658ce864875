"""HTML page of a calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import fsum
from typing import TYPE_CHECKING, Any

from gptaudit.gate.numbers import count, interval_text, level_text, moment, number, places, quantity
from gptaudit.records import CalibratedFigure, Calibration, Power, ProbeCalibration, Sighting, Trial

from . import calibration_sentences as words
from . import sentences
from .html import render_page
from .plots import Frame, Line, Plot
from .probe_view import View, anchor, plain_pairs

if TYPE_CHECKING:
    from gptaudit.probe import Probe
    from gptaudit.protocols.flaw import Flaw

GOAL = 0.95
"""Power that the plots mark."""


def render(calibration: Calibration, probes: Mapping[str, Probe], flaws: Mapping[str, Flaw]) -> str:
    """Render the page; titles come from the installed probes and flaws."""
    sections = [_probe(i, p, probes, flaws) for i, p in enumerate(calibration.probes)]
    decoders = {
        (s.figure.flaw, s.figure.shape, t.dose, t.seed): t
        for p in calibration.probes
        for s in p.sightings
        for t in s.trials
    }
    failed = [
        (flaw, words.shape_text(shape), number(dose, 2), count(seed), trial.why)
        for (flaw, shape, dose, seed), trial in decoders.items()
        if trial.failed
    ]
    shapes = dict.fromkeys(words.shape_text(shape) for _, shape, *_ in decoders)
    view = {
        "probes": sections,
        "decoders": count(len(decoders)),
        "flaws": count(len({flaw for flaw, *_ in decoders})),
        "shapes": " and ".join(f"of {shape}" for shape in shapes),
        "failed": failed,
        "finished": moment(str(calibration.made.get("finished", ""))),
        "made": plain_pairs(_made(calibration.made)),
        "schema": calibration.schema,
    }
    return render_page("calibration.html", view)


def _made(made: Mapping[str, Any]) -> dict[str, Any]:
    doses, versions = (
        {**part} if isinstance(part := made.get(key), Mapping) else {} for key in ("plan", "versions")
    )
    plan = ", ".join(f"{many} at dose {dose}" for dose, many in doses.items())
    return {"decoders of each flaw and shape": plan, "seed": made.get("seed"), **versions}


def _probe(
    index: int, probe: ProbeCalibration, probes: Mapping[str, Probe], flaws: Mapping[str, Flaw]
) -> View:
    installed = probes.get(probe.id)
    titles = {spec.name: spec.title for spec in installed.metrics} if installed else {}
    return {
        "anchor": anchor(index),
        "id": probe.id,
        "title": installed.title if installed else probe.id,
        "version": probe.version,
        "figures": [_figure(s, titles.get(s.figure.metric, ""), flaws) for s in probe.sightings],
    }


def _figure(sighting: Sighting, title: str, flaws: Mapping[str, Flaw]) -> View:
    figure, trials = sighting.figure, sighting.trials
    flaw = flaws.get(figure.flaw)
    title = title or figure.metric.replace("_", " ")
    return {
        "title": title[:1].upper() + title[1:],
        "metric": figure.metric + words.where(figure),
        "groups": list(figure.slice.items()),
        "flaw": figure.flaw,
        "shape": words.shape_text(figure.shape),
        "flaw_title": flaw.title if flaw else "",
        "sentences": list(_sentences(figure, trials)),
        "slope": words.estimate_text(figure.slope) if figure.same_unit else "another unit",
        "r2": "unknown" if figure.r2 is None else number(figure.r2, 3),
        "alarms": words.share_text(figure.false_alarms),
        "found": words.found_text(figure),
        "smallest": words.smallest_text(figure),
        "measured": _measured_plot(figure, trials),
        "power": _power_plot(figure),
        "doses": [_dose(figure, power, trials) for power in figure.power],
        "trials": [_trial(figure, trial) for trial in trials],
    }


def _sentences(figure: CalibratedFigure, trials: Sequence[Trial]) -> Iterable[str]:
    level = level_text(figure.level)
    yield (
        f"{count(figure.decoders)} decoders ({words.shape_text(figure.shape)}) were audited with "
        f"{count(figure.cases)} cases each: such an audit {words.found_text(figure)}."
    )
    yield (
        f"Of clean decoders, the {level} interval excluded the ideal ({reading_ideal(figure)}) in "
        f"{words.share_text(figure.false_alarms)} audits."
    )
    clean = [t for t in trials if t.dose == 0 and not t.failed]
    if figure.same_unit and clean:
        planted = quantity(clean[0].planted, figure.unit, 1)
        yield f"In clean decoders {planted} is true, and the mean measured is {_mean(figure, clean)}."
    if figure.covers_planted is not None and figure.covers_learned is not None:
        yield (
            f"The interval held the planted rate in {words.share_text(figure.covers_planted)} audits, and the rate "
            f"that the decoder itself had learned in {words.share_text(figure.covers_learned)}."
        )
    if figure.slope.value is not None:
        aim = "1 would be exact" if figure.same_unit else "the figure has another unit, so 1 is not expected"
        if words.departs(figure):
            aim += ", so it misses some of what is planted, or counts what is not"
        yield f"For each planted unit the figure changes by {words.estimate_text(figure.slope)}; {aim}."
    if smallest := words.smallest_text(figure):
        yield f"The smallest flaw that is found in 95 % of audits of such phantoms is about {smallest}."
    else:
        yield f"The smallest flaw that is found in 95 % of audits is not known: {figure.why}."
    if figure.failed:
        decoders = f"{count(figure.failed)} {sentences.plural(figure.failed, 'decoder')}"
        yield f"Not counted: {decoders} that did not learn what was planted."


def reading_ideal(figure: CalibratedFigure) -> str:
    """Format the ideal of a figure."""
    return quantity(figure.ideal, figure.unit, 0 if figure.unit == "fraction" else 2)


def _flaw_unit(figure: CalibratedFigure) -> str:
    """Return the unit of the planted size."""
    return figure.unit if figure.same_unit else "fraction"


def _measured_plot(figure: CalibratedFigure, trials: Sequence[Trial]) -> Plot:
    """Plot measured against planted, with the interval of each audit, the fitted line and the line of equality."""
    shown = [t for t in trials if t.value is not None]
    planted = [t.planted for t in shown] or [0.0]
    measured = [v for t in shown for v in (t.value, t.low, t.high) if v is not None]
    unit = _flaw_unit(figure)
    both = planted if figure.same_unit else []
    frame = Frame.around(planted, [*measured, *both], (unit, figure.unit))
    least, most = min(planted), max(planted)
    exact = (frame.line((least, least), (most, most)),) if figure.same_unit else ()
    slope, intercept = figure.slope.value, figure.intercept.value
    fitted: tuple[Line, ...] = ()
    if slope is not None and intercept is not None:
        fitted = (frame.line((least, intercept + slope * least), (most, intercept + slope * most)),)
    return Plot(
        label=f"{figure.metric} as measured, against the planted rate; slope {words.estimate_text(figure.slope)}",
        across="planted",
        up="measured",
        x_ticks=frame.x_ticks(),
        y_ticks=frame.y_ticks(),
        marks=frame.marks((t.planted, t.value or 0.0, t.low, t.high) for t in shown),
        lines=fitted,
        guides=exact,
    )


def _power_plot(figure: CalibratedFigure) -> Plot:
    """Plot the share of audits that find a flaw, by its size; size 0 has the false alarms of clean decoders."""
    alarms = figure.false_alarms
    clean = [Power(0.0, 0.0, 0.0, alarms)] if alarms.of else []
    steps = [
        (p.effect, p.found.count / p.found.of, p.found.low, p.found.high) for p in (*clean, *figure.power)
    ]
    unit = _flaw_unit(figure)
    frame = Frame.around([0.0, *(effect for effect, *_ in steps)], (0.0, 1.0), (unit, "fraction"))
    guides = [frame.line((frame.x.start, GOAL), (frame.x.end, GOAL))]
    if figure.smallest_detectable is not None:
        guides.append(frame.line((figure.smallest_detectable, 0.0), (figure.smallest_detectable, 1.0)))
    return Plot(
        label=f"Share of audits that find the flaw, by its size; {words.found_text(figure)}",
        across="size of the flaw",
        up="audits that find it",
        x_ticks=frame.x_ticks(),
        y_ticks=frame.y_ticks(),
        marks=frame.marks(steps),
        lines=tuple(frame.line(a[:2], b[:2]) for a, b in pairwise(steps)),
        guides=tuple(guides),
    )


def _dose(figure: CalibratedFigure, power: Power, trials: Sequence[Trial]) -> View:
    return {
        "dose": number(power.dose, 2),
        "planted": quantity(power.planted, _flaw_unit(figure), 1),
        "size": words.amount(figure, power.effect),
        "measured": _mean(figure, [t for t in trials if t.dose == power.dose]),
        "found": words.share_text(power.found),
    }


def _mean(figure: CalibratedFigure, trials: Sequence[Trial]) -> str:
    values = [t.value for t in trials if t.value is not None]
    decimals = 1 if figure.unit == "fraction" else 3
    return quantity(fsum(values) / len(values), figure.unit, decimals) if values else "no figure"


def _trial(figure: CalibratedFigure, trial: Trial) -> View:
    unit = figure.unit
    flaw_unit = _flaw_unit(figure)
    decimals = places(trial.low, trial.high, unit)
    return {
        "dose": number(trial.dose, 2),
        "seed": str(trial.seed),
        "planted": quantity(trial.planted, flaw_unit, 1),
        "learned": "" if trial.learned is None else quantity(trial.learned, flaw_unit, 1),
        "value": "" if trial.value is None else quantity(trial.value, unit, decimals),
        "interval": interval_text(trial.low, trial.high, unit) or trial.why or "",
    }
