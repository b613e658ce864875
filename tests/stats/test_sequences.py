"""Confidence sequences: exact where exactness is claimed, and right at every look."""

from __future__ import annotations

from itertools import product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gptaudit.stats.multiplicity import p_value, quantile
from gptaudit.stats.sequences import FIRST_LOOK, Bets, anytime_level, anytime_p_value, anytime_quantile

LEVELS = st.sampled_from([0.8, 0.9, 0.95, 0.999])
SHARES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=60)


def of_counts(successes: int, n: int) -> Bets:
    return Bets.of([1.0] * successes + [0.0] * (n - successes), range(n), (0.0, 1.0))


class TestBets:
    def test_a_fair_game(self):
        """At the true mean, the expected wealth of either bettor is 1: over all outcomes of 8 coins."""
        chance = 0.3
        for won in (Bets._won_above, Bets._won_below):
            expected = 0.0
            for coins in product([0, 1], repeat=8):
                p = np.prod([chance if coin else 1 - chance for coin in coins])
                expected += p * exp(won(of_counts(sum(coins), 8), chance))
            assert expected == pytest.approx(1.0, rel=1e-12)

    @pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.5])
    def test_the_truth_is_missed_at_any_of_300_looks_with_the_chance_it_says(self, rate):
        """The exact chance that some look excludes the truth, over all courses of 300 coins, is at most 5 %.

        The course so far matters only by its count, so its chances are summed count by count.
        """
        alive = np.array([1.0])  # chance of each count at courses on which no look has missed the truth
        for n in range(1, 301):
            alive = np.append(alive * (1 - rate), 0.0) + np.append(0.0, alive * rate)
            possible = np.flatnonzero(alive > 1e-15)
            missed = [s for s in possible if of_counts(s, n).p_value(rate) <= 0.05]
            alive[missed] = 0.0

        assert 0.005 < 1 - alive.sum() <= 0.05

    @given(SHARES, LEVELS)
    def test_interval_and_p_value_agree(self, values, level):
        """The interval holds the mean; a limit at its end has p = 1 - level, beyond it less, within it more."""
        bets = Bets.of(values, range(len(values)), (0.0, 1.0))
        found, mean = bets.interval(level), np.mean(values)

        assert 0 <= found.low <= mean + 1e-12
        assert mean - 1e-12 <= found.high <= 1
        for end, away in ((found.low, -1), (found.high, 1)):
            if 0 < end < 1:
                assert bets.p_value(end) == pytest.approx(1 - level, rel=1e-6)
                assert bets.p_value(end + away * 0.5 * min(end, 1 - end)) < 1 - level
                assert bets.p_value((end + mean) / 2) > 1 - level

    @given(SHARES, st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, values, random):
        """Whoever has the values of an audit computes the interval again, in whatever order they come."""
        labels = [str(i % 7) for i in range(len(values))]
        pairs = list(zip(values, labels, strict=True))
        random.shuffle(pairs)
        again = Bets.of([v for v, _ in pairs], [c for _, c in pairs], (0.0, 1.0)).interval(0.95)
        found = Bets.of(values, labels, (0.0, 1.0)).interval(0.95)

        assert_allclose([found.low, found.high], [again.low, again.high], rtol=1e-9)

    @given(SHARES)
    def test_other_bounds_are_a_change_of_scale(self, values):
        """Scores between -2 and 6 have eight times the interval, moved by -2; turned around, it is mirrored."""
        found = Bets.of(values, range(len(values)), (0.0, 1.0)).interval(0.95)
        moved = Bets.of([8 * v - 2 for v in values], range(len(values)), (-2.0, 6.0)).interval(0.95)
        mirrored = Bets.of([1 - v for v in values], range(len(values)), (0.0, 1.0)).interval(0.95)

        assert_allclose([moved.low, moved.high], [8 * found.low - 2, 8 * found.high - 2], atol=1e-9)
        assert_allclose([mirrored.low, mirrored.high], [1 - found.high, 1 - found.low], atol=1e-9)

    def test_cases_that_are_alike_count_once(self):
        """Ten cases of each of 50 clusters that always agree tell as much as one of each."""
        one = [1.0] * 5 + [0.0] * 45
        found = Bets.of(np.repeat(one, 10), np.repeat(np.arange(50), 10), (0.0, 1.0)).interval(0.95)
        alone = Bets.of(one, range(50), (0.0, 1.0)).interval(0.95)

        assert_allclose([found.low, found.high], [alone.low, alone.high])

    def test_no_case(self):
        """Without a case there is no interval, and the reason is given."""
        assert Bets.of([], [], (0.0, 1.0)).interval(0.95).why == "no case was scored"

    @pytest.mark.parametrize(("limit", "expected"), [(-0.1, 0.0), (1.1, 0.0), (0.0, 1.0), (1.0, 1.0)])
    def test_limits_at_and_beyond_the_bounds(self, limit, expected):
        """Nobody bets on a mean that cannot be; of a mean at a bound nothing is excluded that could have been seen."""
        assert of_counts(0, 30).p_value(limit) == expected or of_counts(30, 30).p_value(limit) == expected


class TestBoundary:
    @given(LEVELS, st.integers(1, 100_000))
    def test_quantile_and_p_value_agree(self, level, clusters):
        """A distance of the quantile has p = 1 - level, by itself and through an interval of that level."""
        z = anytime_quantile(level, clusters)

        assert anytime_p_value(z, clusters) == pytest.approx(1 - level)
        assert p_value(1.0, 1.0, level, clusters, anytime=True) == pytest.approx(1 - level)
        assert quantile(level, clusters, anytime=True) == z > quantile(level, 10**6)

    @given(LEVELS, st.integers(1, 100_000))
    def test_the_level_of_a_fixed_interval_is_higher(self, level, clusters):
        """The interval of a look is one of a fixed number of cases at a higher level."""
        assert level < anytime_level(level, clusters) < 1

    def test_it_holds_at_every_look(self):
        """Of 4,000 sums of up to 1,000 normal values, at most 5 % ever leave it; the fixed quantile, most of them."""
        generator = np.random.default_rng(0)
        n = np.arange(1, 1001)
        boundary = np.array([anytime_quantile(0.95, int(k)) for k in n])
        left = fixed = 0
        for _ in range(4):
            z = np.abs(generator.normal(size=(1000, 1000)).cumsum(axis=1)) / np.sqrt(n)
            left += (z > boundary)[:, FIRST_LOOK - 1 :].any(axis=1).sum()
            fixed += (z > 1.96)[:, FIRST_LOOK - 1 :].any(axis=1).sum()

        assert 0.01 < left / 4000 <= 0.05
        assert fixed / 4000 > 0.3
