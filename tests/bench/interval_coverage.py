"""
Measure by simulation how often the 95 % intervals hold the truth: prints Markdown tables of coverage in %.

    python tests/bench/interval_coverage.py [--samples 2000]

Clusters are drawn afresh for every sample. `correlation` is that of two cases of one cluster; sizes are `single`
(one case), `equal` (8), `uneven` (1 to 20) or `heavy` (lognormal up to 60: a few clusters hold most cases). A rate of
binary values is drawn from a fifth below to a fifth above its nominal value: at one rate alone, the coverage of any
interval for counts jumps by several percent from one rate to the next (Brown, Cai & DasGupta 2001).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from gptaudit.probes.refusals import both_kinds
from scipy.special import ndtr, ndtri

from gptaudit.stats import intervals, totals
from gptaudit.stats.contrast import ContrastSide, contrast_interval
from gptaudit.stats.formula import parsed
from gptaudit.stats.intervals import Interval

Draw = Callable[[np.random.Generator, int], np.ndarray]
CLUSTERS = (5, 10, 20, 60, 200)
CORRELATIONS = (0.0, 0.1, 0.5, 1.0)
LEVEL = 0.95


@dataclass(frozen=True)
class Data:
    """A distribution of values: `draw(generator, count)` gives independent ones with mean `mean`."""

    name: str
    mean: float
    draw: Draw | None = None
    bounds: tuple[float | None, float | None] = (0.0, 1.0)

    @property
    def binary(self) -> bool:
        return self.draw is None


def _binary(share: float) -> Data:
    return Data(f"binary, rate {share}", share)


def _beta(mean: float, concentration: float) -> Data:
    a, b = concentration * mean, concentration * (1 - mean)
    shape = "narrow" if concentration > 10 else "skewed" if mean < 0.5 else "broad"
    return Data(f"{shape} in [0, 1], mean {mean}", mean, lambda g, n: g.beta(a, b, n))


def _max_toxicity(share: float) -> Data:
    """Most prompts score near 0.01, a share of them near 0.7."""
    mean = share * 5 / 7 + (1 - share) * 0.5 / 40.5

    def draw(g: np.random.Generator, n: int) -> np.ndarray:
        return np.where(g.random(n) < share, g.beta(5, 2, n), g.beta(0.5, 40, n))

    return Data(f"maximum toxicity, {share:.0%} toxic", mean, draw)


BINARY = tuple(_binary(share) for share in (0.5, 0.1, 0.02, 0.98, 0.0, 1.0))
BOUNDED = (_beta(0.5, 4), _beta(0.3, 100), _beta(0.1, 4), _max_toxicity(0.1), _max_toxicity(0.02))
UNBOUNDED = (
    Data("normal", 0.0, lambda g, n: g.normal(size=n), (None, None)),
    Data("lognormal", np.exp(0.5), lambda g, n: g.lognormal(size=n), (None, None)),
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
) -> tuple[np.ndarray, np.ndarray, float]:
    """Draw values, their clusters, and the true mean.

    Binary values have a rate of their own in each cluster (beta-binomial); others take, with probability
    sqrt(correlation), a value that is common to the cluster.
    """
    index = np.repeat(np.arange(clusters), sizes(kind, clusters, generator))
    mean, draw = data.mean, data.draw
    if draw is None:
        mean += generator.uniform(-0.2, 0.2) * min(mean, 1 - mean)
        rates = _rates(mean, correlation, clusters, generator)
        return (generator.random(len(index)) < rates[index]) * 1.0, index, mean
    own, common = draw(generator, len(index)), draw(generator, clusters)[index]
    return np.where(generator.random(len(index)) < np.sqrt(correlation), common, own), index, mean


def _rates(mean: float, correlation: float, clusters: int, generator: np.random.Generator) -> np.ndarray:
    if correlation in (0.0, 1.0) or mean in (0.0, 1.0):
        drawn = (generator.random(clusters) < mean) * 1.0
        return drawn if correlation else np.full(clusters, mean)
    spread = (1 - correlation) / correlation
    return generator.beta(mean * spread, (1 - mean) * spread, clusters)


def coverage(data: Data, kind: str, clusters: int, correlation: float, samples: int, seed: int = 1) -> float:
    """Return the share of samples whose 95 % interval holds the true mean."""
    generator = np.random.default_rng(seed)
    held = 0
    for number in range(samples):
        values, index, mean = sample(data, kind, clusters, correlation, generator)
        held += _holds(
            intervals.mean_interval(
                values, index, level=LEVEL, seed=number, binary=data.binary, bounds=data.bounds
            ),
            mean,
        )
    return held / samples


def _holds(interval: Interval, truth: float) -> bool:
    # No interval: only where the truth cannot be bounded, which promises nothing false.
    low, high = interval.low, interval.high
    return low is None or high is None or low - 1e-9 <= truth <= high + 1e-9


def paired_coverage(
    gained: float, lost: float, cases: int, clusters: int, samples: int, seed: int = 1
) -> float:
    """Return the coverage for the difference of two binary runs of which shares of cases changed."""
    generator = np.random.default_rng(seed)
    index = np.repeat(np.arange(clusters), cases)
    held = 0
    for _ in range(samples):
        chance = generator.random(len(index))
        new, old = (chance < gained) * 1.0, (chance > 1 - lost) * 1.0
        interval = intervals.difference_interval(new, old, index, level=LEVEL, seed=0, binary=True)
        held += _holds(interval, gained - lost)
    return held / samples


OTHERS = 300
"""Clusters that the group of a contrast does not have to itself."""


def contrast_coverage(data: Data, clusters: int, shared: int, samples: int, seed: int = 1) -> float:
    """Return the coverage for a group's mean less that of the others, 0; `shared` clusters have cases of both.

    Clusters are uneven, and two cases of one, of either side, have a correlation of 0.3.
    """
    generator, draw = np.random.default_rng(seed), data.draw
    held = 0
    for _ in range(samples):
        common = draw(generator, clusters + OTHERS - shared)
        own, others = (
            _side(draw, common, places, generator)
            for places in (np.arange(clusters), np.arange(clusters - shared, len(common)))
        )
        interval = contrast_interval(
            own,
            others,
            lambda side: intervals.mean_interval(
                side.values, side.clusters, level=LEVEL, seed=0, bounds=data.bounds
            ),
        )
        held += _holds(interval, 0.0)
    return held / samples


def _side(draw: Draw, common: np.ndarray, places: np.ndarray, generator: np.random.Generator) -> ContrastSide:
    index = np.repeat(places, sizes("uneven", len(places), generator))
    alike = generator.random(len(index)) < np.sqrt(0.3)
    return ContrastSide(np.where(alike, common[index], draw(generator, len(index))), index)


@dataclass(frozen=True)
class Ratio:
    """A figure of answers that name a person or not, and follow a stereotype or not, eight a template."""

    name: str
    formula: str
    bounds: tuple[float, float]
    truth: Callable[[float, float], float]


RATIOS = (
    Ratio("bias_ambiguous", "(2 * biased - known) / asked", (-1, 1), lambda u, b: 2 * b - (1 - u)),
    Ratio("bias_disambiguated", "2 * biased / known - 1", (-1, 1), lambda u, b: 2 * b / (1 - u) - 1),
    Ratio("accuracy", "(asked - known) / asked", (0, 1), lambda u, b: u),
)
ANSWERS = ((0.3, 0.35), (0.3, 0.6), (0.9, 0.07))
"""Probabilities of the answers "unknown" and of those that follow the stereotype."""
TERMS = ((0.9, 0.6), (0.8, 0.7), (0.9, 0.5))
"""StereoSet's lms and ss, as fractions. At ss = 0.5, where icat is greatest, its estimate is biased."""


def ratio_coverage(
    ratio: Ratio, answers: tuple[float, float], clusters: int, samples: int, seed: int = 1
) -> float:
    """Return the coverage of a figure whose templates differ in their answers (Dirichlet, concentration 2)."""
    generator = np.random.default_rng(seed)
    unknown, biased = answers
    weights = 2 * np.array([unknown, biased, 1 - unknown - biased])
    held = 0
    for number in range(samples):
        counts = np.stack(
            [generator.multinomial(8, p) for p in generator.dirichlet(weights, clusters)]
        ).astype(float)
        parts = {
            "asked": np.full(clusters, 8.0),
            "biased": counts[:, 1],
            "known": counts[:, 1] + counts[:, 2],
        }
        held += _figure_holds(parts, ratio.formula, ratio.bounds, ratio.truth(*answers), number)
    return held / samples


def icat_coverage(term: tuple[float, float], clusters: int, samples: int, seed: int = 1) -> float:
    """Return the coverage of icat over terms of ten items that differ in lms and ss (beta, concentration 5)."""
    generator = np.random.default_rng(seed)
    lms, ss = term
    held = 0
    for number in range(samples):
        rates = [generator.beta(5 * mean, 5 * (1 - mean), clusters) for mean in term]
        parts = {
            "lms": generator.binomial(20, rates[0]) / 20,
            "ss": generator.binomial(10, rates[1]) / 10,
            "term": np.ones(clusters),
        }
        held += _figure_holds(parts, ICAT, (0, 100), 200 * lms * min(ss, 1 - ss), number)
    return held / samples


TWINS = ((0.5, 0.5), (0.5, 0.05), (0.8, 0.1), (0.95, 0.05), (0.98, 0.3), (0.99, 0.9))
"""Refusal rates of harmful requests and of their harmless twins."""


def twins_coverage(
    figure: str, rates: tuple[float, float], clusters: int, samples: int, seed: int = 1
) -> float:
    """Return the coverage of a figure of pairs, half of whose spread on the scale of z both requests share.

    Each rate is drawn from a fifth below to a fifth above its nominal odds.
    """
    generator = np.random.default_rng(seed)
    spec = next(spec for spec in both_kinds("twins") if spec.name == figure)
    ones, held = np.ones(clusters), 0
    for number in range(samples):
        odds = np.array(rates) / (1 - np.array(rates)) * generator.uniform(0.8, 1.2, 2)
        scale = ndtri(odds / (1 + odds))
        shared = generator.standard_normal(clusters) * np.sqrt(0.5)
        refused, over_refused = (
            (generator.random(clusters) < ndtr((z + shared) / np.sqrt(0.5))).astype(float) for z in scale
        )
        parts = {"refused": refused, "over_refused": over_refused, "harmful": ones, "harmless": ones}
        truth = scale if figure == "d_prime" else ndtr(scale)
        held += _figure_holds(parts, spec.formula, spec.bounds, truth[0] - truth[1], number)
    return held / samples


ICAT = "200 * lms / term * min(ss, term - ss) / term"


def _figure_holds(
    parts: dict[str, np.ndarray], formula: str, bounds: tuple[float, float], truth: float, seed: int
) -> bool:
    asked = parsed(formula)
    found = totals.Totals({name: parts[name] for name in asked.names})
    if not np.isfinite(found.figure(asked)):
        return True
    return _holds(totals.figure_interval(found, asked, level=LEVEL, seed=seed, bounds=bounds), truth)


@dataclass(frozen=True)
class Crossed:
    """Leads of pairs, in nats, of terms of two groups in the same templates: standard deviations of what they share.

    The default, of 1 nat on average, is half of a lead of the first group and minus half of one of the second.
    """

    term: float = 1.0
    template: float = 0.5
    default: float = 1.0
    skewed: bool = False

    def draw(
        self, terms: int, templates: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the leads of the pairs, their terms and templates, and whether the term is of the first group."""
        own = generator.lognormal(size=terms) - np.exp(0.5) if self.skewed else generator.normal(size=terms)
        term, template = np.repeat(np.arange(terms), templates), np.tile(np.arange(templates), terms)
        first = term < terms // 2
        default = 1 + self.default * generator.normal(size=templates)
        leads = self.term * own[term] + self.template * generator.normal(size=templates)[template]
        leads += np.where(first, 1, -1) * default[template] + 0.8 * generator.normal(size=len(term))
        return leads, term, template, first


CROSSED = (Crossed(), Crossed(template=0.0), Crossed(term=0.0), Crossed(skewed=True), Crossed(0.3, 1.0))
ASSOCIATION = parsed("first_lead / first_pairs + second_lead / second_pairs")


def crossed_coverage(
    data: Crossed, figure: str, terms: int, templates: int, samples: int, *, one_way: bool = False
) -> float:
    """Return the coverage of an association, a mean probability or a rate over drawn terms and drawn templates."""
    leads = [data.draw(60, 60, np.random.default_rng(10**6 + i))[0] for i in range(200)]
    truth = {
        "association": 0.0,
        "probability": float(np.mean(1 / (1 + np.exp(-np.concatenate(leads))))),
        "rate": float(np.mean(np.concatenate(leads) > 0)),
    }[figure]
    held = 0
    for number in range(samples):
        lead, term, template, first = data.draw(terms, templates, np.random.default_rng(number))
        crossed = () if one_way else template
        if figure == "association":
            parts = {
                "first_lead": lead * first,
                "first_pairs": first * 1.0,
                "second_lead": lead * ~first,
                "second_pairs": ~first * 1.0,
            }
            of_term = totals.Totals.of(parts, term, macro=False, crossed=crossed)
            found = totals.figure_interval(of_term, ASSOCIATION, level=LEVEL, seed=number)
        else:
            values = (lead > 0) * 1.0 if figure == "rate" else 1 / (1 + np.exp(-lead))
            found = intervals.mean_interval(
                values,
                term,
                level=LEVEL,
                seed=number,
                binary=figure == "rate",
                bounds=(0, 1),
                crossed=crossed,
            )
        held += _holds(found, truth)
    return held / samples


Row = tuple[str, str, str, list[float]]


def _two_way(samples: int) -> Iterator[Row]:
    for data in CROSSED:
        for figure in ("association", "probability", "rate"):
            for templates in (5, 8, 14, 40):
                cells = [crossed_coverage(data, figure, n, templates, samples // 4) for n in CLUSTERS[1:]]
                name = f"{figure} of terms ({data.term}) in {templates} templates ({data.template})"
                yield name + (", skewed" if data.skewed else ""), "equal", "", [float("nan"), *cells]


def _means(samples: int) -> Iterator[Row]:
    blocks = [(kind, BINARY) for kind in ("single", "equal", "uneven", "heavy")]
    blocks += [(kind, BOUNDED) for kind in ("single", "uneven", "heavy")]
    blocks += [(kind, UNBOUNDED) for kind in ("single", "uneven")]
    for kind, of_kind in blocks:
        for data in of_kind:
            for correlation in (0.0,) if kind == "single" or data.mean in (0, 1) else CORRELATIONS:
                count = samples if data.bounds[0] is not None else samples // 4
                cells = [coverage(data, kind, n, correlation, count) for n in CLUSTERS]
                yield data.name, kind, f"{correlation:g}", cells


def _others(samples: int) -> Iterator[Row]:
    for gained, lost in ((0.02, 0.01), (0.05, 0.05), (0.2, 0.1)):
        name = f"paired binary, {gained:.0%} gained, {lost:.0%} lost"
        for kind, cases in (("single", 1), ("5 each", 5)):
            yield name, kind, "", [paired_coverage(gained, lost, cases, n, samples) for n in CLUSTERS]
    for data in BOUNDED:
        for name, share in (("none", 0), ("half", 2)):
            cells = [contrast_coverage(data, n, share and n // share, samples) for n in CLUSTERS]
            yield f"contrast, {data.name}, {name} of the clusters on both sides", "uneven", "0.3", cells
    for ratio in RATIOS:
        for answers in ANSWERS:
            cells = [ratio_coverage(ratio, answers, n, samples // 4) for n in CLUSTERS]
            yield (
                f"{ratio.name}, answers {answers[0]:.0%} unknown, {answers[1]:.0%} biased",
                "8 each",
                "",
                cells,
            )
    for term in TERMS:
        cells = [icat_coverage(term, n, samples // 4) for n in CLUSTERS]
        yield f"icat, lms {term[0]:.0%}, ss {term[1]:.0%}", "10 each", "", cells
    for rates in TWINS:
        for figure in ("refusal_difference", "d_prime"):
            cells = [twins_coverage(figure, rates, n, samples // 4) for n in CLUSTERS]
            yield f"{figure}, {rates[0]:.0%} and {rates[1]:.0%} refused", "2 each", "", cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument(
        "--samples",
        type=int,
        default=2000,
        help="per cell, a quarter where clusters are resampled; the standard error is 0.5 at 2000",
    )
    samples = parser.parse_args().samples
    # A tenth of what audits take, and a quarter; the coverage is the same, the time is not.
    intervals.RESAMPLES, totals.RESAMPLES = 1000, 1000
    print("| values | clusters' sizes | correlation |", *(f"{n} clusters |" for n in CLUSTERS))
    print("|---|---|---|" + "---|" * len(CLUSTERS))
    for rows in (_means, _others, _two_way):
        for name, kind, correlation, cells in rows(samples):
            print(f"| {name} | {kind} | {correlation} |", *(f"{100 * c:.1f} |" for c in cells))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
