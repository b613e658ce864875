"""
Measure by simulation how often 95 % intervals from labels of a part of the cases hold the truth: Markdown, in %.

    python tests/bench/labelled_rates.py [--samples 500] [--worst 12] [--share 0.5]

That share of the labels goes to the cases that the scorer rates, or all such cases are labelled if they are fewer.
Rates are drawn from a fifth below to a fifth above their nominal value, as in `interval_coverage.py`. Clustered cases
are alike by a correlation of 0.2. `normal` is the published interval of prediction-powered inference, with the tuned
weight, for as many labels drawn from all cases alike, and its width as a multiple of that of the interval here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np

from gptaudit.stats.prediction_powered import labelled_errors, labelled_rate

LEVEL = 0.95
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
SCORERS = ((0.6, 0.95), (0.6, 0.99), (0.9, 0.95), (0.9, 0.99))
"""Sensitivity and specificity."""
CASES = ((200, 0), (1000, 0), (5000, 0), (200, 20), (1000, 50), (2000, 100))
"""Cases, and clusters of equal size that they form; 0 for independent cases."""
LABELS = (50, 100, 200, 400)
CORRELATION = 0.2


@dataclass(frozen=True)
class Cell:
    """A true rate, a scorer, the cases in their clusters, and how many are labelled."""

    rate: float
    sensitivity: float
    specificity: float
    cases: int
    clusters: int
    labels: int

    def __str__(self) -> str:
        cases = f"{self.cases} in {self.clusters} clusters" if self.clusters else self.cases
        return f"| {self.rate:g} | {self.sensitivity:g} | {self.specificity:g} | {cases} | {self.labels} |"


@dataclass(frozen=True)
class Sample:
    """What is positive, what is rated and the clusters, each (cases,), and the rate that all were drawn with."""

    positive: np.ndarray
    rated: np.ndarray
    clusters: np.ndarray | None
    rate: float

    def labels(self, count: int, share: float, generator: np.random.Generator) -> list[bool | None]:
        """Label so many cases, a share of them among the rated ones if so many are."""
        rated, others = (generator.permutation(np.flatnonzero(p)) for p in (self.rated, ~self.rated))
        first = min(len(rated), max(round(count * share), count - len(others)))
        labels: list[bool | None] = [None] * len(self.rated)
        for case in (*rated[:first], *others[: count - first]):
            labels[case] = bool(self.positive[case])
        return labels


def draw(cell: Cell, generator: np.random.Generator) -> Sample:
    """Draw the cases of a cell."""
    rate = cell.rate * generator.uniform(0.8, 1.2)
    clusters, shares = None, rate
    if cell.clusters:
        spread = (1 - CORRELATION) / CORRELATION
        clusters = np.arange(cell.cases) % cell.clusters
        shares = generator.beta(rate * spread, (1 - rate) * spread, cell.clusters)[clusters]
    positive = generator.random(cell.cases) < shares
    chance = np.where(positive, cell.sensitivity, 1 - cell.specificity)
    return Sample(positive, generator.random(cell.cases) < chance, clusters, rate)


@dataclass(frozen=True)
class Coverage:
    """Shares of samples whose interval holds the true rate: the one here, and the published one."""

    here: float
    above: float
    """Share of samples whose interval here lies wholly above the true rate."""
    normal: float
    width: float
    """Mean width of the published interval, over that of the one here."""


def coverage(cell: Cell, samples: int, share: float = 0.5, seed: int = 1) -> Coverage:
    """Return the coverage of the rate; without an interval nothing false is promised."""
    generator = np.random.default_rng(seed)
    held, above, widths = np.zeros(2), 0, np.zeros(2)
    for _ in range(samples):
        sample = draw(cell, generator)
        labels = sample.labels(cell.labels, share, generator)
        _, found = labelled_rate(sample.rated, labels, sample.clusters, level=LEVEL)
        if found.low is None:
            held += 1
            continue
        ends = np.array([(found.low, found.high), _published(sample, cell.labels, generator)])
        held += (ends[:, 0] - 1e-9 <= sample.rate) & (sample.rate <= ends[:, 1] + 1e-9)
        above += sample.rate < found.low - 1e-9
        widths += ends[:, 1] - ends[:, 0]
    return Coverage(held[0] / samples, above / samples, held[1] / samples, widths[1] / widths[0])


def _published(sample: Sample, count: int, generator: np.random.Generator) -> tuple[float, float]:
    """Return the normal interval of PPI++ for a mean (Angelopoulos, Duchi & Zrnic 2023, sections 2 and 6)."""
    order = generator.permutation(len(sample.rated))
    own, rest = order[:count], order[count:]
    if not len(rest):
        rest = own
    f, y, others = sample.rated[own] * 1.0, sample.positive[own] * 1.0, sample.rated[rest] * 1.0
    spread = np.var(sample.rated * 1.0)
    weight = np.cov(f, y)[0, 1] / ((1 + count / len(rest)) * spread) if spread else 0.0
    centre = weight * others.mean() + (y - weight * f).mean()
    error = np.sqrt(weight**2 * np.var(others) / len(rest) + np.var(y - weight * f) / count)
    return centre - 1.96 * error, centre + 1.96 * error


def errors_coverage(cell: Cell, samples: int, share: float = 0.5, seed: int = 1) -> tuple[float, float]:
    """Return the coverage of the scorer's sensitivity and of its specificity."""
    generator = np.random.default_rng(seed)
    held = np.zeros(2)
    for _ in range(samples):
        sample = draw(cell, generator)
        labels = sample.labels(cell.labels, share, generator)
        found = labelled_errors(sample.rated, labels, sample.clusters, level=LEVEL)
        truths = cell.sensitivity, cell.specificity
        held += [
            i.low is None or i.low - 1e-9 <= truth <= i.high + 1e-9
            for (_, i), truth in zip(found, truths, strict=True)
        ]
    return held[0] / samples, held[1] / samples


def cells(cases: int, clusters: int, labels: int) -> list[Cell]:
    """Return the cells with these cases and labels, one for each rate and scorer."""
    return [Cell(rate, *scorer, cases, clusters, labels) for rate, scorer in product(RATES, SCORERS)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--samples", type=int, default=500, help="per cell; the standard error is 1 at 500")
    parser.add_argument("--worst", type=int, default=12, help="cells to list")
    parser.add_argument("--share", type=float, default=0.5, help="of the labels, for cases that are rated")
    arguments = parser.parse_args()
    settings = [(*size, labels) for size, labels in product(CASES, LABELS) if labels <= size[0]]
    found: list[tuple[Coverage, Cell]] = []
    print("| cases | labels | lowest | mean | highest | normal: lowest | mean | its width |")
    print("|---|---|---|---|---|---|---|---|")
    for setting in settings:
        held = [(coverage(cell, arguments.samples, arguments.share), cell) for cell in cells(*setting)]
        here, normal = ([100 * getattr(c, name) for c, _ in held] for name in ("here", "normal"))
        row = min(here), np.mean(here), max(here), min(normal), np.mean(normal)
        width = np.mean([c.width for c, _ in held])
        print(_name(*setting), *(f"{figure:.1f} |" for figure in row), f"{width:.2f} |", flush=True)
        found += held
    print("\n| rate | sensitivity | specificity | cases | labels | coverage | interval above the truth |")
    print("|---|---|---|---|---|---|---|")
    for c, cell in sorted(found, key=lambda row: row[0].here)[: arguments.worst]:
        print(f"{cell} {100 * c.here:.1f} | {100 * c.above:.1f} |")
    print("\n| cases | labels | sensitivity: lowest | mean | specificity: lowest | mean |")
    print("|---|---|---|---|---|---|")
    for setting in settings:
        held_errors = np.array(
            [errors_coverage(cell, arguments.samples, arguments.share) for cell in cells(*setting)]
        )
        row = 100 * np.stack([held_errors.min(axis=0), held_errors.mean(axis=0)]).T.ravel()
        print(_name(*setting), *(f"{figure:.1f} |" for figure in row), flush=True)


def _name(cases: int, clusters: int, labels: int) -> str:
    return f"| {cases}{f' in {clusters} clusters' if clusters else ''} | {labels} |"


if __name__ == "__main__":
    main()
