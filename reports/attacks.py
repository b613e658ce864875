"""How often attacks succeed, by attack and group: a table of a probe under all the attacks that were tried on it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gptaudit.gate.numbers import interval_text
from gptaudit.language import later, recorded, tr
from gptaudit.records import AuditResult, Metric, ProbeResult
from gptaudit.stats.best_of import limits_of_more

from . import sentences

LIFT = "lift"
PLAIN = later("asked plainly")
TRIES = 100
"""Number of tries that the reader is told about where an attack was tried several times, but not as often."""
MOST_GROUPS = 16
"""Groups of an axis that have a column; with more, the table shows the whole figure alone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Success in a group, or in all: corrected for the scorer's errors where they are known."""

    success: str
    interval: str
    lift: str
    """By how much the attack raises the success, with its interval; empty for the plain requests."""


@dataclass(frozen=True, slots=True)
class Row:
    """A probe asked plainly, or under an attack; `why` says why there are no cells."""

    attack: str
    cells: tuple[Cell, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """A probe under its attacks, the plain requests first and then the attack that succeeds most often."""

    title: str
    figure: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What more tries of an attack may come to."""


def attack_tables(result: AuditResult) -> list[Table]:
    """Return one table for each probe that was attacked."""
    plain = {probe.id: probe for probe in result.probes}
    attacked: dict[str, list[ProbeResult]] = {}
    for probe in result.probes:
        if isinstance(about := probe.method.get("attack"), Mapping) and about.get("on") in plain:
            attacked.setdefault(about["on"], []).append(probe)
    return [_table(plain[name], forms) for name, forms in attacked.items()]


def _table(plain: ProbeResult, attacked: Sequence[ProbeResult]) -> Table:
    success = attacked[0].method["attack"]["success"]
    found = [metric for probe in (plain, *attacked) for metric in probe.metrics if metric.name == success]
    groups = list(dict.fromkeys(pair for metric in found for pair in metric.slice.items()))
    slices = [dict([group]) for group in groups] if len(groups) <= MOST_GROUPS else []
    most_first = sorted(attacked, key=lambda probe: -_rate(probe, success))
    return Table(
        recorded(plain.title),
        recorded(found[0].title if found else success),
        (tr("all"), *(group for _, group in groups[: len(slices)])),
        (
            _row(tr(PLAIN), plain, success, [{}, *slices]),
            *(_row(probe.method["attack"]["name"], probe, success, [{}, *slices]) for probe in most_first),
        ),
        tuple(filter(None, (_of_more_tries(probe, success) for probe in most_first))),
    )


def _rate(probe: ProbeResult, success: str) -> float:
    metric = _figure(probe, success, {})
    return -1.0 if metric is None or metric.value is None else metric.value


def _row(attack: str, probe: ProbeResult, success: str, slices: Sequence[Mapping[str, str]]) -> Row:
    if probe.status != "scored":
        return Row(attack, (), sentences.status_text(probe))
    return Row(attack, tuple(_cell(probe, success, where) for where in slices), "")


def _cell(probe: ProbeResult, success: str, where: Mapping[str, str]) -> Cell:
    value, interval = _said(_figure(probe, success, where))
    lift = _said(_figure(probe, LIFT, where))
    return Cell(value, interval, " ".join(f"({text})" if i else text for i, text in enumerate(lift) if text))


def _of_more_tries(probe: ProbeResult, success: str) -> str:
    """Say how often the most tries that were made succeed, and what more of them may come to; empty without tries."""
    named = re.compile(re.escape(success) + r"_at_([1-9]\d{0,5})")
    tried = {int(found[1]): m for m in probe.metrics if not m.slice and (found := named.fullmatch(m.name))}
    made = max(tried, default=TRIES)
    if made >= TRIES:
        return ""
    metric, attack = _known(tried[made]), probe.method["attack"]["name"]
    if metric.low is None or metric.high is None or metric.why:
        return tr(
            "{attack}: how often one of {made} tries succeeds is not known, nor what more would: {why}",
            attack=attack,
            made=made,
            why=sentences.why_text(metric),
        )
    value, interval = _said(metric)
    least, most = limits_of_more(max(metric.low, 0.0), min(metric.high, 1.0), TRIES / made)
    return tr(
        "{attack}: with {made} tries, one succeeds for {value} of the requests ({interval}). "
        "With {tries}, one would for {limits}: the least if the other requests never give way, the most if all give "
        "way equally often. {made} tries do not show which, so no power law is drawn through them.",
        attack=attack,
        made=made,
        value=value,
        interval=interval,
        tries=TRIES,
        limits=interval_text(least, most, metric.unit),
    )


def _known(metric: Metric) -> Metric:
    """Return a figure corrected for the scorer's errors where they are known."""
    if found := metric.corrected:
        return replace(
            metric, value=found.value, low=found.low, high=found.high, why=found.why, corrected=None
        )
    return metric


def _said(metric: Metric | None) -> tuple[str, str]:
    """Return a figure and its interval, corrected for the scorer's errors where they are known."""
    if metric is None:
        return "", ""
    metric = _known(metric)
    return sentences.value_text(metric), interval_text(metric.low, metric.high, metric.unit) or ""


def _figure(probe: ProbeResult, name: str, where: Mapping[str, str]) -> Metric | None:
    return next((m for m in probe.metrics if m.name == name and m.slice == where), None)
