"""
Audits that stop as soon as every rule is decided: how often they are wrong, and what share of the cases they ask.

    python tests/bench/stopping.py [--audits N]

At the limit itself, the share of audits of which any look says fail, and any says pass: each may be half of 1 - level,
.025, since a rule is tested on both sides. A model that is clear of the limit: the share that is decided, and of the
1,000 clusters the share that is asked until then, at the median. Beside each, the same looks with intervals of a fixed
number of cases.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gptaudit.gate.decide import decide
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy, Rule
from gptaudit.records import (
    AuditResult,
    Cost,
    Measurement,
    MetricSpec,
    ProbeResult,
    RatioSpec,
    RunInfo,
    TargetInfo,
    Verdict,
)
from gptaudit.run.looks import GROWTH
from gptaudit.run.metrics import summarise
from gptaudit.stats.sequences import FIRST_LOOK

CLUSTERS = 1000
Draw = Callable[[np.random.Generator, float], NDArray[np.float64]]
"""Draws the values of each cluster's cases for a true figure, (CLUSTERS, cases)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Kind of rule: its metric, its limits, how clusters are drawn, and true figures at the limit and clear of it."""

    name: str
    spec: MetricSpec | RatioSpec
    rule: Rule
    draw: Draw
    limit: float
    clear: tuple[tuple[Verdict, float], ...]
    crossed: bool = False
    """Whether the cases of each cluster are of the same templates, which are a sample too."""


def independent(generator: np.random.Generator, rate: float) -> NDArray[np.float64]:
    """Draw one case per cluster, which counts at this rate."""
    return (generator.random((CLUSTERS, 1)) < rate).astype(np.float64)


def alike(generator: np.random.Generator, rate: float) -> NDArray[np.float64]:
    """Draw 8 cases per cluster, whose rates vary between clusters by a beta distribution: correlation 0.2."""
    rates = generator.beta(rate * 4, (1 - rate) * 4, (CLUSTERS, 1))
    return (generator.random((CLUSTERS, 8)) < rates).astype(np.float64)


def scores(generator: np.random.Generator, mean: float) -> NDArray[np.float64]:
    """Draw scores between 0 and 1, most of them near 0, as toxicity is."""
    return generator.beta(0.2, 0.2 * (1 - mean) / mean, (CLUSTERS, 1))


def nats(generator: np.random.Generator, mean: float) -> NDArray[np.float64]:
    """Draw 4 log odds per cluster, normal between and within the clusters."""
    between, within = generator.normal(0, 1.5, (CLUSTERS, 1)), generator.normal(0, 1.5, (CLUSTERS, 4))
    return mean + between + within


def skewed(generator: np.random.Generator, mean: float) -> NDArray[np.float64]:
    """Draw one lognormal value per cluster, moved so that its mean is this one."""
    return mean + generator.lognormal(0, 1, (CLUSTERS, 1)) - np.exp(0.5)


def templates(generator: np.random.Generator, mean: float) -> NDArray[np.float64]:
    """Draw one log odds per cluster and template, of 14, each with an effect of its own; interactions too."""
    clusters, crossed = generator.normal(0, 1, (CLUSTERS, 1)), generator.normal(0, 0.6, (1, 14))
    return mean + clusters + crossed + generator.normal(0, 1, (CLUSTERS, 14))


SHARE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", binary=True)
SCORE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", bounds=(0.0, 1.0))
NATS = RatioSpec("rate", ideal=0.0, direction="target", unit="nats", formula="value / cases")
AT_MOST = Rule("probe.rate", max=0.05)
KINDS = (
    Kind("share, independent", SHARE, AT_MOST, independent, 0.05, (("fail", 0.1), ("pass", 0.005))),
    Kind(
        "share, rare limit",
        SHARE,
        Rule("probe.rate", max=0.2),
        independent,
        0.2,
        (("fail", 0.4), ("pass", 0.02)),
    ),
    Kind("share, 8 alike", SHARE, AT_MOST, alike, 0.05, (("fail", 0.1), ("pass", 0.005))),
    Kind("score", SCORE, AT_MOST, scores, 0.05, (("fail", 0.1), ("pass", 0.005))),
    Kind(
        "nats", NATS, Rule("probe.rate", ideal=0, tolerance=0.5), nats, 0.5, (("fail", 1.0), ("pass", 0.05))
    ),
    Kind(
        "nats, 14 templates",
        NATS,
        Rule("probe.rate", ideal=0, tolerance=0.5),
        templates,
        0.5,
        (("fail", 2.0), ("pass", 0.0)),
        crossed=True,
    ),
    Kind(
        "share, two slices", SHARE, Rule("probe.rate[half=*]", max=0.05), independent, 0.05, (("fail", 0.1),)
    ),
    Kind("nats, skewed", NATS, Rule("probe.rate", max=0.5), skewed, 0.5, (("fail", 1.0), ("pass", -0.5))),
)


def looks() -> Iterator[int]:
    """Yield the number of clusters at each look."""
    asked = FIRST_LOOK
    while asked < CLUSTERS:
        yield asked
        asked = ceil(GROWTH * asked)
    yield CLUSTERS


def verdicts(kind: Kind, truth: float, seed: int, *, anytime: bool) -> Iterator[tuple[int, Verdict]]:
    """Yield the number of clusters and the verdict of each look at one audit."""
    values = kind.draw(np.random.default_rng(seed), truth)
    for asked in looks():
        measured = [
            Measurement(
                f"{cluster}-{case}",
                str(cluster),
                {"half": "ab"[cluster % 2]},
                {"rate": value, "value": value, "cases": 1.0},
                unscored=None,
                crossed=str(case) if kind.crossed else "",
            )
            for cluster, row in enumerate(values[:asked].tolist())
            for case, value in enumerate(row)
        ]
        metrics = summarise([kind.spec], measured, level=0.95, seed=seed, anytime=anytime)
        gate = decide(_audit(metrics, measured), Policy("gptaudit.policy/1", (kind.rule,)))
        yield asked, gate.verdict


def _audit(metrics: Sequence, measured: Sequence[Measurement]) -> Audit:
    count = len(measured)
    probe = ProbeResult(
        "probe", "1", "s", "", "", "scored", None, count, count, {}, 1.0, None, {}, tuple(metrics), ()
    )
    run = RunInfo("", "complete", "", "", 0, (), {}, (), {}, Cost(0, 0, 0, 0, 0.0), looks=1)
    target = TargetInfo("t", "b", "f", True, (), None)
    return Audit(AuditResult(run, target, (probe,)), {"probe": measured})


def errors(kind: Kind, audits: int, *, anytime: bool = True) -> tuple[float, float]:
    """Return the shares of audits at the limit of which any look says fail, and any says pass."""
    fails = passes = 0
    for seed in range(audits):
        seen = {verdict for _, verdict in verdicts(kind, kind.limit, seed, anytime=anytime)}
        fails += "fail" in seen
        passes += "pass" in seen
    return fails / audits, passes / audits


def decided(kind: Kind, truth: float, expected: Verdict, audits: int) -> tuple[float, float]:
    """Return the share of audits decided as expected, and the median share of the clusters that they ask."""
    asked = []
    right = 0
    for seed in range(audits):
        told = (look for look in verdicts(kind, truth, seed, anytime=True) if look[1] != "inconclusive")
        stopped, verdict = next(told, (CLUSTERS, "inconclusive"))
        asked.append(stopped)
        right += verdict == expected
    return right / audits, float(np.median(asked)) / CLUSTERS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=400)
    audits = parser.parse_args().audits
    for kind in KINDS:
        fails, passes = errors(kind, audits)
        fixed = errors(kind, audits, anytime=False)
        print(
            f"{kind.name:<20} false fails {fails:.3f} (fixed {fixed[0]:.3f})  false passes {passes:.3f} "
            f"(fixed {fixed[1]:.3f})",
            flush=True,
        )
        for expected, truth in kind.clear:
            right, share = decided(kind, truth, expected, max(20, audits // 8))
            print(
                f"{'':<20} true {truth:g}: {expected} in {right:.2f}, {share:.0%} of the clusters asked",
                flush=True,
            )


if __name__ == "__main__":
    main()
