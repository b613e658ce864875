"""The looks of an audit that is asked until every rule is decided: clusters in a random order, ever more of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from math import ceil

from gptaudit.evidence.store import Store
from gptaudit.stats.sequences import FIRST_LOOK

GROWTH = 1.25
"""How many times as many clusters are asked by each look as by the one before."""


def lot(name: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on nothing but a name and the seed."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


class Looks:
    """The clusters of each probe that are still to be asked."""

    def __init__(self, store: Store, probes: Sequence[str], seed: int) -> None:
        """Draw the order of the clusters, and let the first ones be asked."""
        self._store = store
        self._order = {
            probe: sorted(store.clusters(probe), key=lambda cluster: lot(cluster, seed)) for probe in probes
        }
        self._asked = dict.fromkeys(probes, 0)
        self.release(probes, 1)

    def release(self, probes: Iterable[str], look: int) -> bool:
        """Let further clusters of these probes be asked, at this look; return whether there are any."""
        released = False
        for probe in probes:
            asked, order = self._asked[probe], self._order[probe]
            following = order[asked : max(FIRST_LOOK, ceil(GROWTH * asked))]
            if following:
                self._store.release(probe, following, look)
                self._asked[probe] += len(following)
                released = True
        return released
