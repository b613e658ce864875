"""The number of clusters that a decision needs, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from gptaudit.stats import power as power_module
from gptaudit.stats.power import MOST, decided_margin, needed_clusters


def test_the_two_questions_agree():
    """What so many clusters decide needs so many clusters, whatever the level and the power."""
    for level, power in ((0.95, 0.9), (0.99, 0.8), (0.9, 0.5)):
        for count in (5, 40, 1000):
            margin = decided_margin(0.3 / count**0.5, count, level=level, power=power)
            assert needed_clusters(margin, 0.03, 100, level=level, power=power) in {count, count + 1}


@pytest.mark.parametrize("effect", [0.2, 0.5])
def test_it_is_close_to_statsmodels(effect):
    """A one-sample t test of the same effect needs as many, up to the noncentrality that is left out."""
    exact = TTestPower().solve_power(effect, alpha=0.05, power=0.9)
    found = needed_clusters(effect, 1 / 10, 100, level=0.95, power=0.9)

    assert found == pytest.approx(exact, rel=0.04, abs=2)


@pytest.mark.parametrize(("level", "power"), [(0.95, 0.9), (0.99, 0.8), (0.9, 0.5)])
@pytest.mark.parametrize("most", [1, 2, 3, 50, 64, 100])
def test_it_is_the_smallest_number(monkeypatch, level, power, most):
    """The result equals that of trying each number from 1 to the largest; None if none of them decides."""
    monkeypatch.setattr(power_module, "MOST", most)
    for margin in np.geomspace(0.02, 40, 60):
        decides = (
            count
            for count in range(1, most + 1)
            if decided_margin(0.04 * (50 / count) ** 0.5, count, level=level, power=power) <= margin
        )

        assert needed_clusters(margin, 0.04, 50, level=level, power=power) == next(decides, None)


@pytest.mark.parametrize("count", [1, 2, 3, 2**29 + 1, MOST])
def test_every_number_up_to_the_largest_can_be_needed(count):
    """One cluster may be enough, and so may a billion; a smaller margin needs more than that."""
    margin = decided_margin(0.04 * (50 / count) ** 0.5, count, level=0.95, power=0.9)

    assert needed_clusters(margin, 0.04, 50, level=0.95, power=0.9) == pytest.approx(count, rel=1e-6)
    assert count < MOST or needed_clusters(0.99 * margin, 0.04, 50, level=0.95, power=0.9) is None


def test_a_limit_that_is_touched_is_never_decided():
    """At a margin of zero, no number of clusters decides."""
    assert needed_clusters(0.0, 0.1, 50, level=0.95, power=0.9) is None


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [15, 120])
def test_the_power_is_as_promised(clusters):
    """At the margin that is decided, the interval clears the limit in 90 % of audits."""
    generator = np.random.default_rng(clusters)
    margin = decided_margin(1 / clusters**0.5, clusters, level=0.95, power=0.9)
    values = generator.normal(margin, 1, (4000, clusters))
    error = values.std(axis=1, ddof=1) / clusters**0.5
    cleared = (values.mean(axis=1) - stats.t.ppf(0.975, clusters - 1) * error > 0).mean()

    assert cleared == pytest.approx(0.9, abs=0.025)
