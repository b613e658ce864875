"""What an audit measured, by topic and group, and what it left out and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gptaudit.gate.numbers import count
from gptaudit.language import recorded, tr, trn
from gptaudit.probe import CAPABILITIES, with_implied
from gptaudit.records import AuditResult, ProbeResult

from . import sentences
from .cases import outcome_text
from .probe_view import View, anchor

_DATA_SET = re.compile(r"needs the data set (\S+) .*; name its folder", re.DOTALL)


def skipped(result: AuditResult) -> dict[str, list[str]]:
    """Return the ids of the probes that were not run by the reason."""
    return by_reason(
        (probe.id, probe.reason or tr("no reason was recorded"))
        for probe in result.probes
        if probe.status == "skipped"
    )


def by_reason(skipped: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather ids by their reason, in the order found; those that lack data sets have one reason."""
    found: dict[str, list[str]] = {}
    for probe, why in skipped:
        reason = recorded(_DATA_SET.sub("needs a public data set; name its folder", why))
        found.setdefault(reason, []).append(probe)
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
            {"reason": reason, "probes": probes, "many": sentences.probes_text(len(probes))}
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
    return tr("{probes}, {cases} cases", probes=sentences.probes_text(len(probes)), cases=count(cases))


def _cell(measured: list[ProbeResult], topic: str, axis: str) -> str:
    of_topic = [
        groups[axis] for probe in measured if probe.suite == topic and axis in (groups := _groups(probe))
    ]
    found: set[str] = set().union(*of_topic)
    return trn(len(found), "{n} group", "{n} groups", n=count(len(found))) if found else ""


def _gaps(result: AuditResult) -> Iterator[View]:
    """Yield for each probe what of it was not measured."""
    for index, probe in enumerate(result.probes):
        lines = [] if probe.status != "error" else [sentences.reason_text(probe)]
        lines += [
            trn(
                probe.cases,
                "{n} of {all} case unscored: {reason}",
                "{n} of {all} cases unscored: {reason}",
                n=count(many),
                all=count(probe.cases),
                reason=outcome_text(reason),
            )
            for reason, many in probe.unscored.items()
        ]
        lines += list(_without_interval(probe))
        if lines:
            yield {"title": recorded(probe.title), "anchor": anchor(index), "lines": lines}
    if lacking := lacking_capabilities(result):
        words = tr("; ").join(tr("{what} ({name})", what=recorded(what), name=name) for name, what in lacking)
        line = tr("It cannot {words}. Probes that need this are skipped.", words=words)
        yield {"title": tr("The model through this backend"), "anchor": None, "lines": [line]}


def _without_interval(probe: ProbeResult) -> Iterator[str]:
    for metric in probe.metrics:
        if metric.why is not None:
            title = sentences.metric_title(metric)
            if metric.slice:
                title = tr("{what} ({name})", what=title, name=sentences.slice_text(metric))
            what = tr("no figure") if metric.value is None else tr("no interval")
            yield tr("{title}: {what}, {why}", title=title, what=what, why=recorded(metric.why))


def lacking_capabilities(result: AuditResult) -> list[tuple[str, str]]:
    """Return (capability, in words) of all that the target cannot do."""
    able = with_implied(result.target.capabilities)
    needless = {"continue"}  # attacks alone need it, which say so where they are skipped
    if "score-after-context" in able:
        needless.add("choose")  # letters stand in for likelihoods
    return [(name, what) for name, what in CAPABILITIES.items() if name not in able | needless]
