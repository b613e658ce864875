"""How often at least one of k tries succeeds, from n tries of which some succeeded."""

from __future__ import annotations

from math import comb


def success_at(k: int, successes: int, tries: int) -> float:
    """Return the unbiased estimate `1 - C(n - c, k) / C(n, k)` from `c` successes in `n` tries (Chen et al. 2021).

    >>> success_at(2, 1, 4)
    0.5

    Raises:
        ValueError: there are not as many as k tries, or more successes than tries.
    """
    if not 1 <= k <= tries or not 0 <= successes <= tries:
        msg = (
            f"expected 1 <= k <= tries and 0 <= successes <= tries, found k={k}, {successes} of {tries} tries"
        )
        raise ValueError(msg)
    return 1.0 - comb(tries - successes, k) / comb(tries, k)
