"""Number of clusters that each rule of a policy needs to be decided: `gptaudit power`."""

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
    """Number of clusters that one rule needs, if the true figure equals the measured one.

    Where templates cross the clusters, and there are fewer of them, the number is that of templates.

    `decided` is the smallest distance from the limit that the present clusters decide. `needed` is None if the figure
    is so close to its limit that no number of clusters up to `gptaudit.stats.power.MOST` decides.
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
    """Yield what each rule of the policy needs, and each slice if the rule names `[AXIS=*]`."""
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
    error = half / quantile(level, figure.clusters, anytime=figure.anytime)
    if margin < 0:
        # A failure must be significant among all tests: the first step of Holm's procedure.
        level = 1 - (1 - level) / tests
    elif above is not None and below is not None:
        power = (1 + power) / 2  # both ends must lie within the limits
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
