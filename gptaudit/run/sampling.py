"""
A part of a probe's cases, for `--limit`: a random sample of clusters, in proportion to the strata.

The first cases of a suite are no sample of it: its first occupations may all be of one gender, its first rows all about
age. A stratum is all clusters whose cases have the same slices. Of a cluster neighbouring cases are drawn, and all of
them where it is small, since they are made to cancel what does not depend on the group, such as how common a word is.
A sample has ten clusters or more: of the largest a tenth of it is drawn, and of every other the same share. So every
case is drawn as often, and a mean over the sample is right on average.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gptaudit.records import Case
from gptaudit.run.looks import lot

FEWEST = 10
"""Clusters of a sample at least, where the probe has so many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The places of the cases that were drawn, and of how many."""

    places: frozenset[int]
    cases: int

    def of(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Yield those of the same cases that were drawn."""
        return (case for place, case in enumerate(cases) if place in self.places)


def sample(cases: Iterable[Case], limit: int, seed: int) -> Sample:
    """Draw at most `limit` of these cases at random."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    slices: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for place, case in enumerate(cases):
        places[case.cluster].append(place)
        slices[case.cluster].update(case.slices.items())
    share = min(1.0, limit / FEWEST / max(map(len, places.values()), default=1))
    drawn: list[int] = []
    for cluster in _ordered(slices, seed):
        drawn += _neighbours(cluster, places[cluster], share, seed)
        if len(drawn) >= limit:
            break
    return Sample(frozenset(drawn[:limit]), sum(map(len, places.values())))


def _neighbours(cluster: str, places: list[int], share: float, seed: int) -> list[int]:
    """Return a share of a cluster's places that follow each other, at least one, from a random one on."""
    count = max(1, int(share * len(places) + lot(f"count\n{cluster}", seed))) if share < 1 else len(places)
    start = int(lot(f"start\n{cluster}", seed) * len(places))
    return (places[start:] + places[:start])[:count]


def _ordered(slices: dict[str, set[tuple[str, str]]], seed: int) -> Iterator[str]:
    """Yield the clusters in a random order in which each stratum is spread evenly.

    Each is ordered by its rank within its stratum, as a share of it, so that every part of the order has its part of
    every stratum.
    """
    strata: defaultdict[frozenset[tuple[str, str]], list[str]] = defaultdict(list)
    for cluster, of_cluster in slices.items():
        strata[frozenset(of_cluster)].append(cluster)
    ranks: dict[str, float] = {}
    for members in strata.values():
        shuffled = sorted(members, key=lambda cluster: lot(cluster, seed))
        offset = lot(shuffled[0], seed + 1)
        ranks |= {cluster: (number + offset) / len(shuffled) for number, cluster in enumerate(shuffled)}
    yield from sorted(ranks, key=lambda cluster: ranks[cluster])
