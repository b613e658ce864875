"""Figures from totals: the formula's grammar, the bootstrap against scipy's, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gptaudit.stats.formula import Formula, parsed
from gptaudit.stats.intervals import mean_interval
from gptaudit.stats.paired import sign_flips
from gptaudit.stats.totals import Totals, exchange_test, figure_interval

RATIO = parsed("right / asked")


def grouped(clusters, generator, *, size=6, share=0.3, spread=4.0):
    """Cases that are alike within a cluster: whether each was asked, and whether it was right."""
    chances = generator.beta(share * spread, (1 - share) * spread, clusters)
    names = np.repeat(np.arange(clusters), size)
    asked = generator.random(len(names)) < 0.8
    right = asked & (generator.random(len(names)) < chances[names])
    return {"right": right.astype(float), "asked": asked.astype(float)}, names


class TestFormula:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("100 * a / b", 75.0),
            ("2 * a / b - 1", 0.5),
            ("min(a, b, 2.5) + max(a, -b)", 5.5),
            ("-abs(a - b) * (a + b)", -7.0),
        ],
    )
    def test_arithmetic(self, text, value):
        """As Python would compute it, for numbers and for arrays alike."""
        formula = Formula(text)

        assert float(formula({"a": 3, "b": 4})) == value
        assert formula({"a": np.array([3.0, 3.0]), "b": np.array([4.0, 4.0])}).tolist() == [value, value]
        assert set(formula.names) == {"a", "b"}

    def test_the_quantile_of_the_normal_distribution(self):
        """It is scipy's."""
        assert float(Formula("z(a / b)")({"a": 3, "b": 4})) == pytest.approx(stats.norm.ppf(0.75))

    @pytest.mark.parametrize(
        "text",
        [
            "__import__('os')",
            "a.real",
            "a ** b",
            "a if b else 1",
            "[a]",
            "f(a)",
            "min()",
            "'a'",
            "a = b",
            "",
            "a b",
            "True",
            "abs(a, b)",
            "-" * 600 + "a",
            "9" * 600,
            "a\0",
        ],
    )
    def test_nothing_else_is_evaluated(self, text):
        """A results file cannot make a reader's program do anything but arithmetic."""
        with pytest.raises(ValueError, match="formula"):
            Formula(text)

    def test_division_by_zero_is_no_number(self):
        """It is no error and no infinity that passes for a figure."""
        assert np.isnan(Formula("a / b")({"a": 0, "b": 0}))


class TestTotals:
    def test_by_cluster_and_by_macro_average(self):
        """Three cases of one term and one of another: cases weigh the same, or terms do."""
        values = {"right": np.array([1.0, 1.0, 1.0, 0.0]), "asked": np.ones(4)}
        clusters = np.array(["a", "a", "a", "b"])

        assert Totals.of(values, clusters, macro=False).figure(RATIO) == 0.75
        assert Totals.of(values, clusters, macro=True).figure(RATIO) == 0.5

    def test_the_interval_is_that_of_scipy(self):
        """Scipy's BCa of the same clusters, up to the noise of resampling."""
        values, names = grouped(60, np.random.default_rng(1))
        totals = Totals.of(values, names, macro=False)
        found = figure_interval(totals, RATIO, level=0.95, seed=0)
        expected = stats.bootstrap(
            (totals.parts["right"], totals.parts["asked"]),
            lambda right, asked, axis: right.sum(axis=axis) / asked.sum(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=20_000,
            method="BCa",
            rng=np.random.default_rng(2),
        ).confidence_interval

        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.006)
        assert found.low < totals.figure(RATIO) < found.high

    def test_what_cannot_have_an_interval_says_why(self):
        """Too few clusters; one cluster that alone has a denominator; never a number without a reason."""
        few = Totals({"right": np.array([1.0, 0.0]), "asked": np.ones(2)})
        alone = Totals({"right": np.ones(9), "asked": np.eye(9)[0]})

        for totals, why in (
            (few, "2 clusters are too few"),
            (alone, "undefined without one of the clusters"),
        ):
            interval = figure_interval(totals, RATIO, level=0.95, seed=0)
            assert (interval.low, interval.high) == (None, None)
            assert why in interval.why

    def test_a_constant_is_not_certain(self):
        """Where all clusters agree, the interval is that of clusters that were not drawn."""
        totals = Totals({"right": np.ones(40), "asked": np.ones(40)})
        interval = figure_interval(totals, RATIO, level=0.95, seed=0, bounds=(0.0, 1.0))

        assert interval.high == 1.0
        assert 0.85 < interval.low < 0.95

    def test_an_exchange_of_a_mean_is_a_change_of_sign(self):
        """For a plain mean the test is the sign-flip test."""
        generator = np.random.default_rng(3)
        old = generator.normal(0, 1, 200)
        new = old + generator.normal(0.12, 1, 200)
        names = np.arange(200) // 4
        both = [Totals.of({"x": v, "one": np.ones(200)}, names, macro=False) for v in (new, old)]

        found = exchange_test(*both, parsed("x / one"), seed=0)

        assert found == pytest.approx(sign_flips(list(new - old), [str(n) for n in names], seed=1), abs=0.012)

    def test_clusters_that_add_nothing_do_not_count(self):
        """Templates without an answer that names a person say nothing about those that have one."""
        g = np.random.default_rng(2)
        parts = {"right": g.integers(1, 5, 12).astype(float), "asked": np.full(12, 8.0)}
        padded = {name: np.concatenate([part, np.zeros(30)]) for name, part in parts.items()}

        for bounds in ((None, None), (0.0, 1.0)):
            found, expected = (
                figure_interval(Totals(p), RATIO, level=0.95, seed=0, bounds=bounds) for p in (padded, parts)
            )
            assert found == expected

    def test_a_bounded_ratio_of_few_clusters_is_the_bounded_mean(self):
        """Where all clusters have as many cases, a ratio of totals is a mean, and has its interval."""
        right = np.random.default_rng(4).integers(0, 9, 30).astype(float)
        totals = Totals({"right": right, "asked": np.full(30, 8.0)})
        values = np.concatenate([[1.0] * int(r) + [0.0] * (8 - int(r)) for r in right])

        found = figure_interval(totals, RATIO, level=0.95, seed=0, bounds=(0.0, 1.0))

        mean = mean_interval(values, np.repeat(np.arange(30), 8), level=0.95, seed=0, binary=True)
        assert found.method == mean.method == "wilson-clustered"
        assert (found.low, found.high) == pytest.approx((mean.low, mean.high))

    @pytest.mark.parametrize(("clusters", "method"), [(499, "wilson-clustered"), (500, "cluster-bca")])
    def test_many_clusters_are_resampled(self, clusters, method):
        """From 500 clusters on, a figure is resampled; of fewer without bounds, the jackknife's pseudo-values are."""
        totals = Totals.of(*grouped(clusters, np.random.default_rng(1)), macro=False)

        assert figure_interval(totals, RATIO, level=0.95, seed=0, bounds=(0.0, 1.0)).method == method
        unbounded = "cluster-bca" if clusters == 500 else "cluster-bootstrap-t"
        assert figure_interval(totals, RATIO, level=0.95, seed=0).method == unbounded

    @pytest.mark.slow
    @pytest.mark.parametrize(("clusters", "least"), [(20, 0.90), (60, 0.925), (200, 0.935)])
    def test_intervals_cover(self, clusters, least):
        """Of a ratio whose truth is known, 95 % intervals hold it nearly as often; never more than 98 %."""
        generator = np.random.default_rng(clusters)
        held, audits = 0, 600
        for seed in range(audits):
            totals = Totals.of(*grouped(clusters, generator), macro=False)
            interval = figure_interval(totals, RATIO, level=0.95, seed=seed)
            held += interval.low <= 0.3 <= interval.high

        assert least <= held / audits <= 0.98

    @pytest.mark.slow
    def test_false_alarms_are_as_rare_as_promised(self):
        """Two models that are alike: p falls below 0.05 in about 5 % of audits, for a ratio too."""
        generator = np.random.default_rng(0)
        alarms, audits = 0, 300
        for seed in range(audits):
            chances = generator.beta(1, 2, 30)
            names = np.repeat(np.arange(30), 5)
            both = []
            for _ in range(2):
                asked = generator.random(150) < 0.7
                right = asked & (generator.random(150) < chances[names])
                values = {"right": right.astype(float), "asked": asked.astype(float)}
                both.append(Totals.of(values, names, macro=False))
            alarms += exchange_test(*both, RATIO, seed=seed) <= 0.05

        assert stats.binomtest(alarms, audits, 0.05, alternative="greater").pvalue > 0.001
