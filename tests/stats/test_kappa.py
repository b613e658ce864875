"""Cohen's kappa: against statsmodels and scikit-learn, at its limits, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa as published

from gptaudit.stats.kappa import cohens_kappa


def verdicts(share, kappa, n, generator):
    """Draw verdicts of two raters who both say yes to a share and agree so far beyond chance."""
    both, one = share * (share + kappa * (1 - share)), share * (1 - share) * (1 - kappa)
    kind = generator.choice(4, n, p=[both, one, one, 1 - both - 2 * one])
    return np.isin(kind, (0, 1)), np.isin(kind, (0, 2))


def test_against_others():
    """The value is scikit-learn's, and for many independent texts the interval is about statsmodels'."""
    x, y = verdicts(0.3, 0.6, 2000, np.random.default_rng(1))
    value, interval = cohens_kappa(x.tolist(), y.tolist(), range(2000), level=0.95)
    assert value == pytest.approx(cohen_kappa_score(x, y))
    table = [[np.sum(x & y), np.sum(x & ~y)], [np.sum(~x & y), np.sum(~x & ~y)]]
    known = published(np.array(table))
    assert value == pytest.approx(known.kappa)
    assert (interval.low, interval.high) == pytest.approx((known.kappa_low, known.kappa_upp), abs=0.01)


def test_without_a_disagreement_more_may_have_been_missed():
    """Kappa is 1, and its interval reaches below."""
    value, interval = cohens_kappa(
        [True] * 10 + [False] * 90, [True] * 10 + [False] * 90, range(100), level=0.95
    )
    assert value == 1
    assert 0.5 < interval.low < 0.95
    assert interval.high == 1


def test_one_verdict_for_all_is_no_agreement():
    """Chance alone agrees as often."""
    value, interval = cohens_kappa([False] * 50, [False] * 50, range(50), level=0.95)
    assert value is None
    assert interval.why == "both give every text the same verdict"
    assert cohens_kappa([], [], [], level=0.95)[0] is None


def test_a_rater_who_always_says_the_same_agrees_by_chance():
    """Kappa is 0 for any other rater, so that it has no interval; and raters who always differ have one."""
    value, interval = cohens_kappa([True] * 20 + [False] * 20, [True] * 40, range(40), level=0.95)
    assert (value, interval.low) == (0, None)
    value, interval = cohens_kappa([True, False] * 20, [False, True] * 20, range(40), level=0.95)
    assert (value, interval.low) == (-1, -1)
    assert -1 < interval.high < -0.5


def test_copies_in_a_cluster_do_not_narrow_it():
    """Four copies of each text have the interval of one."""
    x, y = (v.tolist() for v in verdicts(0.3, 0.6, 100, np.random.default_rng(2)))
    _, once = cohens_kappa(x, y, range(100), level=0.95)
    _, copied = cohens_kappa(x * 4, y * 4, list(range(100)) * 4, level=0.95)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize(("share", "kappa", "n"), [(0.1, 0.6, 200), (0.3, 0.8, 200), (0.5, 0.2, 50)])
def test_intervals_hold_the_truth(share, kappa, n):
    """As often as they say, less three standard errors."""
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        x, y = verdicts(share, kappa, n, generator)
        value, interval = cohens_kappa(x.tolist(), y.tolist(), range(n), level=0.95)
        held += value is None or interval.low <= kappa <= interval.high
    assert held / 600 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 600)
