"""Small results for the tests of the gate."""

from __future__ import annotations

from dataclasses import replace

from gptaudit.gate.decide import decide
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy, Rule
from gptaudit.records import (
    AuditResult,
    Cost,
    DataSource,
    GateResult,
    Measurement,
    Metric,
    MetricSpec,
    ProbeResult,
    RunInfo,
    TargetInfo,
)
from gptaudit.run.metrics import summarise

COST = Cost(1, 0, 1, 1, 1.0)
RUN = RunInfo("id", "complete", "2026-01-01", "2026-01-01", 1, ("gptaudit", "run"), {}, (), {}, COST)
TARGET = TargetInfo("decoder:clean", "decoder", "f", verified=True, capabilities=("score",), parameters=1)
RATE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", binary=True)


def a_metric(name="rate", value=0.5, low=0.45, high=0.55, **other) -> Metric:
    fields = {"level": 0.95, "n": 1000, "clusters": 1000, "interval": "wilson-clustered", "ideal": 0.0}
    return Metric(name, value, low, high, **fields | {"direction": "lower", "unit": "fraction"} | other)


def a_probe(*metrics: Metric, **other) -> ProbeResult:
    fields = {
        "id": "probe",
        "version": "1",
        "suite": "s",
        "title": "t",
        "goal": "g",
        "status": "scored",
        "reason": None,
        "cases": 100,
        "scored": 100,
        "unscored": {},
        "coverage": 1.0,
        "data": DataSource("d", "s", "l", "sha", 1),
        "method": {"how": ["log", "likelihood"]},
        "metrics": metrics,
        "evidence": (),
    }
    return ProbeResult(**fields | other)


def a_result(*probes: ProbeResult, status="complete") -> AuditResult:
    return AuditResult(replace(RUN, status=status), TARGET, probes)


def a_policy(*rules: Rule, **settings) -> Policy:
    return Policy("gptaudit.policy/1", rules, **{"name": "p.toml"} | settings)


def decide_by(probe: ProbeResult, *rules: Rule, **settings) -> GateResult:
    return decide(Audit(a_result(probe)), a_policy(*rules, **settings))


def measured_audit(values, *, clusters=None, groups=None, **other) -> Audit:
    """An audit of one probe whose cases have these values; None is unscored."""
    measurements = tuple(
        Measurement(
            case=f"case{i}",
            cluster=f"c{i if clusters is None else clusters[i]}",
            slices={} if groups is None else {"group": groups[i]},
            values={} if value is None else {"rate": float(value)},
            unscored="empty" if value is None else None,
        )
        for i, value in enumerate(values)
    )
    scored = sum(value is not None for value in values)
    counts = {"cases": len(values), "scored": scored, "coverage": scored / len(values)}
    metrics = summarise([RATE], measurements, level=0.95, seed=1)
    return Audit(a_result(a_probe(*metrics, **counts | other)), {"probe": measurements})
