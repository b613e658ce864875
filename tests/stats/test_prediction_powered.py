"""Rates from the labels of some texts and a scorer's verdict on all: by hand, at the limits, and their coverage."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from gptaudit.stats.intervals import jeffreys
from gptaudit.stats.prediction_powered import labelled_errors, labelled_rate

LEVEL = 0.95


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).parents[1] / "bench" / "labelled_rates.py"
    spec = importlib.util.spec_from_file_location("labelled_rates", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "labelled_rates", module)  # dataclasses look their module up by name
        spec.loader.exec_module(module)
    return module


def test_by_hand():
    """A fifth is rated, of which 8 in 10 are positive; of the others 2 in 40 are: .2 x .8 + .8 x .05 = .2."""
    rated = [True] * 20 + [False] * 80
    labels = [True] * 8 + [False] * 2 + [None] * 10 + [True] * 2 + [False] * 38 + [None] * 40
    value, interval = labelled_rate(rated, labels, level=LEVEL)
    assert value == pytest.approx(0.2)
    assert interval.low < 0.2 < interval.high
    (sensitivity, _), (specificity, _) = labelled_errors(rated, labels, level=LEVEL)
    assert sensitivity == pytest.approx(0.16 / 0.2)
    assert specificity == pytest.approx(0.8 * 0.95 / 0.8)


def test_a_scorer_that_rates_nothing_adds_nothing():
    """Then the rate is the share of the labels that are positive."""
    labels = [True] * 3 + [False] * 27 + [None] * 70
    value, interval = labelled_rate([False] * 100, labels, level=LEVEL)
    assert value == pytest.approx(0.1)
    assert interval.low == pytest.approx(jeffreys(3, 30, LEVEL).low, abs=1e-6)


def test_all_labelled_is_the_share_of_positive_ones():
    """Whatever the scorer says."""
    generator = np.random.default_rng(1)
    truth, rated = generator.random(300) < 0.2, generator.random(300) < 0.5
    value, _ = labelled_rate(rated.tolist(), truth.tolist(), level=LEVEL)
    assert value == pytest.approx(truth.mean())


def test_a_part_without_labels_is_unknown():
    """Labels of the one part say nothing of the other."""
    value, interval = labelled_rate([True, False] * 20, [True, None] * 20, level=LEVEL)
    assert value is None
    assert interval.why == "none of the 20 cases not rated is labelled"


def test_no_positive_label_has_an_interval_with_width():
    """The published normal interval has none."""
    value, interval = labelled_rate([False] * 1000, [False] * 100 + [None] * 900, level=LEVEL)
    assert value == 0
    assert 0.02 < interval.high < 0.05


@pytest.mark.parametrize(
    ("rate", "scorer", "cases", "clusters", "labels"),
    [(0.02, (0.6, 0.95), 1000, 0, 200), (0.1, (0.6, 0.99), 1000, 50, 200), (0.01, (0.9, 0.99), 5000, 0, 100)],
)
def test_intervals_hold_the_truth(bench, rate, scorer, cases, clusters, labels):
    """As often as they say, less three standard errors, where the published interval may not."""
    held = bench.coverage(bench.Cell(rate, *scorer, cases, clusters, labels), samples=300)
    assert held.here >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1000, 0), (1000, 50), (5000, 0)])
def test_intervals_hold_the_truth_for_every_rate_and_scorer(bench, size):
    """On average over rates and scorers at least 95 % of them, and nowhere less than 92 %."""
    held = [bench.coverage(cell, samples=500).here for cell in bench.cells(*size, 200)]
    assert np.mean(held) >= 0.95
    assert min(held) >= 0.92
