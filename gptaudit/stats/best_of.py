"""
How often at least one of k tries succeeds, from n tries of which some succeeded, and what more tries may come to.

With many tries, the mean success over requests has been seen to follow the law `-log(success) = a k^(-b)` (Hughes et
al. 2024), by which success goes to 1. Ten tries do not show whether it does: requests that never give way look like
those that do once in a hundred tries. So the law may fit ten tries and foretell a hundred wrongly, as simulation shows
(`tests/stats/test_more_tries.py`), and there is no forecast here, but limits that hold for requests of any kind.
"""

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


def limits_of_more(low: float, high: float, times: float) -> tuple[float, float]:
    """Return the least and the greatest success of `times` as many tries, given limits of that of the tries at hand.

    A request that fails all of k tries with chance `f` fails `times` as many with chance `f ** times`, whose mean is at
    least `mean(f) ** times` (Jensen's inequality). So success is at most `1 - (1 - high) ** times`, where all requests
    give way equally often, and no less than `low`, where those that did not give way never do. Limits that hold
    the success of the tries at hand with some confidence give limits of the same confidence.

    >>> limits_of_more(0.0, 0.1, 10)
    (0.0, 0.6513...)

    Raises:
        ValueError: the limits are no chances, or it is for fewer tries.
    """
    if not 0 <= low <= high <= 1 or times < 1:
        msg = f"expected 0 <= low <= high <= 1 and times >= 1, found {low}, {high} and times={times}"
        raise ValueError(msg)
    return low, 1.0 - (1.0 - high) ** times
