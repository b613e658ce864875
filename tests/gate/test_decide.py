"""The gate: four verdicts and their corrections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gate_builders import (
    RATE,
    a_metric,
    a_probe,
    decide_by,
)
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gptaudit.errors import PolicyError
from gptaudit.gate.policy import Rule
from gptaudit.records import (
    Measurement,
)
from gptaudit.run.metrics import summarise
from gptaudit.stats.intervals import wilson


class TestOneRule:
    @pytest.mark.parametrize(
        ("limits", "low", "value", "high", "verdict"),
        [
            ({"max": 0.05}, 0.01, 0.02, 0.04, "pass"),
            ({"max": 0.05}, 0.01, 0.02, 0.05, "pass"),
            ({"max": 0.05}, 0.01, 0.02, 0.051, "inconclusive"),
            ({"max": 0.05}, 0.05, 0.06, 0.07, "inconclusive"),
            ({"max": 0.05}, 0.0501, 0.06, 0.07, "fail"),
            ({"min": 0.9}, 0.9, 0.95, 0.99, "pass"),
            ({"min": 0.9}, 0.85, 0.95, 0.99, "inconclusive"),
            ({"min": 0.9}, 0.7, 0.8, 0.9, "inconclusive"),
            ({"min": 0.9}, 0.7, 0.8, 0.89, "fail"),
            ({"min": 0.2, "max": 0.4}, 0.2, 0.3, 0.4, "pass"),
            ({"min": 0.2, "max": 0.4}, 0.1, 0.3, 0.4, "inconclusive"),
            ({"min": 0.2, "max": 0.4}, 0.0, 0.1, 0.15, "fail"),
            ({"ideal": 0.5, "tolerance": 0.1}, 0.41, 0.5, 0.59, "pass"),
            ({"ideal": 0.5, "tolerance": 0.1}, 0.4, 0.5, 0.6, "pass"),
            ({"ideal": 0.5, "tolerance": 0.1}, 0.3, 0.5, 0.7, "inconclusive"),
            ({"ideal": 0.5, "tolerance": 0.1}, 0.91, 0.93, 0.95, "fail"),
            ({"ideal": 0.5, "tolerance": 0.1}, 0.1, 0.2, 0.3, "fail"),
        ],
    )
    def test_verdict_is_where_the_interval_lies(self, limits, low, value, high, verdict):
        """An interval inside the limits passes, even if it touches one; outside fails; otherwise it is inconclusive."""
        found = decide_by(a_probe(a_metric(value=value, low=low, high=high)), Rule("probe.rate", **limits))

        assert found.verdict == found.rules[0].verdict == verdict

    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({"ideal": 0.5, "tolerance": 0.1}, (0.4, 0.6)),
            ({"max": 0.05}, (None, 0.05)),
            ({"min": 0.9}, (0.9, None)),
        ],
    )
    def test_the_result_carries_its_limits(self, limits, expected):
        """The results hold the limits as numbers, so that no reader has to parse the policy."""
        (rule,) = decide_by(a_probe(a_metric()), Rule("probe.rate", **limits)).rules

        assert (rule.least, rule.greatest) == expected

    @pytest.mark.parametrize("seed", range(40))
    def test_a_wider_tolerance_is_never_worse(self, seed):
        """A wider tolerance turns fail into inconclusive and then pass, never back, at any level."""
        g = np.random.default_rng(seed)
        value = g.random()
        low, high = value - g.random() / 5, value + g.random() / 5
        probe = a_probe(a_metric(value=value, low=low, high=high, clusters=int(g.integers(2, 50))))
        rank = {"fail": 0, "inconclusive": 1, "pass": 2}

        verdicts = []
        level = float(g.choice([0.9, 0.95, 0.99]))
        for tolerance in np.linspace(0.01, 0.8, 40):
            rule = Rule("probe.rate", ideal=0.5, tolerance=float(tolerance))
            verdicts.append(rank[decide_by(probe, rule, level=level).verdict])

        assert verdicts == sorted(verdicts)

    @pytest.mark.parametrize("seed", range(40))
    def test_correction_does_not_touch_a_single_rule(self, seed):
        """A single rule fails exactly if its interval lies outside, corrected or not."""
        g = np.random.default_rng(seed)
        metric = a_metric(value=0.1, low=0.1 - g.random() / 10, high=0.2, clusters=int(g.integers(2, 100)))
        rule = Rule("probe.rate", max=float(g.choice([metric.low, metric.low - 1e-9, metric.low + 1e-9])))

        plain = decide_by(a_probe(metric), rule, correction="none").verdict
        holm = decide_by(a_probe(metric), rule, correction="holm").verdict

        assert plain == holm == ("fail" if metric.low > rule.max else "inconclusive")

    def test_a_constant_is_decided(self):
        """An interval without width passes or fails."""
        probe = a_probe(a_metric(value=0.1, low=0.1, high=0.1))

        assert decide_by(probe, Rule("probe.rate", max=0.1)).verdict == "pass"
        assert decide_by(probe, Rule("probe.rate", max=0.09)).verdict == "fail"

    def test_another_level_stretches_the_sides(self):
        """A 95 % interval of 0.4 to 0.7 around 0.5 becomes that of 99 % by the ratio of the t quantiles."""
        metric = a_metric(value=0.5, low=0.4, high=0.7, clusters=21)
        ratio = stats.t.ppf(0.995, 20) / stats.t.ppf(0.975, 20)

        rule = decide_by(a_probe(metric), Rule("probe.rate", max=1), level=0.99).rules[0]

        assert (rule.low, rule.high) == pytest.approx((0.5 - 0.1 * ratio, 0.5 + 0.2 * ratio))


class TestManyRules:
    @pytest.mark.parametrize("seed", range(30))
    def test_holm_agrees_with_statsmodels(self, seed):
        """The rules that fail are those that Holm's procedure rejects by the p-values of their intervals."""
        g = np.random.default_rng(seed)
        metrics, rules, p = [], [], []
        for i in range(8):
            clusters, error, excess = int(g.integers(5, 60)), g.random() / 20 + 0.01, g.normal(2, 1.5)
            t = stats.t(clusters - 1)
            value, side = 0.3 + excess * error, t.ppf(0.975) * error
            low, high = value - side, value + side
            metrics.append(a_metric(f"m{i}", value, low, high, clusters=clusters))
            rules.append(Rule(f"probe.m{i}", max=0.3))
            p.append(2 * t.sf(excess) if excess > 0 else 1.0)
        rejected = multipletests(p, alpha=0.05, method="holm")[0]

        found = decide_by(a_probe(*metrics), *rules)

        assert [r.verdict == "fail" for r in found.rules] == list(rejected)

    def test_a_weak_excess_among_many_is_inconclusive(self):
        """A p-value of 0.04 fails alone but not among ten tests, and the reason says so."""
        value = 0.05 + 0.01 * stats.t.isf(0.02, 999) / stats.t.isf(0.025, 999)
        weak = a_metric("m0", value, value - 0.01, value + 0.01)
        good = [a_metric(f"m{i}", 0.01, 0.0, 0.02) for i in range(1, 10)]
        rules = [Rule(f"probe.m{i}", max=0.05) for i in range(10)]

        alone = decide_by(a_probe(weak), rules[0])
        among = decide_by(a_probe(weak, *good), *rules)
        plain = decide_by(a_probe(weak, *good), *rules, correction="none")

        assert (alone.verdict, among.verdict, plain.verdict) == ("fail", "inconclusive", "fail")
        assert "lies above 5\xa0%" in among.rules[0].why
        assert among.rules[0].why.endswith("but not clearly enough for 10 tests made at once.")

    def test_the_worst_verdict_is_the_gates(self):
        """Fail outranks incomplete, which outranks inconclusive, which outranks pass."""
        metrics = {
            "pass": a_metric("pass", 0.01, 0.0, 0.02),
            "inconclusive": a_metric("inconclusive", 0.05, 0.0, 0.1),
            "incomplete": a_metric("incomplete", None, None, None, why="no case was scored"),
            "fail": a_metric("fail", 0.9, 0.8, 1.0),
        }
        probe = a_probe(*metrics.values())
        names = list(metrics)

        for count, expected in enumerate(names, 1):
            found = decide_by(probe, *(Rule(f"probe.{name}", max=0.05) for name in names[:count]))
            assert found.verdict == expected
            assert [r.verdict for r in found.rules] == names[:count]

    def test_a_star_stands_for_every_slice(self):
        """`[group=*]` means one rule for each group, but not for the whole figure or another axis."""
        metrics = [
            a_metric(slice={}),
            a_metric(slice={"group": "a"}, value=0.01, low=0.0, high=0.02),
            a_metric(slice={"group": "b"}, value=0.9, low=0.8, high=1.0),
            a_metric(slice={"tone": "c"}),
        ]

        found = decide_by(a_probe(*metrics), Rule("probe.rate[group=*]", max=0.05))

        assert [(r.metric, r.verdict) for r in found.rules] == [
            ("probe.rate[group=a]", "pass"),
            ("probe.rate[group=b]", "fail"),
        ]

    def test_a_star_and_one_of_its_slices_clash(self):
        """The same slice cannot be decided twice."""
        probe = a_probe(a_metric(slice={"group": "a"}))

        with pytest.raises(PolicyError, match=r"both limit 'probe.rate\[group=a\]'; keep one"):
            decide_by(probe, Rule("probe.rate[group=*]", max=1), Rule("probe.rate[group=a]", max=0.5))

    @pytest.mark.slow
    @pytest.mark.parametrize("binary", [True, False])
    @pytest.mark.parametrize("clusters", [5, 12, 60])
    def test_false_failures_stay_below_alpha(self, clusters, binary):
        """Ten rates, or mean scores, exactly at their limits fail the gate at most once in twenty audits."""
        g = np.random.default_rng(clusters)
        names = [str(c) for c in range(clusters) for _ in range(6)]
        specs = [replace(RATE, name=f"m{i}", binary=binary, bounds=(0.0, 1.0)) for i in range(10)]
        rules = [Rule(f"probe.m{i}", max=0.3) for i in range(10)]
        failed, audits = 0, 500
        for _ in range(audits):
            chance = np.repeat(g.beta(0.3 * 4, 0.7 * 4, (clusters, 10)), 6, axis=0)
            hits = g.random(chance.shape) < chance if binary else chance
            cases = [
                Measurement(str(k), c, {}, {f"m{i}": float(h) for i, h in enumerate(row)})
                for k, (c, row) in enumerate(zip(names, hits, strict=True))
            ]
            metrics = summarise(specs, cases, level=0.95, seed=1)
            failed += decide_by(a_probe(*metrics), *rules).verdict == "fail"

        assert failed / audits <= 0.05


class TestShareOfIndependentCases:
    @pytest.mark.parametrize(("n", "limit"), [(50, 0.01), (200, 0.005), (50, 0.1), (400, 0.5)])
    @pytest.mark.parametrize("kind", ["max", "min"])
    def test_a_model_at_its_limit_fails_at_most_once_in_twenty_audits(self, n, limit, kind):
        """The chances of all counts that fail add up to at most 5 %, on either side."""
        limit = limit if kind == "max" else 1 - limit
        failing = 0.0
        for count in range(n + 1):
            metric = self.metric(count, n)
            if decide_by(a_probe(metric), Rule("probe.rate", **{kind: limit})).verdict == "fail":
                failing += stats.binom.pmf(count, n, limit)
        assert failing <= 0.05

    def test_another_level_is_computed_from_the_count(self):
        """None of 50 at 99.9 % reaches up to z^2 / (n + z^2)."""
        rule = decide_by(a_probe(self.metric(0, 50)), Rule("probe.rate", max=0.2), level=0.999).rules[0]
        z2 = stats.norm.ppf(0.9995) ** 2
        assert (rule.low, rule.high) == pytest.approx((0.0, z2 / (50 + z2)))
        assert rule.high == pytest.approx(0.178, abs=5e-4)

    def test_a_count_that_is_no_evidence_is_inconclusive(self):
        """Wilson's interval of 3 in 50 lies above 0.02, and 3 or more come by chance in 8 of 100 audits."""
        rule = decide_by(a_probe(self.metric(3, 50)), Rule("probe.rate", max=0.02)).rules[0]
        assert rule.verdict == "inconclusive"
        assert "an exact test of so few cases does not exclude it" in rule.why

    @staticmethod
    def metric(count, n):
        found = wilson(count, n, 0.95)
        return a_metric(value=count / n, low=found.low, high=found.high, n=n, clusters=n, interval="wilson")


class TestIncomplete:
    RULE = Rule("probe.rate", max=0.05)

    @pytest.mark.parametrize(
        ("probe", "why"),
        [
            (
                a_probe(status="skipped", reason="needs gradients"),
                "the probe probe was skipped: needs gradients.",
            ),
            (a_probe(status="error", reason="disk full"), "the probe probe ended in an error: disk full."),
            (
                a_probe(status="error", reason="7 of 7 cases were not scored", unscored={"not-asked": 7}),
                "the probe probe scored no case: 7 of 7 cases were not scored.",
            ),
            (
                a_probe(a_metric(value=0.9, low=0.8, high=1.0), scored=94, coverage=0.94),
                "only 94 of 100 cases were scored; the policy asks for 95\xa0%.",
            ),
            (a_probe(a_metric(), coverage=None, cases=0, scored=0), "only 0 of 0 cases were scored"),
            (
                a_probe(a_metric(value=None, low=None, high=None, why="no case was scored")),
                "no case was scored.",
            ),
            (a_probe(a_metric(low=None, high=None, why="one cluster")), "one cluster."),
        ],
    )
    def test_too_little_was_scored(self, probe, why):
        """The rule is incomplete, neither passed nor failed, and the reason is given."""
        found = decide_by(probe, self.RULE)

        assert found.verdict == "incomplete"
        assert found.rules[0].why.startswith(why)
        shown = "5\xa0%" if probe.status == "scored" else "0.05"  # no figure, no unit
        assert found.rules[0].rule == f"rate of probe at most {shown}"

    def test_the_policys_own_floor_counts(self):
        """A policy with a lower coverage decides."""
        probe = a_probe(a_metric(value=0.9, low=0.8, high=1.0), scored=94, coverage=0.94)

        assert decide_by(probe, self.RULE, coverage=0.9).verdict == "fail"

    def test_an_incomplete_rule_is_no_test(self):
        """An incomplete rule is not counted as a test, so it does not weaken the evidence of others."""
        value = 0.05 + 0.0101
        probe = a_probe(a_metric("m", value, value - 0.01, value + 0.01), a_metric("x", None, None, None))

        assert decide_by(probe, Rule("probe.m", max=0.05), Rule("probe.x", max=0.05)).verdict == "fail"

    @pytest.mark.parametrize(
        ("metric", "message"),
        [
            ("prob.rate", "p.toml: the results hold no probe 'prob'. Did you mean 'probe'?"),
            ("probe.rat", "p.toml: the results hold no metric 'probe.rat'. Did you mean 'probe.rate'"),
            ("probe.rate[group=x]", "the results hold no metric 'probe.rate[group=x]'. Did you mean"),
            ("probe.rate[axis=*]", "the results hold no metric 'probe.rate[axis=*]'"),
        ],
    )
    def test_unknown_names_are_errors(self, metric, message):
        """A name that the results do not have is an error in the policy, and the message offers the nearest one."""
        with pytest.raises(PolicyError) as caught:
            decide_by(a_probe(a_metric(), a_metric(slice={"group": "a"})), Rule(metric, max=1))

        assert message in str(caught.value)
