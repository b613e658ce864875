"""Metrics with intervals, computed from the measurements of cases."""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import fsum, isfinite
from numbers import Real
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.records import (
    AnyMetricSpec,
    AurocSpec,
    ContrastSpec,
    CrossedGroups,
    GroupContrast,
    Measurement,
    Metric,
    MetricSpec,
    PooledEstimate,
    RankedCases,
    RatioSpec,
    ScorerCard,
)
from gptaudit.records.metric_specs import Within
from gptaudit.scorers.correction import correction, errors_of
from gptaudit.stats.auroc import Auroc
from gptaudit.stats.contrast import ContrastSide, contrast_interval
from gptaudit.stats.formula import parsed
from gptaudit.stats.intervals import Interval, clipped, crossed_groups, mean_interval
from gptaudit.stats.multiplicity import quantile
from gptaudit.stats.pooling import FEWEST_GROUPS, partially_pooled
from gptaudit.stats.sequences import Bets, anytime_level
from gptaudit.stats.totals import Totals, figure_interval

Rows: TypeAlias = slice | NDArray[np.int64]


Cards: TypeAlias = Mapping[str, ScorerCard]
"""Scorer -> its card."""


def summarise(
    specs: Sequence[AnyMetricSpec],
    measurements: Iterable[Measurement],
    *,
    level: float,
    seed: int,
    cards: Cards = MappingProxyType({}),
    anytime: bool = False,
) -> tuple[Metric, ...]:
    """Return each metric over the scored cases with its interval: the whole figure, then each slice.

    With `anytime`, the intervals hold at any number of clusters: see `gptaudit.stats.sequences`.

    A contrast between groups has no whole figure, and a metric with `axes` has no slices on other axes. Slices are in
    the order in which they first appear. A slice without a scored case is kept, without a value, so that a rule on it
    cannot pass unnoticed.

    Raises:
        ValueError: a probe returned a value that is missing, not finite or outside what the metric allows.
    """
    columns = _Columns.of(specs, measurements)
    parts: list[tuple[dict[str, str], Rows]] = [({}, slice(None))]
    parts += [({axis: group}, rows) for (axis, group), rows in columns.slices.items()]
    found = [
        _corrected(spec, _metric(spec, where, columns, rows, level=level, seed=seed, anytime=anytime), cards)
        for spec in specs
        for where, rows in parts
        if _has_figure(spec, where)
    ]
    return tuple(_with_pooled(found))


def takes_part(metric: Metric, measurement: Measurement) -> bool:
    """Return whether a case was scored and counts in a figure: in one by a formula, if its values are not all 0."""
    names = parsed(metric.formula).names if metric.formula else ()
    return measurement.unscored is None and (not names or any(measurement.values.get(n) for n in names))


def _with_pooled(metrics: Sequence[Metric]) -> list[Metric]:
    """Add to the groups of each axis the estimates that borrow from one another."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, metric in enumerate(metrics):
        if metric.slice and metric.value is not None and metric.low is not None and metric.high is not None:
            groups.setdefault((metric.name, *metric.slice), []).append(place)
    pooled = list(metrics)
    for places in groups.values():
        of_axis = [metrics[place] for place in places]
        errors = [standard_error(metric) for metric in of_axis]
        if len(places) < FEWEST_GROUPS or not all(errors):
            continue
        values = [metric.value or 0.0 for metric in of_axis]
        estimates = partially_pooled(values, errors, level=of_axis[0].level)
        for place, metric, (value, low, high) in zip(places, of_axis, estimates, strict=True):
            inside = clipped(low, high, metric.bounds, "")
            estimate = PooledEstimate(value, inside.low or 0.0, inside.high or 0.0)
            pooled[place] = replace(metric, pooled=estimate)
    return pooled


def standard_error(metric: Metric) -> float:
    """Return half the width of a metric's interval in units of the t quantile."""
    half = ((metric.high or 0.0) - (metric.low or 0.0)) / 2
    return half / quantile(metric.level, metric.units, anytime=metric.anytime)


def _corrected(spec: AnyMetricSpec, metric: Metric, cards: Cards) -> Metric:
    """Add a share's correction for its scorer's errors, where they are known."""
    if spec.rated is None:
        return metric
    metric = replace(metric, rated=spec.rated)
    card = cards.get(spec.rated.scorer)
    (axis, group), *_ = [*metric.slice.items(), ("", "")]
    errors = errors_of(card, spec.rated, axis, group) if card else None
    if card is None or errors is None or metric.value is None:
        return metric
    interval = Interval(metric.low, metric.high, metric.interval, metric.why)
    model = card.identity.get("model", "")
    found = correction(metric.value, interval, spec.rated, errors, level=metric.level, model=model)
    return replace(metric, corrected=found)


def _has_figure(spec: AnyMetricSpec, where: Mapping[str, str]) -> bool:
    if not where:
        return not isinstance(spec, ContrastSpec)
    return not spec.axes or where.keys() <= set(spec.axes)


_Strata: TypeAlias = tuple[tuple[str, ...], Within]
"""What decides the stratum of a case; see `Measurement.stratum`."""


def _strata_of(spec: AurocSpec) -> _Strata:
    return spec.axes, spec.within


@dataclass(frozen=True, slots=True)
class _Columns:
    """Measurements in columns, which take a few bytes per case."""

    scored: NDArray[np.bool_]
    clusters: NDArray[np.int64]
    """64-bit hash of each case's cluster; any two of a million clusters share one with a chance of 3 in 10^8."""
    crossed: NDArray[np.int64]
    """The same of the group that crosses the clusters; empty unless every case has one."""
    values: Mapping[str, NDArray[np.float64]]
    """Values of each metric that is a mean, and of each name in a formula; 0 for cases that were not scored."""
    strata: Mapping[_Strata, NDArray[np.int64]]
    """The same of the stratum in which each case is compared with others, for each area."""
    slices: Mapping[tuple[str, str], NDArray[np.int64]]
    """The rows of each (axis, group)."""

    @classmethod
    def of(cls, specs: Sequence[AnyMetricSpec], measurements: Iterable[Measurement]) -> _Columns:
        scored, clusters, crossed = array("b"), array("q"), array("q")
        values = {name: array("d") for spec in specs for name in value_names(spec)}
        strata = {_strata_of(spec): array("q") for spec in specs if isinstance(spec, AurocSpec)}
        slices: dict[tuple[str, str], array[int]] = {}
        by_name = {spec.name: spec for spec in specs if isinstance(spec, MetricSpec)}
        for row, m in enumerate(measurements):
            scored.append(m.unscored is None)
            clusters.append(_hash(m.cluster))
            if m.crossed:
                crossed.append(_hash(m.crossed))
            for (axes, within), labels in strata.items():
                labels.append(_hash(m.stratum(axes, within)))
            for name, column in values.items():
                column.append(_checked(name, by_name.get(name), m) if m.unscored is None else 0.0)
            for pair in m.slices.items():
                slices.setdefault(pair, array("q")).append(row)
        return cls(
            np.array(scored, dtype=bool),
            np.array(clusters, dtype=np.int64),
            np.array(crossed if len(crossed) == len(clusters) else (), dtype=np.int64),
            {name: np.array(column, dtype=np.float64) for name, column in values.items()},
            {key: np.array(labels, dtype=np.int64) for key, labels in strata.items()},
            {pair: np.array(rows, dtype=np.int64) for pair, rows in slices.items()},
        )

    def others(self, where: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the rows of the other groups of a slice's axis."""
        found = [
            rows for (axis, group), rows in self.slices.items() if axis in where and where[axis] != group
        ]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found]))


def _metric(
    spec: AnyMetricSpec,
    where: Mapping[str, str],
    columns: _Columns,
    rows: Rows,
    *,
    level: float,
    seed: int,
    anytime: bool,
) -> Metric:
    scored = columns.scored[rows]
    crossed = columns.crossed[rows][scored] if _knows_crossed(spec) and len(columns.crossed) else ()
    clusters = columns.clusters[rows][scored]
    count = len(np.unique(clusters))
    at = anytime_level(level, count) if anytime else level
    if isinstance(spec, ContrastSpec):
        sides = (_side(spec, columns, side) for side in (rows, columns.others(where)))
        values: dict[str, NDArray[np.float64]] = {}
        value, interval = _contrast(spec, *sides, level=at, seed=seed)
    elif isinstance(spec, AurocSpec):
        values = {}
        value, interval = _area(spec, columns, rows, crossed, level=at, seed=seed)
    else:
        values = {name: columns.values[name][rows][scored] for name in value_names(spec)}
        value, interval = _figure(spec, values, clusters, crossed, level=at, seed=seed)
        if anytime and isinstance(spec, MetricSpec) and not crossed_groups(crossed):
            interval = _bet(spec, values[spec.name], clusters, level) or interval
    return Metric(
        name=spec.name,
        value=value,
        low=interval.low,
        high=interval.high,
        level=level,
        n=int(scored.sum()),
        clusters=count,
        interval=interval.method,
        ideal=spec.ideal,
        direction=spec.direction,
        unit=spec.unit,
        title=spec.title,
        slice=where,
        why=interval.why,
        cases=len(scored),
        formula=spec.formula if isinstance(spec, RatioSpec | ContrastSpec) else "",
        macro=isinstance(spec, RatioSpec) and spec.macro,
        contrast=GroupContrast(spec.value, spec.count) if isinstance(spec, ContrastSpec) else None,
        auroc=RankedCases(spec.score, spec.positive, *_strata_of(spec))
        if isinstance(spec, AurocSpec)
        else None,
        bounds=spec.range,
        crossed=_crossed(spec, values, crossed),
        unfit=spec.unfit,
        anytime=anytime,
    )


def _bet(
    spec: MetricSpec, values: NDArray[np.float64], clusters: NDArray[np.int64], level: float
) -> Interval | None:
    """Return the interval of a mean by bets on it; None if it has no bounds."""
    least, greatest = spec.range
    if least is None or greatest is None:
        return None
    return Bets.of(values, clusters, (least, greatest)).interval(level)


def _crossed(
    spec: AnyMetricSpec, values: Mapping[str, NDArray[np.float64]], crossed: NDArray[np.int64] | tuple[()]
) -> CrossedGroups | None:
    """Return the groups that cross the clusters, with the range of the figure over them; None if there are too few."""
    groups = crossed_groups(crossed)
    if not groups:
        return None
    if isinstance(spec, AurocSpec):
        return CrossedGroups(groups, None, None)
    formula = parsed(spec.formula) if isinstance(spec, RatioSpec) else None
    totals = Totals.of(values, np.asarray(crossed), macro=formula is None).parts
    figures = totals[spec.name] if formula is None else np.asarray(formula(totals))
    if not np.isfinite(figures).all():
        return CrossedGroups(groups, None, None)
    return CrossedGroups(groups, float(figures.min()), float(figures.max()))


def _knows_crossed(spec: AnyMetricSpec) -> bool:
    """Return whether the interval of a metric allows for groups that cross the clusters.

    An area within clusters does not: the mean of a cluster's cases is one over the groups that cross it.
    """
    match spec:
        case AurocSpec():
            return spec.within == "crossed"
        case RatioSpec():
            return not spec.macro
        case _:
            return isinstance(spec, MetricSpec)


def _contrast(
    spec: ContrastSpec, own: ContrastSide, others: ContrastSide, *, level: float, seed: int
) -> tuple[float | None, Interval]:
    """Return a group's mean minus that of the other groups of its axis, and its interval."""
    if not len(own.values) or not len(others.values):
        return None, Interval(None, None, "none", "no case of the group was scored, or none of the others")

    def of_mean(side: ContrastSide) -> Interval:
        return mean_interval(side.values, side.clusters, level=level, seed=seed, bounds=spec.bounds)

    return own.mean - others.mean, contrast_interval(own, others, of_mean)


def _area(
    spec: AurocSpec,
    columns: _Columns,
    rows: Rows,
    crossed: NDArray[np.int64] | tuple[()],
    *,
    level: float,
    seed: int,
) -> tuple[float | None, Interval]:
    """Return an area under the ROC curve, None if no cases can be compared, and its interval."""
    scored = columns.scored[rows]
    scores, positive = (columns.values[name][rows][scored] for name in (spec.score, spec.positive))
    strata, clusters = (
        labels[rows][scored] for labels in (columns.strata[_strata_of(spec)], columns.clusters)
    )
    area = Auroc.of_means(scores, positive > 0, strata, clusters, crossed)
    if not isfinite(area.value):
        return None, Interval(None, None, "none", "it is not defined: no two cases can be compared")
    return area.value, area.interval(level=level, seed=seed)


def _side(spec: ContrastSpec, columns: _Columns, rows: Rows) -> ContrastSide:
    """Return the scored cases of these rows that take part in a contrast."""
    takes_part = columns.scored[rows] & (columns.values[spec.count][rows] > 0)
    return ContrastSide(columns.values[spec.value][rows][takes_part], columns.clusters[rows][takes_part])


def value_names(spec: AnyMetricSpec) -> tuple[str, ...]:
    """Return the names of the case values that a metric needs."""
    match spec:
        case ContrastSpec():
            return spec.value, spec.count
        case AurocSpec():
            return spec.score, spec.positive
        case RatioSpec():
            return parsed(spec.formula).names
        case _:
            return (spec.name,)


def _figure(
    spec: MetricSpec | RatioSpec,
    values: Mapping[str, NDArray[np.float64]],
    clusters: NDArray[np.int64],
    crossed: NDArray[np.int64] | tuple[()],
    *,
    level: float,
    seed: int,
) -> tuple[float | None, Interval]:
    """Return a metric's value, None if it is not defined, and its interval."""
    if not len(clusters):
        return None, Interval(None, None, "none", "no case was scored")
    if isinstance(spec, MetricSpec):
        one = values[spec.name]
        interval = mean_interval(
            one, clusters, level=level, seed=seed, binary=spec.binary, bounds=spec.bounds, crossed=crossed
        )
        return fsum(one) / len(one), interval
    totals, formula = Totals.of(values, clusters, macro=spec.macro, crossed=crossed), parsed(spec.formula)
    value = totals.figure(formula)
    if not isfinite(value):
        return None, Interval(None, None, "none", f"it is not defined: {spec.formula} divides by zero")
    return value, figure_interval(totals, formula, level=level, seed=seed, bounds=spec.bounds)


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def checked_values(specs: Sequence[AnyMetricSpec], values: object) -> dict[str, float]:
    """Return the values of a case as numbers; raise `TypeError` or `ValueError` for those that are not valid."""
    if not isinstance(values, Mapping):
        msg = f"values: expected a mapping from names to numbers, found {reprlib.repr(values)}"
        raise TypeError(msg)
    means = {spec.name: spec for spec in specs if isinstance(spec, MetricSpec)}
    needed = [name for spec in specs for name in value_names(spec)]
    return {
        name: _number(name, values.get(name), means.get(name)) for name in {**values, **dict.fromkeys(needed)}
    }


def _number(name: str, value: object, spec: MetricSpec | None) -> float:
    """Return a case's value of a metric, or of a name in a formula."""
    what = f"{name!r}, which a formula needs" if spec is None else f"metric {name!r}"
    binary = spec is not None and spec.binary
    least, greatest = (None, None) if spec is None else spec.range
    if value is None:
        msg = f"no value for {what}"
        raise ValueError(msg)
    if not isinstance(value, Real):
        msg = f"{value!r} for {what}: expected a number, found {type(value).__name__}"
        raise TypeError(msg)
    number = float(value)
    if not isfinite(number):
        problem = "which is not finite"
    elif binary and number not in (0, 1):
        problem = "but the metric is binary: 0 or 1"
    elif (least is not None and number < least) or (greatest is not None and number > greatest):
        problem = f"outside the metric's bounds {(least, greatest)}"
    else:
        return number
    msg = f"{number} for {what}, {problem}"
    raise ValueError(msg)


def _checked(name: str, spec: MetricSpec | None, case: Measurement) -> float:
    """Return a value of a measurement; raise `ValueError` naming the case if it is missing or not valid."""
    try:
        return _number(name, case.values.get(name), spec)
    except (TypeError, ValueError) as error:
        msg = f"case {case.case!r} has {error}; correct the probe's `measure`"
        raise ValueError(msg) from None
