"""The statistics of a calibration, on trials whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from gptaudit.calibration.statistics import Subject, calibrate_figure, line_of
from gptaudit.records import Trial
from gptaudit.stats.intervals import wilson

PLAN = {0.0: 20, 0.1: 5, 0.2: 5, 0.5: 6, 1.0: 4}
HALF = 1.96 * 0.02
SUBJECT = Subject("tilt", "rate", {}, "fraction", True, 0.5, 0.5, 1, 0.95, 100)
"""A figure whose ideal is 0.5; the dose raises the planted rate from 0.5 to 1."""


def trial(dose, seed, value, half=HALF, learned=None, **other):
    planted = 0.5 + dose / 2
    known = planted if learned is None else learned
    low, high = (None, None) if value is None else (value - half, value + half)
    return Trial(dose, seed, planted, known, value, low, high, **other)


def simulated(rng, *, bias=0.0, slope=1.0, between=0.01, plan=PLAN):
    """Trials whose value has a `bias`, an error shared by the seed, and an audit error of 0.02."""
    of_seed = rng.normal(0, between, 100)
    return [
        trial(
            dose,
            seed,
            0.5 + bias + slope * (dose / 2 + of_seed[seed]) + rng.normal(0, 0.02),
            learned=0.5 + dose / 2,
        )
        for dose, many in plan.items()
        for seed in range(many)
    ]


@pytest.fixture(scope="module")
def honest():
    rng = np.random.default_rng(0)
    return [calibrate_figure(SUBJECT, simulated(rng)) for _ in range(400)]


class TestPlantedTruth:
    def test_the_slope_is_recovered(self, honest):
        """Its mean is the true slope, which 95 % of its intervals contain, within the error of 400 studies."""
        slopes = [f.slope.value for f in honest]
        held = sum(f.slope.low <= 1 <= f.slope.high for f in honest)

        assert np.mean(slopes) == pytest.approx(1, abs=4 * np.std(slopes) / 20)
        assert stats.binomtest(held, 400, 0.95, alternative="less").pvalue > 0.001

    def test_false_alarms_coverage_and_power_are_those_of_the_model(self, honest):
        """With a known spread, power, coverage and false alarms are those of theory."""
        spread = np.hypot(0.01, 0.02)
        alarms = sum(f.false_alarms.count for f in honest) / (400 * 20)
        found = sum(f.power[0].found.count for f in honest) / (400 * 5)
        held = sum(f.covers_planted.count for f in honest) / (400 * 40)

        assert alarms == pytest.approx(2 * stats.norm.sf(HALF / spread), abs=0.012)
        assert held == pytest.approx(1 - 2 * stats.norm.sf(HALF / spread), abs=0.012)
        assert found == pytest.approx(stats.norm.sf((HALF - 0.05) / spread), abs=0.05)

    def test_the_smallest_detectable_flaw_is_found_in_95_percent(self, honest):
        """The median of its estimates is the effect at which the normal model has power 95 %."""
        truth = HALF + stats.norm.ppf(0.95) * np.hypot(0.01, 0.02)
        smallest = [f.smallest_detectable for f in honest]

        assert None not in smallest
        assert np.median(smallest) == pytest.approx(truth, rel=0.05)
        held = sum(f.smallest_low <= truth <= (f.smallest_high or np.inf) for f in honest)
        assert stats.binomtest(held, 400, 0.95, alternative="less").pvalue > 0.001
        assert np.median([f.smallest_high - f.smallest_low for f in honest]) < 6 * np.std(smallest)

    def test_a_biased_probe_is_shown_up(self):
        """A metric that is 6 points too high with half the slope has false alarms and bad coverage."""
        found = calibrate_figure(
            SUBJECT, simulated(np.random.default_rng(1), bias=0.06, slope=0.5, between=0.0)
        )

        assert found.slope.low <= 0.5 <= found.slope.high < 0.9
        assert found.false_alarms.count >= 12
        assert found.covers_planted.count < 15

    def test_the_error_of_a_scorer_shows(self):
        """One that finds 45 % of the insults and calls 6 % of harmless texts insults, by hand.

        It measures 6 % in clean decoders, and 9.9, 13.8, 25.5 and 45 % of the planted 10, 20, 50 and 100 %.
        """
        subject = replace(SUBJECT, ideal=0.0, clean=0.0)
        measured = [
            (dose, seed, dose * 0.45 + (1 - dose) * 0.06) for dose, n in PLAN.items() for seed in range(n)
        ]
        trials = [Trial(d, seed, d, d, m, m - 0.03, m + 0.03) for d, seed, m in measured]
        found = calibrate_figure(subject, trials)

        assert found.slope.value == pytest.approx(0.45 + 0.94 - 1)
        assert found.intercept.value == pytest.approx(1 - 0.94)
        assert (found.covers_planted.count, found.covers_planted.of) == (5, 40)
        assert (found.false_alarms.count, found.false_alarms.of) == (20, 20)
        assert found.smallest_detectable is None
        assert "20 of 20" in found.why

    def test_a_flaw_that_lowers_the_figure_is_found_on_its_side(self):
        """Mirrored trials give mirrored slopes and the same power."""
        trials = simulated(np.random.default_rng(2))
        mirrored = [replace(t, value=1 - t.value, low=1 - t.high, high=1 - t.low) for t in trials]
        one, other = (
            calibrate_figure(s, t) for s, t in ((SUBJECT, trials), (replace(SUBJECT, side=-1), mirrored))
        )

        assert other.slope.value == pytest.approx(-one.slope.value)
        assert other.power == one.power
        assert other.smallest_detectable == pytest.approx(one.smallest_detectable)


class TestLine:
    def test_agrees_with_statsmodels(self):
        """The line is that of OLS; if every trial has its own seed, the jackknife is HC3 times (n - 1) / n."""
        trials = [replace(t, seed=i) for i, t in enumerate(simulated(np.random.default_rng(3)))]
        slope, intercept, r2 = line_of(trials, 0.95)
        x = sm.add_constant([t.planted for t in trials])
        fit = sm.OLS([t.value for t in trials], x).fit()
        flawed = sum(t.dose > 0 for t in trials)
        error = (slope.high - slope.value) / stats.t.ppf(0.975, flawed - 1)

        assert (intercept.value, slope.value) == pytest.approx(tuple(fit.params))
        assert r2 == pytest.approx(fit.rsquared)
        assert error == pytest.approx(fit.HC3_se[1] * np.sqrt((len(trials) - 1) / len(trials)), rel=1e-3)

    def test_seeds_are_the_unit(self):
        """Ten copies of each decoder add no evidence: the interval does not shrink."""
        trials = simulated(np.random.default_rng(4))
        once, tenfold = line_of(trials, 0.95)[0], line_of(trials * 10, 0.95)[0]

        assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))

    def test_what_cannot_be_told_is_null_with_a_reason(self):
        """One dose has no line; two seeds have a line without an interval."""
        only = line_of([trial(0.0, s, 0.5) for s in range(4)], 0.95)[0]
        two = line_of([trial(d, s, 0.5 + d / 2) for d in (0.0, 1.0) for s in range(2)], 0.95)[0]

        assert (only.value, only.low) == (None, None)
        assert "two doses" in only.why
        assert (two.value, two.low) == (pytest.approx(1), None)
        assert "too few" in two.why


class TestCounts:
    def test_by_hand(self):
        """Of four clean decoders one raises an alarm; of three flawed ones two are found; one failed to learn."""
        trials = [
            *(trial(0.0, s, v, half=0.04) for s, v in enumerate((0.5, 0.53, 0.45, 0.48))),
            *(trial(0.2, s, v, half=0.04) for s, v in enumerate((0.6, 0.56, 0.53))),
            trial(0.2, 3, None, failed=True, why="it did not learn"),
        ]
        found = calibrate_figure(SUBJECT, trials)

        assert (found.decoders, found.failed) == (7, 1)
        assert (found.false_alarms.count, found.false_alarms.of) == (1, 4)
        assert (found.false_alarms.low, found.false_alarms.high) == pytest.approx(
            (wilson(1, 4, 0.95).low, wilson(1, 4, 0.95).high)
        )
        assert (found.power[0].found.count, found.power[0].found.of) == (2, 3)
        assert found.power[0].effect == pytest.approx(0.1)
        assert (found.covers_planted.count, found.covers_planted.of) == (5, 7)

    def test_an_audit_without_an_interval_found_nothing(self):
        """It counts against the power, and not in the coverage."""
        trials = [trial(0.0, 0, 0.5), trial(1.0, 0, None, why="no case was scored")]
        found = calibrate_figure(SUBJECT, trials)

        assert (found.power[0].found.count, found.power[0].found.of) == (0, 1)
        assert found.covers_planted.of == 1

    def test_another_unit_has_no_coverage(self):
        """If the figure has another unit than the flaw, there is no coverage of the planted rate."""
        found = calibrate_figure(replace(SUBJECT, same_unit=False), simulated(np.random.default_rng(5)))

        assert found.covers_planted is None
        assert found.covers_learned is None
        assert found.slope.value is not None


class TestSmallestDetectable:
    def test_by_hand(self):
        """Constant margins of -0.1 if clean and +0.1 for a flaw of 0.1: flaws are found from 0.05."""
        trials = [
            trial(dose, s, 0.5 + move, half=0.1) for dose, move in ((0.0, 0.0), (0.2, 0.2)) for s in range(3)
        ]

        assert calibrate_figure(SUBJECT, trials).smallest_detectable == pytest.approx(0.05)

    def test_clean_decoders_at_the_bound_say_nothing_of_the_scatter(self):
        """If the ideal is the lowest possible value, clean margins are all 0 and only flawed ones are pooled."""
        at_bound = replace(SUBJECT, ideal=0.0, clean=0.5)
        clean = [Trial(0.0, s, 0.5, 0.5, 0.0, 0.0, 0.1) for s in range(20)]
        lows = (0.04, 0.06, 0.08)  # a standard deviation of 0.02 around 0.06
        flawed = [Trial(0.2, s, 0.6, 0.6, low + 0.1, low, low + 0.2) for s, low in enumerate(lows)]
        found = calibrate_figure(at_bound, [*clean, *flawed])

        assert found.smallest_detectable == pytest.approx(0.1 * stats.norm.ppf(0.95) * 0.02 / 0.06)

    @pytest.mark.parametrize("noise", [0.0, 1e-17])
    def test_decoders_that_are_all_alike_say_no_more_than_what_was_tried(self, noise):
        """If one leak in 29 is found and none is not, no flaw between them is known: it is not one of 0 points."""
        at_bound = replace(SUBJECT, ideal=0.0, clean=0.5)
        clean = [Trial(0.0, s, 0.5, 0.5, 0.0, 0.0, 0.1) for s in range(20)]
        flawed = [Trial(0.2, s, 0.6, 0.6, 0.1, 0.001 + (s > 2) * noise, 0.4) for s in range(5)]
        found = calibrate_figure(at_bound, [*clean, *flawed])

        assert found.smallest_detectable == pytest.approx(0.1)
        assert (found.smallest_low, found.smallest_high) == (None, None)

    @pytest.mark.parametrize(
        ("plan", "reason"),
        [({0.0: 20, 1.0: 2}, "at least 3"), ({1.0: 5}, "at least 3")],
    )
    def test_too_few_decoders(self, plan, reason):
        """It is None without enough decoders at each dose."""
        found = calibrate_figure(SUBJECT, simulated(np.random.default_rng(6), plan=plan))

        assert found.smallest_detectable is None
        assert reason in found.why

    def test_a_blind_probe_finds_nothing(self):
        """A figure that does not move has no smallest flaw."""
        found = calibrate_figure(SUBJECT, simulated(np.random.default_rng(7), slope=0.0))

        assert found.smallest_detectable is None
        assert "largest dose" in found.why
