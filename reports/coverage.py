"""What an audit measured, by topic and group, and what it left out and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gptaudit.gate.numbers import count
from gptaudit.probe import CAPABILITIES, with_implied
from gptaudit.records import AuditResult, ProbeResult

from . import sentences
from .probe_view import View, anchor

_DATA_SET = re.compile(r"needs the data set (\S+) .*; name its folder", re.DOTALL)


def skipped(result: AuditResult) -> dict[str, list[str]]:
    """Return the ids of the probes that were not run by the reason."""
    return by_reason(
        (probe.id, probe.reason or "no reason was recorded")
        for probe in result.probes
        if probe.status == "skipped"
    )


def by_reason(skipped: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather ids by their reason, in the order found; those that lack data sets have one reason."""
    found: dict[str, list[str]] = {}
    for probe, reason in skipped:
        found.setdefault(_DATA_SET.sub("needs a public data set; name its folder", reason), []).append(probe)
    return found


def coverage_view(result: AuditResult) -> View:
    """Return the view of topics against groups, and of what was not measured."""
    measured = [probe for probe in result.probes if probe.status == "scored"]
    topics = list(dict.fromkeys(probe.suite for probe in measured))
    axes = list(dict.fromkeys(axis for probe in measured for axis in _groups(probe)))
    return {
        "topics": topics,
        "whole": [_whole(measured, topic) for topic in topics],
        "axes": [
            {"axis": axis.replace("_", " "), "cells": [_cell(measured, topic, axis) for topic in topics]}
            for axis in axes
        ],
        "skipped": [
            {"reason": reason, "probes": probes, "many": sentences.many(len(probes), "probe")}
            for reason, probes in sorted(skipped(result).items(), key=lambda item: -len(item[1]))
        ],
        "gaps": list(_gaps(result)),
    }


def _groups(probe: ProbeResult) -> dict[str, set[str]]:
    """Return the groups of each axis of a probe."""
    found: dict[str, set[str]] = {}
    for metric in probe.metrics:
        for axis, group in metric.slice.items():
            found.setdefault(axis, set()).add(group)
    return found


def _whole(measured: list[ProbeResult], topic: str) -> str:
    probes = [probe for probe in measured if probe.suite == topic]
    cases = sum(probe.scored for probe in probes)
    return f"{sentences.many(len(probes), 'probe')}, {count(cases)} cases"


def _cell(measured: list[ProbeResult], topic: str, axis: str) -> str:
    of_topic = [
        groups[axis] for probe in measured if probe.suite == topic and axis in (groups := _groups(probe))
    ]
    found: set[str] = set().union(*of_topic)
    return sentences.many(len(found), "group") if found else ""


def _gaps(result: AuditResult) -> Iterator[View]:
    """Yield for each probe what of it was not measured."""
    for index, probe in enumerate(result.probes):
        lines = [] if probe.status != "error" else [probe.reason or "no reason was recorded"]
        lines += [
            f"{count(many)} of {count(probe.cases)} {sentences.plural(probe.cases, 'case')} unscored: {reason}"
            for reason, many in probe.unscored.items()
        ]
        lines += list(_without_interval(probe))
        if lines:
            yield {"title": probe.title, "anchor": anchor(index), "lines": lines}
    if lacking := lacking_capabilities(result):
        words = "; ".join(f"{what} ({name})" for name, what in lacking)
        line = f"It cannot {words}. Probes that need this are skipped."
        yield {"title": "The model through this backend", "anchor": None, "lines": [line]}


def _without_interval(probe: ProbeResult) -> Iterator[str]:
    for metric in probe.metrics:
        if metric.why is not None:
            where = f" ({sentences.slice_text(metric)})" if metric.slice else ""
            what = "no figure" if metric.value is None else "no interval"
            yield f"{sentences.metric_title(metric)}{where}: {what}, {metric.why}"


def lacking_capabilities(result: AuditResult) -> list[tuple[str, str]]:
    """Return (capability, in words) of all that the target cannot do."""
    able = with_implied(result.target.capabilities)
    needless = {"continue"}  # attacks alone need it, which say so where they are skipped
    if "score-after-context" in able:
        needless.add("choose")  # letters stand in for likelihoods
    return [(name, what) for name, what in CAPABILITIES.items() if name not in able | needless]
