"""Rates corrected for a scorer's errors: by hand, at their limits, and how often the interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from gptaudit.stats.intervals import wilson
from gptaudit.stats.misclassification import (
    ErrorRates,
    Proportion,
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
