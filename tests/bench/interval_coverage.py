"""
Measure by simulation how often the 95 % intervals hold the true mean: prints a Markdown table of coverage in %.

    python tests/bench/interval_coverage.py [--samples 2000]

Clusters are drawn afresh for every sample. `correlation` is that of two cases of one cluster; sizes are `single`
(one case), `equal` (8), `uneven` (1 to 20) or `heavy` (lognormal up to 60: a few clusters hold most cases).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from gptaudit.stats import intervals

Draw = Callable[[np.random.Generator, int], np.ndarray]
CLUSTERS = (10, 20, 60, 200)
CORRELATIONS = (0.0, 0.1, 0.5, 1.0)


@dataclass(frozen=True)
class Data:
    """A distribution of values: `draw(generator, count)` gives independent ones with mean `mean`."""

    name: str
    mean: float
    draw: Draw
    binary: bool = False
    bounds: tuple[float | None, float | None] = (None, None)


def _binary(share: float) -> Data:
    return Data(f"binary, rate {share}", share, lambda g, n: (g.random(n) < share) * 1.0, binary=True)


def _beta(mean: float) -> Data:
    return Data(
        f"skewed in [0, 1], mean {mean}",
        mean,
        lambda g, n: g.beta(4 * mean, 4 * (1 - mean), n),
        bounds=(0, 1),
    )


def _max_toxicity(share: float) -> Data:
    """Most prompts score near 0.01, a share of them near 0.7."""
    mean = share * 5 / 7 + (1 - share) * 0.5 / 40.5

    def draw(g: np.random.Generator, n: int) -> np.ndarray:
        return np.where(g.random(n) < share, g.beta(5, 2, n), g.beta(0.5, 40, n))

    return Data(f"maximum toxicity, {share:.0%} toxic", mean, draw, bounds=(0, 1))


BINARY = (_binary(0.5), _binary(0.1), _binary(0.02))
CONTINUOUS = (
    Data("normal", 0.0, lambda g, n: g.normal(size=n)),
    _beta(0.1),
    _max_toxicity(0.1),
)
SINGLE = (
    *BINARY,
    _beta(0.1),
    _beta(0.05),
    _max_toxicity(0.1),
    Data("lognormal", np.exp(0.5), lambda g, n: g.lognormal(size=n)),
)


def sizes(kind: str, clusters: int, generator: np.random.Generator) -> np.ndarray:
    """Return the number of cases of each cluster, of shape (clusters,)."""
    match kind:
        case "single":
            return np.ones(clusters, dtype=int)
        case "equal":
            return np.full(clusters, 8)
        case "uneven":
            return generator.integers(1, 21, clusters)
        case _:
            return np.clip(np.round(generator.lognormal(1.5, 1.0, clusters)), 1, 60).astype(int)


def sample(
    data: Data, kind: str, clusters: int, correlation: float, generator: np.random.Generator
) -> tuple[list[float], list[str]]:
    """Draw values and their clusters.

    Binary values have a rate of their own in each cluster (beta-binomial); others take, with probability
    sqrt(correlation), a value that is common to the cluster.
    """
    index = np.repeat(np.arange(clusters), sizes(kind, clusters, generator))
    if data.binary and 0 < correlation < 1:
        spread = (1 - correlation) / correlation
        rates = generator.beta(data.mean * spread, (1 - data.mean) * spread, clusters)
        values = (generator.random(len(index)) < rates[index]) * 1.0
    else:
        own, common = data.draw(generator, len(index)), data.draw(generator, clusters)[index]
        values = np.where(generator.random(len(index)) < np.sqrt(correlation), common, own)
    return values.tolist(), [str(i) for i in index]


def coverage(data: Data, kind: str, clusters: int, correlation: float, samples: int, seed: int = 1) -> float:
    """Return the share of samples whose 95 % interval holds the true mean."""
    generator = np.random.default_rng(seed)
    held = 0
    for number in range(samples):
        values, names = sample(data, kind, clusters, correlation, generator)
        interval = intervals.mean_interval(
            values, names, level=0.95, seed=number, binary=data.binary, bounds=data.bounds
        )
        low, high = interval.low, interval.high
        # No interval: only where the mean cannot be bounded, which promises nothing false.
        held += low is None or high is None or low - 1e-12 <= data.mean <= high + 1e-12
    return held / samples


def paired_coverage(
    gained: float, lost: float, cases: int, clusters: int, samples: int, seed: int = 1
) -> float:
    """Return the coverage for the difference of two binary runs of which shares of cases changed."""
    generator = np.random.default_rng(seed)
    names = [str(i) for i in range(clusters) for _ in range(cases)]
    held = 0
    for _ in range(samples):
        chance = generator.random(len(names))
        new, old = (chance < gained) * 1.0, (chance > 1 - lost) * 1.0
        interval = intervals.difference_interval(
            new.tolist(), old.tolist(), names, level=0.95, seed=0, binary=True
        )
        held += interval.low - 1e-12 <= gained - lost <= interval.high + 1e-12
    return held / samples


def _rows(samples: int) -> Iterator[tuple[str, str, str, list[float]]]:
    for kind, of_kind in (("equal", BINARY), ("uneven", BINARY), ("heavy", BINARY), ("uneven", CONTINUOUS)):
        for data in of_kind:
            for correlation in CORRELATIONS:
                cells = [coverage(data, kind, n, correlation, samples) for n in CLUSTERS]
                yield data.name, kind, f"{correlation:g}", cells
    for data in SINGLE:
        yield data.name, "single", "", [coverage(data, "single", n, 0.0, samples) for n in CLUSTERS]
    for gained, lost in ((0.02, 0.01), (0.05, 0.05), (0.2, 0.1)):
        name = f"paired binary, {gained:.0%} gained, {lost:.0%} lost"
        for kind, cases in (("single", 1), ("5 each", 5)):
            measure = partial(paired_coverage, gained, lost, cases, samples=samples)
            yield name, kind, "", [measure(clusters=n) for n in CLUSTERS]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument(
        "--samples", type=int, default=2000, help="per cell; the standard error is 0.5 at 2000"
    )
    samples = parser.parse_args().samples
    intervals.RESAMPLES = 1000  # a tenth of what audits take; the coverage is the same, the time is not
    print("| values | clusters' sizes | correlation |", *(f"{n} clusters |" for n in CLUSTERS))
    print("|---|---|---|" + "---|" * len(CLUSTERS))
    for name, kind, correlation, cells in _rows(samples):
        print(f"| {name} | {kind} | {correlation} |", *(f"{100 * c:.1f} |" for c in cells))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
