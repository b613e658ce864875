"""Areas under the ROC curve within strata, against counting, scipy and leaving clusters out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from gptaudit.stats.auroc import Auroc, auroc


def counted(scores, positive, strata, kept):
    """Return the share of pairs of a stratum in which the positive case is above, ties by half."""
    pairs = [
        (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
        for i in np.flatnonzero(positive & kept)
        for j in np.flatnonzero(~positive & kept)
        if strata[i] == strata[j]
    ]
    return np.mean(pairs) if pairs else np.nan


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["blocks", "terms", "any"]))
def test_area_and_shifts(seed, kind):
    """The area is the share counted by hand; a cluster's shift is what leaving it out changes.

    Clusters hold one class each (terms), or are the strata (blocks), or neither.
    """
    rng = np.random.default_rng(seed)
    clusters, strata = rng.integers(0, 6, 40), rng.integers(0, 4, 40)
    positive = clusters % 2 == 0 if kind == "terms" else rng.random(40) < 0.5
    strata = clusters if kind == "blocks" else strata
    scores = np.round(rng.normal(size=40) + positive, 1)

    area = Auroc.of(scores, positive, strata, clusters)

    assert area.value == pytest.approx(counted(scores, positive, strata, np.ones(40, bool)))
    compared = [c for c in np.unique(clusters) if _takes_part(c, positive, strata, clusters)]
    left_out = np.array([counted(scores, positive, strata, clusters != c) for c in compared])
    expected = np.sqrt(1 - 1 / len(compared)) * (left_out.mean() - left_out)
    np.testing.assert_allclose(area.shifts, expected, atol=1e-12)


def _takes_part(cluster, positive, strata, clusters):
    return any(
        (strata[positive] == strata[i]).any() and (strata[~positive] == strata[i]).any()
        for i in np.flatnonzero(clusters == cluster)
    )


def test_groups_that_cross_the_clusters():
    """A template's shift is what leaving out its stratum changes, and the interval is wider for it."""
    rng = np.random.default_rng(3)
    terms, templates = np.repeat(np.arange(12), 6), np.tile(np.arange(6), 12)
    positive = terms < 6
    scores = rng.normal(size=72) + positive * rng.normal(1, 1.5, 6)[templates]

    area = Auroc.of(scores, positive, templates, terms, templates)

    left_out = np.array([counted(scores, positive, templates, templates != t) for t in range(6)])
    np.testing.assert_allclose(area.crossed[0], np.sqrt(5 / 6) * (left_out.mean() - left_out), atol=1e-12)
    of_terms = Auroc.of(scores, positive, templates, terms).interval(level=0.95, seed=0)
    of_both = area.interval(level=0.95, seed=0)
    assert of_both.method == "wilson-two-way"
    assert of_both.high - of_both.low > of_terms.high - of_terms.low


def test_one_stratum_is_mann_whitney():
    """Over all cases it is scipy's U as a share, and its error that of DeLong but for terms of order 1 / n."""
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.3
    scores = np.round(rng.normal(size=400) + positive, 1)

    value, low, high = auroc(scores, positive, [str(i) for i in range(400)])

    yes, no = scores[positive], scores[~positive]
    assert value == pytest.approx(mannwhitneyu(yes, no).statistic / (len(yes) * len(no)))
    above = ((yes[:, None] > no) + (yes[:, None] == no) / 2).astype(float)
    delong = np.sqrt(above.mean(1).var(ddof=1) / len(yes) + above.mean(0).var(ddof=1) / len(no))
    assert (high - low) / (2 * norm.ppf(0.975)) == pytest.approx(delong, rel=0.01)


@pytest.mark.parametrize(
    ("scores", "why"), [([], "0 clusters"), ([1.0, 0.0, 2.0], "2 clusters are too few")], ids=["none", "two"]
)
def test_too_little(scores, why):
    """Without comparisons there is no area, and with few clusters no interval."""
    positive = np.array([True, False, True][: len(scores)], bool)
    labels = ["a", "b", "a"][: len(scores)]

    area = Auroc.of(scores, positive, ["s"] * len(scores), labels)

    assert np.isnan(area.value) or len(scores) == 3
    assert why in area.interval(level=0.95, seed=0).why


def test_all_above():
    """Where every comparison is won, the interval still reaches below 1."""
    positive = np.tile([True, False], 20)

    found = Auroc.of(positive.astype(float), positive, np.arange(40) // 2, np.arange(40) // 2).interval(
        level=0.95, seed=0
    )

    assert found.high == 1.0
    assert 0.7 < found.low < 0.95


@pytest.mark.parametrize(("blocks", "association"), [(10, 1.0), (20, 0.0), (20, 2.5)])
def test_coverage(blocks, association):
    """Of blocks with a default of their own, the 95 % interval holds the true area."""
    rng = np.random.default_rng(blocks)
    block, positive = np.repeat(np.arange(blocks), 8), np.tile([True] * 4 + [False] * 4, blocks)
    truth, held = norm.cdf(association / np.sqrt(0.49 + 2)), 0
    for _ in range(300):
        of_block = association + 0.7 * rng.normal(size=blocks)
        scores = 2 * rng.normal(size=blocks)[block] + positive * of_block[block] + rng.normal(size=len(block))
        found = Auroc.of(scores, positive, block, block).interval(level=0.95, seed=0)
        held += found.low <= truth <= found.high

    assert held / 300 > 0.92
