"""Metrics from measurements: whole figures and slices, counts, and reasons for missing values."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
from statsmodels.stats.proportion import proportion_confint

from gptaudit.records import Measurement, MetricSpec, RatioSpec, full_name
from gptaudit.run.metrics import summarise

RATE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", title="Rate", binary=True)
SCORE = MetricSpec("score", ideal=0.0, direction="lower", unit="fraction", bounds=(0.0, 1.0))


def _case(number: int, value: float | None, *, name="rate", cluster=None, **slices) -> Measurement:
    unscored = "empty" if value is None else None
    values = {} if value is None else {name: value}
    return Measurement(f"case{number}", cluster or f"cluster{number}", slices, values, unscored)


def _summary(specs, cases):
    return summarise(specs, cases, level=0.95, seed=1)


def test_whole_then_slices_in_order_of_appearance():
    """Each metric's whole figure comes first, then its slices as they first appear."""
    cases = [_case(0, 1.0, group="b"), _case(1, 0.0, group="a", tone="x"), _case(2, 1.0, group="b")]

    metrics = _summary([RATE], cases)

    assert [dict(m.slice) for m in metrics] == [{}, {"group": "b"}, {"group": "a"}, {"tone": "x"}]
    assert [m.value for m in metrics] == [pytest.approx(2 / 3), 1.0, 0.0, 0.0]
    assert [m.n for m in metrics] == [3, 2, 1, 1]


def test_groups_of_an_axis_borrow_from_one_another():
    """Five groups have pooled estimates nearer to one another; four have none, nor has the whole figure."""
    cases = [
        _case(20 * i + j, float(j < 4 + 3 * i), group="abcde"[i], half="xy"[j % 2])
        for i in range(5)
        for j in range(20)
    ]

    metrics = _summary([RATE], cases)
    groups = [m for m in metrics if "group" in m.slice]

    assert [m.pooled is not None for m in metrics] == [False, True, False, False, True, True, True, True]
    assert groups[0].value < groups[0].pooled.value < groups[4].pooled.value < groups[4].value
    assert all(0 <= m.pooled.low <= m.pooled.value <= m.pooled.high <= 1 for m in groups)
    assert not any(m.pooled for m in _summary([RATE], [c for c in cases if c.slices["group"] != "e"]))


def test_groups_that_cross_the_clusters_are_counted_with_their_range():
    """Each of 12 terms is asked about in six templates, of which two always find something."""
    cases = [
        replace(_case(6 * i + j, float(j < 2), cluster=f"term{i}"), crossed=f"template{j}")
        for i in range(12)
        for j in range(6)
    ]

    whole = _summary([RATE], cases)[0]

    assert (whole.crossed.groups, whole.crossed.least, whole.crossed.greatest) == (6, 0.0, 1.0)
    assert (whole.clusters, whole.units, whole.interval) == (12, 6, "wilson-two-way")
    assert whole.low < 0.1
    assert whole.high > 0.7
    one_way = _summary([RATE], [replace(case, crossed="") for case in cases])[0]
    assert one_way.crossed is None
    assert one_way.high - one_way.low < 0.5 * (whole.high - whole.low)


def test_one_case_per_cluster_is_wilson():
    """For 3 of 10 independent cases, the interval is Wilson's."""
    whole = _summary([RATE], [_case(i, float(i < 3)) for i in range(10)])[0]

    low, high = proportion_confint(3, 10, method="wilson")
    assert (whole.value, whole.n, whole.clusters, whole.interval) == (0.3, 10, 10, "wilson")
    assert (whole.low, whole.high) == pytest.approx((low, high))
    assert (whole.level, whole.ideal, whole.direction, whole.unit) == (0.95, 0.0, "lower", "fraction")
    assert whole.why is None


def test_shared_clusters_are_not_wilson():
    """Cases that share clusters have the clustered interval, and the counts of cases and clusters."""
    whole = _summary([RATE], [_case(i, float(i % 3 == 0), cluster=f"c{i % 6}") for i in range(24)])[0]

    assert (whole.n, whole.clusters, whole.interval) == (24, 6, "wilson-clustered")


def test_continuous_values_respect_bounds():
    """A score in [0, 1] has an interval inside [0, 1], with one or five high cases among twelve."""
    for high in (1, 5):
        whole = _summary([SCORE], [_case(i, 0.9 * (i < high), name="score") for i in range(12)])[0]

        assert whole.interval == "wilson-clustered"
        assert 0 <= whole.low < whole.value < whole.high < 1


def test_unscored_cases_are_left_out():
    """Unscored cases change neither value nor interval; they only count as cases."""
    scored = [_case(i, float(i < 3)) for i in range(10)]
    (with_lost,) = _summary([RATE], [*scored, _case(10, None), _case(11, None)])

    assert with_lost == replace(_summary([RATE], scored)[0], cases=12)


def test_nothing_scored_is_null_with_a_reason():
    """Without a scored case a figure has no value but a reason, as a whole and as a slice."""
    (whole,) = _summary([RATE], [])
    _, lost, kept = _summary([RATE], [_case(0, None, group="a"), _case(1, 1.0, group="b")])

    for metric in (whole, lost):
        assert (metric.value, metric.low, metric.high, metric.n) == (None, None, None, 0)
        assert metric.why == "no case was scored"
    assert dict(lost.slice) == {"group": "a"}
    assert kept.value == 1.0


def test_one_cluster_has_a_value_but_no_interval():
    """The figure has a value, and a reason why it has no interval."""
    whole = _summary([RATE], [_case(i, float(i), cluster="same") for i in range(2)])[0]

    assert (whole.value, whole.low, whole.high) == (0.5, None, None)
    assert "one cluster" in whole.why


@pytest.mark.parametrize(
    ("spec", "value", "problem"),
    [
        (SCORE, nan, "nan for metric .*, which is not finite"),
        (SCORE, inf, "inf for metric .*, which is not finite"),
        (SCORE, 1.5, "outside the metric's bounds"),
        (RATE, 0.5, "the metric is binary"),
    ],
)
def test_a_value_that_cannot_be_is_a_bug_of_the_probe(spec, value, problem):
    """An invalid value raises an error that names its case and metric."""
    with pytest.raises(ValueError, match=problem) as caught:
        _summary([spec], [_case(7, value, name=spec.name)])

    assert "case7" in str(caught.value)
    assert spec.name in str(caught.value)


def test_a_missing_value_is_a_bug_of_the_probe():
    """A scored case without a value for a metric raises an error."""
    with pytest.raises(ValueError, match="'case1' has no value for metric 'score'"):
        _summary([RATE, SCORE], [_case(1, 1.0)])


class TestFormulas:
    """Metrics computed from totals."""

    SPECS = (
        RatioSpec("share", 0.5, "target", "fraction", formula="right / asked", bounds=(0.0, 1.0)),
        RatioSpec("macro", 0.5, "target", "fraction", formula="right / asked", bounds=(0.0, 1.0), macro=True),
    )

    def cases(self, rights, clusters, groups):
        return [
            Measurement(str(i), c, {"group": g}, {"right": float(r == 1), "asked": float(r is not None)})
            for i, (r, c, g) in enumerate(zip(rights, clusters, groups, strict=True))
        ]

    def test_values_and_slices(self):
        """The ratio of totals, by cases or by clusters; a slice without a denominator has no value and says why."""
        rights = [1, 1, 1, 0, None, 1, None, None]
        found = summarise(self.SPECS, self.cases(rights, "aaabcdef", "xxxxxxyy"), level=0.95, seed=0)
        values = {full_name("p", m): m.value for m in found}

        assert values["p.share"] == pytest.approx(4 / 5)
        assert values["p.macro"] == pytest.approx(2 / 3)
        assert values["p.share[group=y]"] is None
        assert "divides by zero" in next(m.why for m in found if m.value is None)
        assert all(m.formula == "right / asked" for m in found)

    def test_a_name_without_a_value_is_a_bug_of_the_probe(self):
        """The message names the case and what is missing."""
        with pytest.raises(ValueError, match="case '0' has no value for 'asked', which a formula needs"):
            summarise(self.SPECS, [Measurement("0", "c", {}, {"right": 1.0})], level=0.95, seed=0)
