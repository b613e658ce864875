"""Two audits of the same cases, case by case."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum

from gptaudit.records import AuditResult, Measurement, Metric, ProbeResult
from gptaudit.stats.intervals import Interval, difference_interval


@dataclass(frozen=True, slots=True)
class Audit:
    """A result with the measurements behind it, by probe."""

    result: AuditResult
    measurements: Mapping[str, Iterable[Measurement]] = field(default_factory=dict)

    def by_case(self, probe: str) -> dict[str, Measurement]:
        """Hold a probe's measurements by case, without their evidence, which is most of their size."""
        return {m.case: replace(m, evidence=None) for m in self.measurements.get(probe, ())}


@dataclass(frozen=True, slots=True)
class Pairs:
    """A probe in two audits."""

    unlike: Sequence[str]
    """What was not the same in both, so that their figures cannot be compared."""
    total: int
    """Cases of the candidate."""
    scored: Sequence[tuple[Measurement, Measurement]]
    """(candidate, baseline) of each case that was scored in both."""

    @classmethod
    def of(cls, candidate: Audit, baseline: Audit, probes: tuple[ProbeResult, ProbeResult]) -> Pairs:
        """Pair the cases of `probes`, the candidate's and the baseline's."""
        new, old = candidate.by_case(probes[0].id), baseline.by_case(probes[1].id)
        facts = [_facts(probe, list(cases)) for probe, cases in zip(probes, (new, old), strict=True)]
        unlike = [name for name in facts[0] if facts[0][name] != facts[1][name]]
        both = ((m, old[case]) for case, m in new.items() if case in old)
        return cls(unlike, len(new), [(m, o) for m, o in both if m.unscored is None and o.unscored is None])

    def of_slice(self, slice_: Mapping[str, str]) -> list[tuple[Measurement, Measurement]]:
        """Return the pairs of a slice; `{}` is the whole."""
        return [pair for pair in self.scored if slice_.items() <= pair[0].slices.items()]


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a metric differs between two audits of the same cases: candidate minus baseline."""

    candidate: Sequence[float]
    baseline: Sequence[float]
    clusters: Sequence[str]
    interval: Interval

    @classmethod
    def of(
        cls, pairs: Sequence[tuple[Measurement, Measurement]], metric: Metric, *, level: float, seed: int
    ) -> Difference:
        """Compare `metric` over these pairs."""
        new, old = ([pair[i].values[metric.name] for pair in pairs] for i in (0, 1))
        clusters = [m.cluster for m, _ in pairs]
        binary = metric.interval.startswith("wilson")
        interval = difference_interval(new, old, clusters, level=level, seed=seed, binary=binary)
        return cls(new, old, clusters, interval)

    @property
    def value(self) -> float | None:
        """The mean difference; None where there is no case."""
        if not self.clusters:
            return None
        return fsum(a - b for a, b in zip(self.candidate, self.baseline, strict=True)) / len(self.clusters)


def _facts(probe: ProbeResult, cases: Sequence[str]) -> dict[str, object]:
    return {
        "probe version": probe.version,
        "data sha256": probe.data.sha256 if probe.data else None,
        "method": json.dumps(dict(probe.method), sort_keys=True),
        "cases": sorted(cases),
    }
