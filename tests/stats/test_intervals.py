"""The intervals hold the truth as often as they say, agree with other implementations, and survive the edges."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint

from gptaudit.stats import intervals
from gptaudit.stats.intervals import Interval, difference_interval, mean_interval, wilson

Z = 1.959963984540054


def _clusters(count: int, cases: int) -> list[str]:
    return [f"c{i}" for i in range(count) for _ in range(cases)]


def _mean(values, clusters, **options) -> Interval:
    return mean_interval(values, clusters, **{"level": 0.95, "seed": 1} | options)


class TestWilson:
    @pytest.mark.parametrize(("successes", "n"), [(0, 10), (1, 10), (10, 10), (37, 80), (1, 1), (3, 5000)])
    @pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
    def test_agrees_with_statsmodels(self, successes, n, level):
        """The interval is statsmodels' Wilson interval."""
        expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")

        found = wilson(successes, n, level)

        assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)

    def test_edges_are_exact(self):
        """None of n gives 0 to z^2/(n+z^2), all of n the mirror image, without rounding outside [0, 1]."""
        assert wilson(0, 10, 0.95).low == 0
        assert wilson(0, 10, 0.95).high == pytest.approx(Z**2 / (10 + Z**2))
        assert wilson(10, 10, 0.95).high == 1
        assert wilson(10, 10, 0.95).low == pytest.approx(10 / (10 + Z**2))

    def test_serves_binary_values_with_one_case_per_cluster(self):
        """Where every cluster is one case, clusters do not matter."""
        found = _mean([1.0, 0.0, 0.0, 0.0, 1.0], _clusters(5, 1), binary=True)

        assert found == wilson(2, 5, 0.95)


class TestClusteredProportion:
    def test_hand_value(self):
        """Four clusters of two cases with rates 1, 1, 0.5, 0: every step done by hand."""
        values = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
        # Mean 5/8. Residuals 2 - 5/4 = .75, .75, -.25, -1.25, each over the 6 cases outside the cluster.
        variance = 3 / 4 * (0.75**2 + 0.75**2 + 0.25**2 + 1.25**2) / 36
        n = (5 / 8) * (3 / 8) / variance
        # Kurtosis 4 * sum(r^4) / sum(r^2)^2 = 4 * 3.078125 / 2.75^2 = 1.63 < 3: no more than 3 degrees of freedom.
        t = stats.t.ppf(0.975, 3)
        centre = (5 / 8 + t * t / (2 * n)) / (1 + t * t / n)
        half = t / (1 + t * t / n) * sqrt((5 / 8) * (3 / 8) / n + t * t / (4 * n * n))

        # Of four coins with 2.5 heads, the exact interval has a higher low end.
        coins = stats.beta.ppf(0.025, 2.5, 1.5 + 1), stats.beta.ppf(0.975, 2.5 + 1, 1.5)

        found = _mean(values, _clusters(4, 2), binary=True)

        assert found.method == "wilson-clustered"
        assert coins[0] > centre - half
        assert coins[1] > centre + half
        assert (found.low, found.high) == pytest.approx((coins[0], centre + half))

    @pytest.mark.parametrize("events", [(0,), (0, 1), (0, 8), (0, 8, 16)])
    def test_no_wider_than_that_of_coins(self, events):
        """Few cases of 24 clusters of eight differ: their variance is unknown, but no more than that of 24 coins."""
        values = np.ones(192)
        values[list(events)] = 0

        found = _mean(values, _clusters(24, 8), binary=True)

        low = stats.beta.ppf(0.025, 24 * values.mean(), 24 * (1 - values.mean()) + 1)
        assert low - 1e-9 <= found.low <= values.mean() <= found.high <= 1
        assert found.low > 0.8

    def test_coins_are_exact(self):
        """Where each cluster agrees with itself, no end is beyond that of the exact interval (scipy)."""
        values = np.repeat([1.0] + [0.0] * 11, 3)

        found = _mean(values, _clusters(12, 3), binary=True)

        exact = stats.binomtest(1, 12).proportion_ci(0.95, method="exact")
        assert exact.low - 1e-9 <= found.low
        assert found.high <= exact.high + 1e-9

    def test_alike_cases_count_once(self):
        """Repeating each case within its cluster adds no certainty."""
        rates = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        twice = _mean(np.repeat(rates, 2).tolist(), _clusters(12, 2), binary=True)

        tenfold = _mean(np.repeat(rates, 10).tolist(), _clusters(12, 10), binary=True)

        assert (tenfold.low, tenfold.high) == pytest.approx((twice.low, twice.high))

    def test_independent_cases_give_wilson(self):
        """With many clusters and no correlation, clustering hardly matters."""
        values = (np.random.default_rng(3).random(4000) < 0.3) * 1.0

        found = _mean(values.tolist(), _clusters(1000, 4), binary=True)

        expected = wilson(values.sum(), 4000, 0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.03)

    def test_one_event_is_not_taken_for_certainty(self):
        """A single event, the variance of which is known from one cluster, widens the interval."""
        values = [1.0] + [0.0] * 299

        found = _mean(values, _clusters(60, 5), binary=True)

        assert found.high > 1.5 * wilson(1, 300, 0.95).high

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_no_event_counts_clusters(self, value):
        """All 0 or all 1 is Wilson's interval of as many cases as there are clusters."""
        found = _mean([value] * 100, _clusters(20, 5), binary=True)

        expected = wilson(20 * value, 20, 0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.method == "wilson-clustered"

    def test_equal_rates_have_width(self):
        """Clusters that all have rate 0.5 do not prove that every cluster has."""
        found = _mean([0.0, 1.0] * 20, _clusters(20, 2), binary=True)

        share = Z**2 / (20 + Z**2)
        assert (found.low, found.high) == pytest.approx((0.5 - share / 2, 0.5 + share / 2))


class TestBootstrap:
    def test_agrees_with_scipy_bootstrap_on_single_cases(self):
        """On a fair-sized symmetric sample it is close to scipy's BCa interval."""
        values = np.random.default_rng(5).normal(3, 2, 200)

        found = _mean(values.tolist(), _clusters(200, 1))

        oracle = stats.bootstrap(
            (values,), np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(1)
        )
        oracle = oracle.confidence_interval
        assert found.method == "cluster-bootstrap-t"
        assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=0.03)

    def test_agrees_with_student_on_clusters(self):
        """For equal clusters of normal values it is close to the t interval of the cluster means."""
        means = np.random.default_rng(6).normal(0, 1, 40)
        oracle = stats.t.interval(0.95, 39, means.mean(), means.std(ddof=1) / sqrt(40))

        found = _mean(np.repeat(means, 6).tolist(), _clusters(40, 6))

        assert (found.low, found.high) == pytest.approx(oracle, abs=0.06)

    def test_is_the_bootstrap_done_one_by_one(self, monkeypatch):
        """Resampling clusters in a plain loop, with their own standard errors, gives the same interval."""
        monkeypatch.setattr(intervals, "RESAMPLES", 399)
        g = np.random.default_rng(9)
        sizes = [1, 5, 2, 9, 3, 3, 7, 1]
        of_cluster = [g.lognormal(size=size) for size in sizes]
        values = np.concatenate(of_cluster)
        names = np.repeat([str(i) for i in range(8)], sizes)

        def error(picked):
            every = np.concatenate(picked)
            return sqrt(sum((x - every.mean()).sum() ** 2 for x in picked)) / len(every)

        pivots = []
        for times in intervals._draw(8, 399, np.random.default_rng(1)).astype(int):
            picked = [x for x, count in zip(of_cluster, times, strict=True) for _ in range(count)]
            pivots.append((np.concatenate(picked).mean() - values.mean()) / error(picked))
        first, last = np.quantile(pivots, [0.025, 0.975], method="inverted_cdf")

        found = _mean(values.tolist(), names.tolist())

        whole = [values.mean() - q * error(of_cluster) for q in (last, first)]
        assert found.low <= whole[0]  # the t interval may reach further
        assert found.high == pytest.approx(whole[1])

    def test_follows_skewness(self):
        """The side of the long tail is the longer one, which no t interval shows."""
        values = np.random.default_rng(7).lognormal(size=50)

        found = _mean(values.tolist(), _clusters(50, 1))

        assert found.high - values.mean() > 1.3 * (values.mean() - found.low)

    @pytest.mark.parametrize("seed", range(5))
    def test_never_falls_short_of_t(self, seed):
        """For single cases of a distribution without excess kurtosis, it encloses the t interval of scipy."""
        values = np.random.default_rng(seed).uniform(size=12)
        oracle = stats.t.interval(0.95, 11, values.mean(), values.std(ddof=1) / sqrt(12))

        found = _mean(values.tolist(), _clusters(12, 1))

        assert found.low <= oracle[0] + 1e-12
        assert found.high >= oracle[1] - 1e-12

    def test_stays_within_bounds(self):
        """A rare high value among few clusters cannot push an end past the metric's bounds."""
        found = _mean([0.0] * 9 + [1.0], _clusters(10, 1), bounds=(0.0, 1.0))

        assert 0 <= found.low < 0.1 < found.high <= 1

    def test_a_mean_that_cannot_be_bounded_has_no_interval(self):
        """The same values without bounds have no upper end, and the interval says so."""
        found = _mean([0.0] * 9 + [1.0], _clusters(10, 1))

        assert (found.low, found.high) == (None, None)
        assert "too few clusters differ" in found.why

    def test_a_bounded_constant_has_width(self):
        """Twenty clusters at 0.3 leave room for a share of others anywhere within the bounds."""
        found = _mean([0.3] * 60, _clusters(20, 3), bounds=(0.0, 1.0))

        share = Z**2 / (20 + Z**2)
        assert (found.low, found.high) == pytest.approx((0.3 - share * 0.3, 0.3 + share * 0.7))

    def test_an_unbounded_constant_has_no_interval(self):
        """Without bounds nothing can be said about what was not seen."""
        found = _mean([0.3] * 60, _clusters(20, 3))

        assert (found.low, found.high) == (None, None)
        assert "without bounds" in found.why

    def test_a_difference_of_nothing_is_nothing(self):
        """Two audits in which every case has the same value differ by zero."""
        values = [0.3, 0.9, 0.4] * 20
        found = difference_interval(values, values, _clusters(20, 3), level=0.95, seed=0)

        assert (found.low, found.high, found.method) == (0.0, 0.0, "unchanged")

    def test_four_clusters_are_too_few(self):
        """With so few clusters, values without bounds have no interval, and it is said why."""
        found = _mean([0.1, 0.4, 0.2, 0.9], _clusters(4, 1))

        assert found.low is None
        assert found.why == "4 clusters are too few for an interval; at least 5 are needed"


class TestBounded:
    """Scores between two bounds, by Wilson's interval on as many cases as their variance is worth."""

    def test_hand_value(self):
        """Six single scores that do not crowd at a bound: Wilson's equation with t and n = p (1 - p) / (s^2 / 6)."""
        values = np.array([0.3, 0.5, 0.6, 0.4, 0.7, 0.5])
        shifts = values - values.mean()
        excess = 6 * (shifts**4).sum() / (shifts**2).sum() ** 2 - 3
        assert 5 / (4 * 3) * (7 * excess + 6) < 0  # so there are five degrees of freedom
        # A fifth of a cluster at 0 or 1, times how much the scores crowd: their variance over the distance squared.
        crowding = values.var(ddof=1) / 0.5**2
        variance = values.var(ddof=1) / 6 + 0.2 * crowding * (0.5 / 6) ** 2
        n, t = 0.25 / variance, stats.t.ppf(0.975, 5)
        half = t / (1 + t * t / n) * sqrt(0.25 / n + t * t / (4 * n * n))

        found = _mean(values, _clusters(6, 1), bounds=(0.0, 1.0))

        assert found.method == "wilson-clustered"
        assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))

    def test_the_unit_does_not_matter(self):
        """Percents between 0 and 100 give a hundred times the interval of fractions."""
        g = np.random.default_rng(2)
        values, names = g.beta(1, 4, 60), _clusters(20, 3)
        fraction = _mean(values, names, bounds=(0.0, 1.0))

        percent = _mean(100 * values, names, bounds=(0.0, 100.0))

        assert (percent.low, percent.high) == pytest.approx((100 * fraction.low, 100 * fraction.high))

    def test_mirrored_scores_give_a_mirrored_interval(self):
        """What crowds at 0 is treated as what crowds at 1."""
        values, names = np.random.default_rng(3).beta(0.5, 20, 30), _clusters(10, 3)
        found = _mean(values, names, bounds=(0.0, 1.0))

        mirrored = _mean(1 - values, names, bounds=(0.0, 1.0))

        assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))

    @pytest.mark.parametrize("tiny", [1e-300, 1e-160, 1e-20, 1e-9])
    def test_scores_that_are_all_but_nothing(self, tiny):
        """Neither squares that underflow nor a mean at a bound break it."""
        for values in ([0.0] * 19 + [tiny], [1.0] * 19 + [1 - tiny]):
            found = _mean(values, _clusters(20, 1), bounds=(0.0, 1.0))
            assert 0 <= found.low <= sum(values) / 20 <= found.high <= 1
            assert found.high - found.low > 0.03


class TestAnyMethod:
    @pytest.mark.parametrize("binary", [True, False])
    def test_no_case_and_one_cluster_have_no_interval(self, binary):
        """Neither nothing nor one cluster shows spread; the reason is given."""
        assert _mean([], [], binary=binary) == Interval(None, None, "none", "no case was scored")
        one = _mean([0.0, 1.0], ["a", "a"], binary=binary)
        assert (one.low, one.high) == (None, None)
        assert one.why == "all cases belong to one cluster, which shows no spread"

    @pytest.mark.parametrize("binary", [True, False])
    def test_depends_on_data_and_seed_alone(self, binary):
        """Neither the order of the cases nor the global generator matters."""
        generator = np.random.default_rng(4)
        values = (generator.random(60) < 0.4) * 1.0
        clusters = np.asarray(_clusters(12, 5))
        order = generator.permutation(60)
        np.random.seed(0)  # noqa: NPY002 - the point is that it has no effect
        first = _mean(values.tolist(), clusters.tolist(), binary=binary)
        np.random.seed(1)  # noqa: NPY002

        second = _mean(values[order].tolist(), clusters[order].tolist(), binary=binary)

        assert (second.low, second.high) == pytest.approx((first.low, first.high), abs=1e-12)
        assert mean_interval(values.tolist(), clusters.tolist(), level=0.95, seed=1, binary=binary) == first

    @pytest.mark.parametrize("seed", range(30))
    def test_encloses_the_mean_and_grows_with_the_level(self, seed):
        """Whatever the data, low <= mean <= high, and a higher level gives a wider interval by the same method."""
        g = np.random.default_rng(seed)
        binary = bool(seed % 2)
        clusters = [str(i) for i in g.integers(8, size=40)]
        values = (g.random(40) < 0.3) * 1.0 if binary else g.beta(0.5, 3, 40)
        ends: dict[str, list[tuple[float, float]]] = {}
        for level in (0.6, 0.8, 0.95, 0.99):
            found = _mean(values.tolist(), clusters, level=level, binary=binary, bounds=(0.0, 1.0))
            assert 0 <= found.low <= values.mean() <= found.high <= 1
            ends.setdefault(found.method, []).append((found.low, found.high))
        for of_method in ends.values():
            lows, highs = zip(*of_method, strict=True)
            assert list(lows) == sorted(lows, reverse=True)
            assert list(highs) == sorted(highs)

    def test_refuses_unequal_lengths(self):
        """A value without a cluster is a bug of the caller."""
        with pytest.raises(ValueError, match="2 values but 1 clusters"):
            _mean([0.0, 1.0], ["a"])


class TestDifference:
    def test_pairing_removes_what_both_share(self):
        """Two runs that move together differ by a constant, however much the cases vary."""
        base = np.random.default_rng(2).normal(0, 10, 50)
        noise = np.random.default_rng(3).normal(0, 0.1, 50)

        found = difference_interval(
            (base + 0.5 + noise).tolist(), base.tolist(), _clusters(50, 1), level=0.95, seed=1
        )

        assert 0.4 < found.low < 0.5 + noise.mean() < found.high < 0.6

    def test_swapping_the_runs_mirrors_a_binary_interval(self):
        """What one run gained the other lost."""
        g = np.random.default_rng(8)
        new, old = ((g.random(80) < p) * 1.0 for p in (0.5, 0.3))
        names = _clusters(40, 2)
        there = difference_interval(new.tolist(), old.tolist(), names, level=0.95, seed=1, binary=True)

        back = difference_interval(old.tolist(), new.tolist(), names, level=0.95, seed=1, binary=True)

        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))

    def test_equal_binary_runs_may_still_differ_elsewhere(self):
        """That 100 prompts changed nothing bounds the change by Wilson's upper end for 0 of 100."""
        found = difference_interval(
            [0.0] * 100, [0.0] * 100, _clusters(100, 1), level=0.95, seed=1, binary=True
        )

        assert found.high == pytest.approx(wilson(0, 100, 0.95).high)
        assert found.low == -found.high


class TestTwoWay:
    """Intervals over clusters and the groups that cross them."""

    def test_variance_is_that_of_statsmodels(self):
        """In a full crossing, each of the three variances is statsmodels' with its small-sample factor G / (G - 1)."""
        generator = np.random.default_rng(0)
        term, template = np.repeat(np.arange(12), 7), np.tile(np.arange(7), 12)
        values = (
            generator.normal(size=12)[term] + generator.normal(size=7)[template] + generator.normal(size=84)
        )
        model = OLS(values, np.ones(84))

        def of(groups):
            options = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}}
            count = len(np.unique(groups))
            return model.fit(**options).cov_params()[0, 0] * count / (count - 1)

        found = _mean(values, term, crossed=template)

        variance = of(term) + of(template) - of(np.arange(84))
        assert found.method == "two-way-t"
        ratio = (found.high - found.low) / 2 / sqrt(variance)
        assert stats.t.ppf(0.975, 30) < ratio < stats.t.ppf(0.975, 6)

    def test_too_few_groups_are_no_sample(self):
        """Of four templates the interval is that of the terms alone; of five it allows for both."""
        generator = np.random.default_rng(1)
        for templates, same in ((4, True), (5, False)):
            term, template = np.repeat(np.arange(30), templates), np.tile(np.arange(templates), 30)
            values = (generator.random(len(term)) < 0.2 + 0.15 * template) * 1.0
            one_way = _mean(values, term, binary=True)
            assert (_mean(values, term, binary=True, crossed=template) == one_way) is same

    def test_groups_within_clusters_change_nothing_between_bounds(self):
        """Where each group is in one cluster only, clusters say all."""
        generator = np.random.default_rng(2)
        clusters = np.repeat(np.arange(20), 8)
        values = (generator.random(160) < generator.random(20)[clusters]) * 1.0

        one_way = _mean(values, clusters, binary=True)
        found = _mean(values, clusters, binary=True, crossed=np.arange(160) // 2)

        assert found.method == "wilson-two-way"
        assert (found.low, found.high) == pytest.approx((one_way.low, one_way.high), abs=5e-3)

    def test_equal_values_have_the_width_that_the_smaller_number_allows(self):
        """Nothing differs: what five templates did not show bounds the mean, however many terms there are."""
        term, template = np.repeat(np.arange(100), 5), np.tile(np.arange(5), 100)

        found = _mean(np.ones(500), term, binary=True, crossed=template)

        assert (found.low, found.high) == (pytest.approx(wilson(5, 5, 0.95).low), 1.0)

    def test_a_paired_difference_knows_the_templates(self):
        """Of two models that differ in one template, the interval allows for other templates."""
        term, template = np.repeat(np.arange(40), 8), np.tile(np.arange(8), 40)
        old = np.zeros(320)
        new = np.where(template == 3, 1.0, 0.0)
        clusters, crossed = [list(map(str, labels)) for labels in (term, template)]

        found = difference_interval(new, old, clusters, level=0.95, seed=0, binary=True, crossed=crossed)
        without = difference_interval(new, old, clusters, level=0.95, seed=0, binary=True)

        assert found.high - found.low > 2 * (without.high - without.low)
