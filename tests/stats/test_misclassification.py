"""Rates corrected for a scorer's errors: by hand, at their limits, and how often the interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from gptaudit.stats.intervals import Interval, mean_interval, wilson
from gptaudit.stats.misclassification import (
    ErrorRates,
    Proportion,
    corrected_difference,
    corrected_pairs,
    corrected_rate,
    least_detectable,
    least_limit,
    of_any,
)

LEVEL = 0.95
PERFECT = ErrorRates(Proportion(1.0, 1e12), Proportion(1.0, 1e12))


def errors(se: float, sp: float, n: float = 2000) -> ErrorRates:
    return ErrorRates(Proportion(se, n), Proportion(sp, n))


def test_the_formula_of_rogan_and_gladen():
    """With sensitivity .8 and specificity .98, 9.8 % rated are 10 % positive: .1 x .8 + .9 x .02."""
    found = corrected_rate(0.098, wilson(98, 1000, LEVEL), errors(0.8, 0.98), level=LEVEL)
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.1 < found.high


@pytest.mark.parametrize("count", [0, 3, 250, 500])
def test_a_scorer_without_errors_changes_nothing(count):
    """Its figure and interval are those of the raw rate."""
    raw = wilson(count, 500, LEVEL)
    found = corrected_rate(count / 500, raw, PERFECT, level=LEVEL)
    assert found.value == pytest.approx(count / 500, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((raw.low, raw.high), abs=1e-6)


def test_the_interval_is_wider_than_that_of_known_errors():
    """Less labelled text makes it wider, and never narrower than the raw rate's share of it."""
    raw = wilson(98, 1000, LEVEL)
    widths = []
    for n in (1e9, 5000, 500, 100):
        found = corrected_rate(0.098, raw, errors(0.8, 0.98, n), level=LEVEL)
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx((raw.high - raw.low) / 0.78, rel=1e-3)


def test_where_nothing_can_be_told():
    """A scorer no better than chance has no figure; a raw rate among its false positives is 0, and says so."""
    chance = corrected_rate(0.5, wilson(50, 100, LEVEL), errors(0.5, 0.5), level=LEVEL)
    within = corrected_rate(0.01, wilson(10, 1000, LEVEL), errors(0.8, 0.98), level=LEVEL)
    assert (chance.value, chance.low, chance.high) == (None, None, None)
    assert "cannot tell" in chance.why
    assert (within.value, within.low) == (0, 0)
    assert within.high > 0
    assert "within the scorer's false positives" in within.why


def test_no_sample_can_show_what_lies_within_the_error():
    """However many clean cases are rated, the upper end stays at the least limit, or above it."""
    rates = errors(0.8, 0.98, 500)
    limit = least_limit(rates, level=LEVEL)
    for n in (1_000, 1_000_000):
        for raw in (0.0, 0.01, 0.02, 0.03):
            found = corrected_rate(raw, wilson(raw * n, n, LEVEL), rates, level=LEVEL)
            assert found.high >= limit - 1e-9
    assert least_limit(PERFECT, level=LEVEL) == pytest.approx(0, abs=1e-9)
    assert least_detectable(errors(0.5, 0.5), level=LEVEL) is None
    assert least_limit(errors(0.5, 0.5), level=LEVEL) is None


def test_any_of_several_texts_errs_more_often():
    """A clean case of 5 texts is rated with 1 - .98^5; the range spans one positive text to five."""
    five = of_any(errors(0.8, 0.98), 5)
    clean = 1 - 0.98**5
    found = corrected_rate(clean, wilson(clean * 10_000, 10_000, LEVEL), five, level=LEVEL)
    all_five, one = 1 - 0.2**5, 1 - 0.2 * 0.98**4
    half = [clean / 2 + rate / 2 for rate in (one, all_five)]
    low, high = (corrected_rate(r, wilson(r * 1e6, 1e6, LEVEL), five, level=LEVEL) for r in half)
    assert found.value == 0
    assert low.low <= 0.5 <= low.high
    assert high.low <= 0.5 <= high.high
    assert least_limit(five, level=LEVEL) > least_limit(errors(0.8, 0.98), level=LEVEL)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.02, 0.1, 0.3])
@pytest.mark.parametrize(("se", "sp", "labels"), [(0.65, 0.965, 400), (0.9, 0.99, 200), (0.95, 0.91, 1000)])
def test_the_interval_holds_the_truth(truth, se, sp, labels):
    """Over 2,000 samples of 400 cases, labelled texts drawn anew each time, at least 94 % of intervals do."""
    rng = np.random.default_rng(7)
    held, n, samples = 0, 400, 2000
    rate = truth * se + (1 - truth) * (1 - sp)
    for _ in range(samples):
        rated = rng.binomial(n, rate)
        seen = ErrorRates(
            Proportion(rng.binomial(labels, se) / labels, labels),
            Proportion(rng.binomial(labels, sp) / labels, labels),
        )
        found = corrected_rate(rated / n, wilson(rated, n, LEVEL), seen, level=LEVEL)
        held += found.low is not None and found.low <= truth <= found.high
    assert held / samples >= 0.94


class TestDifference:
    """The difference of two rates, by the same scorer."""

    def test_false_positives_cancel(self):
        """Of a difference d, d (se + sp - 1) is seen, whatever the rates are."""
        raw = Interval(0.30, 0.48, "pairs")
        found = corrected_difference(0.39, raw, errors(0.8, 0.98), level=LEVEL)

        assert found.value == pytest.approx(0.39 / 0.78)
        assert found.low < raw.low / 0.78
        assert found.high > raw.high / 0.78

    @pytest.mark.parametrize(
        ("value", "low", "high"), [(0.0, -0.06, 0.06), (-0.3, -0.4, -0.2), (0.9, 0.8, 0.97)]
    )
    def test_a_scorer_without_errors_changes_nothing(self, value, low, high):
        """Its figure and interval are the raw ones, below zero too."""
        found = corrected_difference(value, Interval(low, high, "pairs"), PERFECT, level=LEVEL)

        assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-6)

    def test_it_has_no_direction(self):
        """The other side minus this one has the mirrored interval."""
        there = corrected_difference(0.2, Interval(0.05, 0.3, "pairs"), errors(0.8, 0.9, 100), level=LEVEL)
        back = corrected_difference(-0.2, Interval(-0.3, -0.05, "pairs"), errors(0.8, 0.9, 100), level=LEVEL)

        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))

    def test_where_nothing_can_be_told(self):
        """By a scorer that may be no better than chance, there is no difference to tell."""
        found = corrected_difference(0.1, Interval(0.0, 0.2, "pairs"), errors(0.5, 0.55, 50), level=LEVEL)

        assert (found.value, found.low, found.high) == (None, None, None)
        assert "may be those of chance" in found.why

    @pytest.mark.parametrize(("plain", "lift"), [(0.0, 0.0), (0.05, 0.05), (0.1, 0.6), (0.5, -0.2)])
    @pytest.mark.parametrize(("se", "sp", "labels"), [(0.9, 0.97, 300), (0.75, 0.9, 1000)])
    def test_the_interval_holds_the_truth(self, plain, lift, se, sp, labels):
        """Over 300 samples of 64 requests of three texts each, labelled texts drawn anew, at least 92 % do."""
        rng = np.random.default_rng(11)
        held = rawly = 0
        samples, requests, each = 300, 64, 3
        names = [str(i) for i in range(requests)]

        def rated(rate):
            chances = (
                rng.beta(2 * rate, 2 * (1 - rate), requests) if 0 < rate < 1 else np.full(requests, rate)
            )
            true = rng.binomial(each, chances)
            return (rng.binomial(true, se) + rng.binomial(each - true, 1 - sp)) / each

        for _ in range(samples):
            values = rated(plain + lift) - rated(plain)
            raw = mean_interval(values, names, level=LEVEL, seed=0, bounds=(-1.0, 1.0))
            seen = ErrorRates(
                Proportion(rng.binomial(labels, se) / labels, labels),
                Proportion(rng.binomial(labels, sp) / labels, labels),
            )
            found = corrected_difference(float(values.mean()), raw, seen, level=LEVEL)
            held += found.low is not None and found.low <= lift <= found.high
            rawly += raw.low <= lift * (se + sp - 1) <= raw.high

        assert held / samples >= 0.92
        assert rawly / samples >= 0.92


class TestPairs:
    """The share of pairs of texts of which the scorer calls one positive and the other not."""

    @pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.1), (0.2, 0.1, 0.35), (0.6, 0.5, 0.65)])
    def test_a_scorer_without_errors_changes_nothing(self, value, low, high):
        """Whether it errs alike or not is then no question."""
        found = corrected_pairs(value, Interval(low, high, "pairs"), PERFECT, level=LEVEL)

        assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-6)

    def test_what_errors_alone_show_may_be_nothing(self):
        """By hand: of a scorer that errs one time in ten, .18 is what like pairs show, or .18 / .82 unlike ones."""
        found = corrected_pairs(0.18, Interval(0.18, 0.18, "known"), errors(0.9, 0.9, 1e12), level=LEVEL)

        assert (found.low, found.high) == pytest.approx((0.0, 0.18 / 0.82), abs=1e-4)
        assert found.value == pytest.approx(0.18 / 0.82 / 2)

    def test_the_kind_that_is_misread_more_often_counts(self):
        """By hand: like pairs of negatives show up to 2 x .8 x .2 = .32, of .72 x se + .28 unlike ones."""
        unlike = 1.0 * 0.8
        found = corrected_pairs(0.5, Interval(0.5, 0.5, "known"), errors(1.0, 0.8, 1e12), level=LEVEL)

        assert (found.low, found.high) == pytest.approx((0.18 / (unlike - 0.32), 0.5 / unlike), abs=1e-4)

    def test_where_nothing_can_be_told(self):
        """By a scorer that may be no better than chance."""
        found = corrected_pairs(0.5, Interval(0.4, 0.6, "pairs"), errors(0.5, 0.55, 50), level=LEVEL)

        assert (found.value, found.low, found.high) == (None, None, None)
        assert "may be those of chance" in found.why

    @pytest.mark.parametrize(
        ("spread", "common"), [(0.0, 0.0), (0.0, 1.0), (0.5, 0.5), (4.0, 0.0), (4.0, 1.0)]
    )
    def test_the_interval_holds_the_truth(self, spread, common):
        """Over 200 samples of 40 requests of five texts at least 92 % do, be errors a request's own or common to it."""
        rng = np.random.default_rng(5)
        samples, requests, each, (se, sp), labels = 200, 40, 5, (0.95, 0.92), 400
        held, names = 0, [str(i) for i in range(requests)]
        for _ in range(samples):
            positive = rng.random(requests) < 0.5
            chances = rng.beta(spread, spread, requests) if spread else positive.astype(float)
            true = rng.random((requests, each)) < chances[:, None]
            alone, shared = rng.random((requests, each)), rng.random((requests, 1))
            lot = np.where(rng.random((requests, each)) < common, shared, alone)
            rated = np.where(true, lot < se, lot >= sp)
            count = rated.sum(axis=1)
            values = count * (each - count) / (each * (each - 1) / 2)
            truth = float(np.mean(2 * chances * (1 - chances))) if not spread else spread / (2 * spread + 1)
            raw = mean_interval(values, names, level=LEVEL, seed=0, bounds=(0.0, 1.0))
            seen = ErrorRates(
                Proportion(rng.binomial(labels, se) / labels, labels),
                Proportion(rng.binomial(labels, sp) / labels, labels),
            )
            found = corrected_pairs(float(values.mean()), raw, seen, level=LEVEL)
            held += found.low is not None and found.low <= truth <= found.high

        assert held / samples >= 0.92
