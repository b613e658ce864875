"""Success of the best of k tries."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest

from gptaudit.stats.best_of import success_at


@pytest.mark.parametrize("tries", range(1, 7))
def test_it_is_the_share_of_all_choices_of_k_tries(tries):
    """Of all ways to choose k of the tries, it is the share with a success among them."""
    for successes in range(tries + 1):
        outcomes = [True] * successes + [False] * (tries - successes)
        for k in range(1, tries + 1):
            share = sum(map(any, combinations(outcomes, k))) / comb(tries, k)
            assert success_at(k, successes, tries) == pytest.approx(share)


@pytest.mark.parametrize("chance", [0.05, 0.3, 0.8])
def test_it_is_right_on_average(chance):
    """Its mean over all outcomes of ten tries is the chance that one of k succeeds, 1 - (1 - p)^k."""
    weights = [comb(10, c) * chance**c * (1 - chance) ** (10 - c) for c in range(11)]
    for k in (1, 2, 5, 10):
        mean = sum(weight * success_at(k, c, 10) for c, weight in enumerate(weights))
        assert mean == pytest.approx(1 - (1 - chance) ** k)


@pytest.mark.parametrize("call", [(0, 1, 2), (3, 1, 2), (1, 3, 2), (1, -1, 2)])
def test_counts_that_cannot_be(call):
    """More tries than there are, or more successes, are refused."""
    with pytest.raises(ValueError, match="expected 1 <= k <= tries"):
        success_at(*call)
