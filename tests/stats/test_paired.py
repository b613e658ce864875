"""Paired tests against other implementations, and their error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from gptaudit.stats.paired import FLIPS, mcnemar, sign_flips


@pytest.mark.parametrize(("up", "down"), [(0, 0), (3, 0), (1, 1), (7, 2), (30, 51)])
def test_mcnemar_is_that_of_statsmodels(up, down):
    """The exact test, whatever the cases that did not change."""
    table = [[40, up], [down, 9]]
    pairs = [(1, 1)] * 40 + [(1, 0)] * up + [(0, 1)] * down + [(0, 0)] * 9
    expected = statsmodels_mcnemar(table, exact=True).pvalue if up + down else 1.0

    assert mcnemar(*zip(*pairs, strict=True)) == pytest.approx(expected)


@pytest.mark.parametrize("clusters", [4, 11, 60])
def test_sign_flips_are_those_of_scipy(clusters):
    """On cluster totals, scipy's paired permutation test; exact for few clusters, close for many."""
    generator = np.random.default_rng(clusters)
    names = np.repeat(np.arange(clusters), generator.integers(1, 5, clusters))
    differences = generator.normal(0.25, 1, len(names))
    totals = np.bincount(names, weights=differences)
    expected = stats.permutation_test(
        (totals, np.zeros(clusters)),
        lambda x, y: (x - y).sum(),
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).pvalue

    found = sign_flips(list(differences), [str(n) for n in names], seed=0)

    assert found == pytest.approx(expected, abs=1e-12 if clusters < 13 else 0.015)


def test_no_difference_is_no_evidence():
    """Nothing changed, or what changed cancels within each cluster: p is 1."""
    assert sign_flips([0.0] * 50, [str(i) for i in range(50)], seed=0) == 1.0
    assert sign_flips([1.0, -1.0] * 30, [str(i // 2) for i in range(60)], seed=0) == 1.0
    assert sign_flips([], [], seed=0) == 1.0


def test_a_p_value_is_never_zero():
    """However clear the case, no more is claimed than the number of flips allows."""
    assert sign_flips([1.0] * 500, [str(i) for i in range(500)], seed=0) == 1 / (1 + FLIPS)


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [8, 30])
@pytest.mark.parametrize("binary", [True, False])
def test_false_alarms_are_as_rare_as_promised(clusters, binary):
    """With equal models and cases that are alike within a cluster, p falls below 0.05 in at most 5 % of audits."""
    generator = np.random.default_rng(0)
    alarms, audits = 0, 600
    for seed in range(audits):
        share = generator.beta(0.5, 0.5, clusters)[:, None]
        draws = [generator.random((clusters, 6)) for _ in range(2)]
        new, old = [d < share for d in draws] if binary else [d * share for d in draws]
        differences = (np.asarray(new, float) - np.asarray(old, float)).ravel()
        names = [str(c) for c in range(clusters) for _ in range(6)]
        alarms += sign_flips(list(differences), names, seed=seed) <= 0.05

    assert stats.binomtest(alarms, audits, 0.05, alternative="greater").pvalue > 0.001
