"""Partial pooling: against the published example, by simulation, and at its limits."""

from __future__ import annotations

import numpy as np
import pytest

from gptaudit.stats.pooling import partially_pooled

EFFECTS, ERRORS = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]
"""Coaching in eight schools (Rubin 1981)."""


def test_agrees_with_the_published_example():
    """Medians and 95 % intervals are those of Gelman et al. 2013, table 5.3, within their simulation error."""
    published = {0: (10, -2, 31), 1: (8, -5, 23), 2: (7, -11, 19), 4: (5, -9, 18), 6: (10, -1, 26)}

    found = partially_pooled(EFFECTS, ERRORS, level=0.95)

    for school, expected in published.items():
        assert found[school] == pytest.approx(expected, abs=2.6)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.2])
def test_intervals_hold_the_truth_and_the_most_extreme_is_no_outlier(spread):
    """At least 93.5 % of the intervals hold, and the error of the largest of 20 is less than that of its raw figure."""
    held, raw_error, pooled_error = [], [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        truth = 0.5 + spread * generator.normal(size=20)
        errors = generator.uniform(0.03, 0.1, 20)
        figures = truth + errors * generator.normal(size=20)
        found = partially_pooled(figures, errors, level=0.95)
        held += [low <= true <= high for (_, low, high), true in zip(found, truth, strict=True)]
        largest = int(figures.argmax())
        raw_error.append((figures - truth)[largest])
        pooled_error.append(found[largest][0] - truth[largest])

    assert np.mean(held) > 0.935
    assert abs(np.mean(pooled_error)) < 0.6 * np.mean(raw_error)


def test_precise_groups_keep_their_figures():
    """Where the groups differ by much more than their errors, nothing is borrowed."""
    figures = [0.1, 0.9, 0.4, 0.7, 0.2]

    found = partially_pooled(figures, [0.001] * 5, level=0.95)

    assert [value for value, _, _ in found] == pytest.approx(figures, abs=1e-3)
    assert all(high - low < 0.0045 for _, low, high in found)


def test_equal_groups_share_one_figure():
    """Where the groups agree, each is known about as well as all together."""
    found = partially_pooled([0.5] * 10, [0.1] * 10, level=0.95)

    assert all(value == pytest.approx(0.5) for value, _, _ in found)
    assert all(high - low < 0.2 for _, low, high in found)


def test_too_few_groups():
    """Four groups say nothing of the spread."""
    with pytest.raises(ValueError, match="4 groups; at least 5"):
        partially_pooled([1.0] * 4, [0.1] * 4, level=0.95)
