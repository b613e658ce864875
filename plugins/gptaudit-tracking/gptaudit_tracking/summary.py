"""What trackers are told of an audit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gptaudit import AuditResult, Metric, PluginError

_UNFIT = re.compile(r"[^A-Za-z0-9_.\- ]")
"""Characters of group names that trackers do not take in the name of a metric."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that could be measured: what stands after corrections, and its interval where it has one."""

    name: str
    """`PROBE/METRIC`, or `PROBE/METRIC.AXIS.GROUP` for a slice: trackers show what is before the slash as a section."""
    probe: str
    metric: str
    unit: str
    slice: Mapping[str, str]
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """An audit in words and figures."""

    run: str
    """Name of the run: that of its folder."""
    facts: Mapping[str, str]
    """What was audited, and what came of it; all keys begin with `gptaudit.`"""
    figures: tuple[Figure, ...]
    rules: Mapping[str, str]
    """`gptaudit.rule.NUMBER` -> the verdict and the rule in words."""

    def values(self) -> dict[str, float]:
        """Return every number by its name; the ends of an interval are `NAME.low` and `NAME.high`."""
        ends = (
            (f"{figure.name}{end}", value)
            for figure in self.figures
            for end, value in (("", figure.value), (".low", figure.low), (".high", figure.high))
        )
        return {name: value for name, value in ends if value is not None}


def summary(result: AuditResult, folder: Path) -> Summary:
    """Sum up an audit.

    Raises `PluginError` where the names of two figures differ only in characters that trackers do not take: one of the
    two would be lost.
    """
    figures = tuple(_figures(result))
    named = Counter(figure.name for figure in figures)
    twice = next((name for name, times in named.items() if times > 1), None)
    if twice is not None:
        msg = f"two figures would both be called {twice!r} by a tracker; rename a group in the suite"
        raise PluginError(msg)
    unmeasured = sum(metric.estimate[0] is None for probe in result.probes for metric in probe.metrics)
    facts = {
        "verdict": result.gate.verdict if result.gate else "none",
        "status": result.run.status,
        "limited": (result.gate.limited if result.gate else None) or "no",
        "policy": result.run.arguments.policy or "none",
        "target": result.target.spec,
        "fingerprint": result.target.fingerprint,
        "verified": str(result.target.verified).lower(),
        "seed": str(result.run.seed),
        "version": result.run.versions.get("gptaudit", ""),
        "figures_unmeasured": str(unmeasured),
        "probes_failed": ", ".join(probe.id for probe in result.probes if probe.status == "error") or "none",
    }
    rules = {
        f"gptaudit.rule.{number}": f"{rule.verdict}: {rule.rule}"
        for number, rule in enumerate(result.gate.rules if result.gate else (), start=1)
    }
    return Summary(folder.name, {f"gptaudit.{key}": text for key, text in facts.items()}, figures, rules)


def _figures(result: AuditResult) -> Iterator[Figure]:
    for probe in result.probes:
        for metric in probe.metrics:
            value, low, high = metric.estimate
            if value is not None:
                name = f"{probe.id}/{metric.name}{_path(metric)}"
                yield Figure(name, probe.id, metric.name, metric.unit, metric.slice, value, low, high)


def _path(metric: Metric) -> str:
    return "".join(f".{axis}.{_UNFIT.sub('_', group)}" for axis, group in metric.slice.items())
