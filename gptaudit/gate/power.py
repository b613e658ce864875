"""How large an audit must be for its gate to decide: `gptaudit power`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gptaudit.gate.figures import Figure, figures
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy
from gptaudit.stats.multiplicity import quantile
from gptaudit.stats.power import decided_margin, needed_clusters


@dataclass(frozen=True, slots=True)
class Need:
    """What one rule needs, if the figure is what was measured.

    `decided` is the distance from its limit at which the clusters that there are decide; `needed` is None where the
    figure lies at its limit, as far as can be told: no number of clusters decides that.
    """

    rule: str
    metric: str
    value: float | None
    clusters: int
    outcome: Literal["pass", "fail", "unknown"]
    margin: float | None
    needed: int | None
    decided: float | None
    why: str | None = None


def needs(audit: Audit, policy: Policy, baseline: Audit | None, *, power: float) -> Iterator[Need]:
    """Say for each rule of the policy, and each slice it names, how many clusters it needs."""
    found = figures(audit, policy, baseline)
    tests = sum(figure.missing is None for figure in found) if policy.correction == "holm" else 1
    for figure in found:
        if figure.missing is not None:
            yield Need(
                figure.words, figure.name, figure.value, 0, "unknown", None, None, None, figure.missing
            )
        else:
            yield _need(figure, policy.level, power, tests)


def _need(figure: Figure, level: float, power: float, tests: int) -> Need:
    value, low, high = figure.estimate
    least, greatest = figure.rule.limits
    above = None if greatest is None else greatest - value
    below = None if least is None else value - least
    margin = min(distance for distance in (above, below) if distance is not None)
    upwards = (margin == above) != (margin < 0)
    half = high - value if upwards else value - low
    error = half / quantile(level, figure.clusters)
    if margin < 0:
        # One of many that fail must stand out among all.
        level = 1 - (1 - level) / tests
    elif above is not None and below is not None:
        power = (1 + power) / 2  # both ends must lie within
    return Need(
        rule=figure.words,
        metric=figure.name,
        value=value,
        clusters=figure.clusters,
        outcome="fail" if margin < 0 else "pass",
        margin=abs(margin),
        needed=needed_clusters(abs(margin), error, figure.clusters, level=level, power=power),
        decided=decided_margin(error, figure.clusters, level=level, power=power),
    )
