"""Holm's procedure and p-values read off intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gptaudit.stats.multiplicity import holm, p_value, quantile


@pytest.mark.parametrize("seed", range(20))
def test_holm_agrees_with_statsmodels(seed):
    """The adjusted p-values are statsmodels', ties and certainties included."""
    g = np.random.default_rng(seed)
    p = [*g.random(g.integers(1, 12)).round(2), 0.0, 1.0]

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_of_nothing_is_nothing():
    """No test, no adjustment."""
    assert holm([]) == []


@pytest.mark.parametrize("clusters", [2, 12, 1000])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_a_limit_at_the_end_of_the_interval_has_p_equal_alpha(clusters, level):
    """So a single test agrees with where the interval ends."""
    assert p_value(0.07, 0.07, level, clusters) == pytest.approx(1 - level)


def test_p_value_of_a_mean_is_students():
    """Read off a t interval of 15 clusters, it is the t test's own p-value."""
    x = np.random.default_rng(1).normal(0.4, 1, 15)
    side = stats.t.ppf(0.975, 14) * x.std(ddof=1) / 15**0.5

    assert p_value(x.mean(), side, 0.95, 15) == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


def test_many_clusters_give_altman_and_blands_p():
    """With very many clusters it is the normal p-value: 3 standard errors are 0.0027."""
    assert p_value(3.0, 1.959964, 0.95, 10**6) == pytest.approx(0.0027, abs=1e-4)


def test_a_constant_beyond_the_limit_is_certain():
    """An interval without width has p = 0."""
    assert p_value(0.1, 0.0, 0.95, 10) == 0


def test_quantile_of_few_clusters_is_larger():
    """Two clusters stand for a t distribution with one degree of freedom."""
    assert quantile(0.95, 2) == pytest.approx(12.7062, abs=1e-4)
