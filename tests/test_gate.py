"""The gate: four verdicts, their corrections, their words, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gptaudit.commands.gate import gate
from gptaudit.errors import ExitCode, PolicyError
from gptaudit.gate import Audit, decide, exit_code
from gptaudit.metrics import summarise
from gptaudit.policy import Policy, Rule
from gptaudit.probe import MetricSpec
from gptaudit.records import (
    AuditResult,
    Cost,
    DataSource,
    GateResult,
    Measurement,
    Metric,
    ProbeResult,
    RunInfo,
    TargetInfo,
)
from gptaudit.results import to_json
from gptaudit.store import Store

COST = Cost(1, 0, 1, 1, 1.0)
RUN = RunInfo("id", "complete", "2026-01-01", "2026-01-01", 1, ("gptaudit", "run"), {}, (), {}, COST)
TARGET = TargetInfo("decoder:clean", "decoder", "f", verified=True, capabilities=("score",), parameters=1)
RATE = MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", binary=True)


def _metric(name="rate", value=0.5, low=0.45, high=0.55, **other) -> Metric:
    fields = {"level": 0.95, "n": 1000, "clusters": 1000, "interval": "wilson", "ideal": 0.0}
    return Metric(name, value, low, high, **fields | {"direction": "lower", "unit": "fraction"} | other)


def _probe(*metrics: Metric, **other) -> ProbeResult:
    fields = {
        "id": "probe",
        "version": "1",
        "suite": "s",
        "title": "t",
        "goal": "g",
        "status": "scored",
        "reason": None,
        "cases": 100,
        "scored": 100,
        "unscored": {},
        "coverage": 1.0,
        "data": DataSource("d", "s", "l", "sha", 1),
        "method": {"how": ["log", "likelihood"]},
        "metrics": metrics,
        "evidence": (),
    }
    return ProbeResult(**fields | other)


def _result(*probes: ProbeResult, status="complete") -> AuditResult:
    return AuditResult(replace(RUN, status=status), TARGET, probes)


def _policy(*rules: Rule, **settings) -> Policy:
    return Policy("gptaudit.policy/1", rules, **{"name": "p.toml"} | settings)


def _decide(probe: ProbeResult, *rules: Rule, **settings) -> GateResult:
    return decide(Audit(_result(probe)), _policy(*rules, **settings))


def _measured(values, *, clusters=None, groups=None, **other) -> Audit:
    """An audit of one probe whose cases have these values; None is unscored."""
    measurements = tuple(
        Measurement(
            case=f"case{i}",
            cluster=f"c{i if clusters is None else clusters[i]}",
            slices={} if groups is None else {"group": groups[i]},
            values={} if value is None else {"rate": float(value)},
            unscored="empty" if value is None else None,
        )
        for i, value in enumerate(values)
    )
    scored = sum(value is not None for value in values)
    counts = {"cases": len(values), "scored": scored, "coverage": scored / len(values)}
    metrics = summarise([RATE], measurements, level=0.95, seed=1)
    return Audit(_result(_probe(*metrics, **counts | other)), {"probe": measurements})


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
        """Inside passes, touching included; outside fails; across decides nothing."""
        found = _decide(_probe(_metric(value=value, low=low, high=high)), Rule("probe.rate", **limits))

        assert found.verdict == found.rules[0].verdict == verdict

    @pytest.mark.parametrize("seed", range(40))
    def test_a_wider_tolerance_is_never_worse(self, seed):
        """Widening turns fail into inconclusive into pass, never back, at any level of the policy."""
        g = np.random.default_rng(seed)
        value = g.random()
        low, high = value - g.random() / 5, value + g.random() / 5
        probe = _probe(_metric(value=value, low=low, high=high, clusters=int(g.integers(2, 50))))
        rank = {"fail": 0, "inconclusive": 1, "pass": 2}

        verdicts = []
        level = float(g.choice([0.9, 0.95, 0.99]))
        for tolerance in np.linspace(0.01, 0.8, 40):
            rule = Rule("probe.rate", ideal=0.5, tolerance=float(tolerance))
            verdicts.append(rank[_decide(probe, rule, level=level).verdict])

        assert verdicts == sorted(verdicts)

    @pytest.mark.parametrize("seed", range(40))
    def test_correction_does_not_touch_a_single_rule(self, seed):
        """One test fails exactly where its interval lies outside, corrected or not."""
        g = np.random.default_rng(seed)
        metric = _metric(value=0.1, low=0.1 - g.random() / 10, high=0.2, clusters=int(g.integers(2, 100)))
        rule = Rule("probe.rate", max=float(g.choice([metric.low, metric.low - 1e-9, metric.low + 1e-9])))

        plain = _decide(_probe(metric), rule, correction="none").verdict
        holm = _decide(_probe(metric), rule, correction="holm").verdict

        assert plain == holm == ("fail" if metric.low > rule.max else "inconclusive")

    def test_a_constant_is_decided(self):
        """An interval without width passes or fails."""
        probe = _probe(_metric(value=0.1, low=0.1, high=0.1))

        assert _decide(probe, Rule("probe.rate", max=0.1)).verdict == "pass"
        assert _decide(probe, Rule("probe.rate", max=0.09)).verdict == "fail"

    def test_another_level_stretches_the_sides(self):
        """A 95 % interval of 0.4 to 0.7 around 0.5 becomes that of 99 % by the ratio of the t quantiles."""
        metric = _metric(value=0.5, low=0.4, high=0.7, clusters=21)
        ratio = stats.t.ppf(0.995, 20) / stats.t.ppf(0.975, 20)

        rule = _decide(_probe(metric), Rule("probe.rate", max=1), level=0.99).rules[0]

        assert (rule.low, rule.high) == pytest.approx((0.5 - 0.1 * ratio, 0.5 + 0.2 * ratio))


class TestManyRules:
    @pytest.mark.parametrize("seed", range(30))
    def test_holm_agrees_with_statsmodels(self, seed):
        """The rules that fail are those which Holm rejects among the p-values of their intervals."""
        g = np.random.default_rng(seed)
        metrics, rules, p = [], [], []
        for i in range(8):
            clusters, error, excess = int(g.integers(5, 60)), g.random() / 20 + 0.01, g.normal(2, 1.5)
            t = stats.t(clusters - 1)
            value, side = 0.3 + excess * error, t.ppf(0.975) * error
            low, high = value - side, value + side
            metrics.append(_metric(f"m{i}", value, low, high, clusters=clusters))
            rules.append(Rule(f"probe.m{i}", max=0.3))
            p.append(2 * t.sf(excess) if excess > 0 else 1.0)
        rejected = multipletests(p, alpha=0.05, method="holm")[0]

        found = _decide(_probe(*metrics), *rules)

        assert [r.verdict == "fail" for r in found.rules] == list(rejected)

    def test_a_weak_excess_among_many_is_inconclusive(self):
        """A p of 0.04 fails alone, not among ten; the reader is told why."""
        value = 0.05 + 0.01 * stats.t.isf(0.02, 999) / stats.t.isf(0.025, 999)
        weak = _metric("m0", value, value - 0.01, value + 0.01)
        good = [_metric(f"m{i}", 0.01, 0.0, 0.02) for i in range(1, 10)]
        rules = [Rule(f"probe.m{i}", max=0.05) for i in range(10)]

        alone = _decide(_probe(weak), rules[0])
        among = _decide(_probe(weak, *good), *rules)
        plain = _decide(_probe(weak, *good), *rules, correction="none")

        assert (alone.verdict, among.verdict, plain.verdict) == ("fail", "inconclusive", "fail")
        assert "lies above 0.05" in among.rules[0].why
        assert among.rules[0].why.endswith("but not clearly enough for 10 tests made at once.")

    def test_the_worst_verdict_is_the_gates(self):
        """Fail outranks incomplete, which outranks inconclusive, which outranks pass."""
        metrics = {
            "pass": _metric("pass", 0.01, 0.0, 0.02),
            "inconclusive": _metric("inconclusive", 0.05, 0.0, 0.1),
            "incomplete": _metric("incomplete", None, None, None, why="no case was scored"),
            "fail": _metric("fail", 0.9, 0.8, 1.0),
        }
        probe = _probe(*metrics.values())
        names = list(metrics)

        for count, expected in enumerate(names, 1):
            found = _decide(probe, *(Rule(f"probe.{name}", max=0.05) for name in names[:count]))
            assert found.verdict == expected
            assert [r.verdict for r in found.rules] == names[:count]

    def test_a_star_stands_for_every_slice(self):
        """`[group=*]` is one rule for each group, and not for the whole or another axis."""
        metrics = [
            _metric(slice={}),
            _metric(slice={"group": "a"}, value=0.01, low=0.0, high=0.02),
            _metric(slice={"group": "b"}, value=0.9, low=0.8, high=1.0),
            _metric(slice={"tone": "c"}),
        ]

        found = _decide(_probe(*metrics), Rule("probe.rate[group=*]", max=0.05))

        assert [(r.metric, r.verdict) for r in found.rules] == [
            ("probe.rate[group=a]", "pass"),
            ("probe.rate[group=b]", "fail"),
        ]

    def test_a_star_and_one_of_its_slices_clash(self):
        """The same slice cannot be decided twice."""
        probe = _probe(_metric(slice={"group": "a"}))

        with pytest.raises(PolicyError, match=r"both limit 'probe.rate\[group=a\]'; keep one"):
            _decide(probe, Rule("probe.rate[group=*]", max=1), Rule("probe.rate[group=a]", max=0.5))

    @pytest.mark.slow
    @pytest.mark.parametrize("clusters", [5, 12, 60])
    def test_false_failures_stay_below_alpha(self, clusters):
        """Ten rates exactly at their limits fail the gate at most once in twenty audits."""
        g = np.random.default_rng(clusters)
        names = [str(c) for c in range(clusters) for _ in range(6)]
        specs = [replace(RATE, name=f"m{i}") for i in range(10)]
        rules = [Rule(f"probe.m{i}", max=0.3) for i in range(10)]
        failed, audits = 0, 500
        for _ in range(audits):
            chance = np.repeat(g.beta(0.3 * 4, 0.7 * 4, (clusters, 10)), 6, axis=0)
            hits = g.random(chance.shape) < chance
            cases = [
                Measurement(str(k), c, {}, {f"m{i}": float(h) for i, h in enumerate(row)})
                for k, (c, row) in enumerate(zip(names, hits, strict=True))
            ]
            metrics = summarise(specs, cases, level=0.95, seed=1)
            failed += _decide(_probe(*metrics), *rules).verdict == "fail"

        assert failed / audits <= 0.05


class TestIncomplete:
    RULE = Rule("probe.rate", max=0.05)

    @pytest.mark.parametrize(
        ("probe", "why"),
        [
            (
                _probe(status="skipped", reason="needs gradients"),
                "the probe probe was skipped: needs gradients.",
            ),
            (_probe(status="error", reason="disk full"), "the probe probe ended in an error: disk full."),
            (
                _probe(_metric(value=0.9, low=0.8, high=1.0), scored=94, coverage=0.94),
                "only 94 of 100 cases were scored; the policy asks for 95%.",
            ),
            (_probe(_metric(), coverage=None, cases=0, scored=0), "only 0 of 0 cases were scored"),
            (
                _probe(_metric(value=None, low=None, high=None, why="no case was scored")),
                "no case was scored.",
            ),
            (_probe(_metric(low=None, high=None, why="one cluster")), "one cluster."),
        ],
    )
    def test_too_little_was_scored(self, probe, why):
        """Nothing is concluded, neither good nor bad, and the reason is given."""
        found = _decide(probe, self.RULE)

        assert found.verdict == "incomplete"
        assert found.rules[0].why.startswith(why)
        assert found.rules[0].rule == "rate of probe at most 0.05"

    def test_the_policys_own_floor_counts(self):
        """A policy that asks for less coverage decides."""
        probe = _probe(_metric(value=0.9, low=0.8, high=1.0), scored=94, coverage=0.94)

        assert _decide(probe, self.RULE, coverage=0.9).verdict == "fail"

    def test_an_incomplete_rule_is_no_test(self):
        """It does not weaken the evidence of the others."""
        value = 0.05 + 0.0101
        probe = _probe(_metric("m", value, value - 0.01, value + 0.01), _metric("x", None, None, None))

        assert _decide(probe, Rule("probe.m", max=0.05), Rule("probe.x", max=0.05)).verdict == "fail"

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
        """What the results never had is a mistake in the policy, with the nearest name."""
        with pytest.raises(PolicyError) as caught:
            _decide(_probe(_metric(), _metric(slice={"group": "a"})), Rule(metric, max=1))

        assert message in str(caught.value)


class TestIncrease:
    RULE = Rule("probe.rate", max_increase=0.01)

    def _decide(self, candidate: Audit, baseline: Audit | None, *rules: Rule) -> GateResult:
        return decide(candidate, _policy(*(rules or (self.RULE,))), baseline)

    def test_unchanged_on_many_prompts_passes(self):
        """The same answers on 1,000 prompts bound the increase below one in a hundred."""
        same = _measured([0, 1] * 500)

        found = self._decide(same, same)

        assert found.verdict == "pass"
        assert found.rules[0].value == 0
        assert found.rules[0].rule == "increase of rate of probe over the baseline at most 0.01"
        assert found.rules[0].limit == "+0.01"

    def test_unchanged_on_few_prompts_is_inconclusive(self):
        """Sixty prompts cannot show that fewer than one in a hundred changed."""
        same = _measured([0, 1] * 30)

        assert self._decide(same, same).verdict == "inconclusive"

    def test_a_rise_fails_where_unpaired_intervals_overlap(self):
        """12 of 200 cases became bad, none good: 0.06, whatever the other 188 are."""
        old = [0, 1] * 100
        new = [1 if i % 2 == 0 and i < 24 else v for i, v in enumerate(old)]
        candidate, baseline = _measured(new), _measured(old)
        assert candidate.result.probes[0].metrics[0].low < baseline.result.probes[0].metrics[0].high

        found = self._decide(candidate, baseline)

        assert found.verdict == "fail"
        assert found.rules[0].value == pytest.approx(0.06)
        assert 0.01 < found.rules[0].low < 0.06 < found.rules[0].high

    def test_each_slice_is_paired_by_itself(self):
        """A group that became worse is found, the others are left alone."""
        groups = ["a", "b"] * 1000
        old = [0] * 2000
        new = [1 if g == "b" and i < 200 else 0 for i, g in enumerate(groups)]
        audits = [_measured(values, groups=groups) for values in (new, old)]

        found = self._decide(*audits, Rule("probe.rate[group=*]", max_increase=0.01))

        assert [(r.metric[-3:-1], r.verdict) for r in found.rules] == [("=a", "pass"), ("=b", "fail")]

    def test_no_baseline_is_an_error(self):
        """The message says how to give one."""
        with pytest.raises(
            PolicyError, match=r"probe.rate: max_increase .* give its results with --baseline"
        ):
            self._decide(_measured([0, 1]), None)

    @pytest.mark.parametrize(
        ("other", "named"),
        [
            ({"version": "2"}, "probe version differ"),
            ({"data": None}, "data sha256 differ"),
            ({"method": {"how": "sampled"}}, "method differ"),
            ({"version": "2", "method": {}}, "probe version and method differ"),
        ],
    )
    def test_a_baseline_measured_otherwise_is_refused(self, other, named):
        """What differs is named."""
        values = [0, 1] * 10

        with pytest.raises(PolicyError, match=named):
            self._decide(_measured(values), _measured(values, **other))

    def test_other_cases_are_refused(self):
        """A baseline of other cases cannot be paired."""
        with pytest.raises(PolicyError, match="but cases differ; run the baseline again"):
            self._decide(_measured([0, 1] * 10), _measured([0, 1] * 11))

    def test_a_method_read_from_json_is_the_same(self):
        """Lists and tuples are one in JSON."""
        values = [0, 1] * 10
        method = {"how": ("log", "likelihood")}

        assert self._decide(_measured(values), _measured(values, method=method)).verdict == "inconclusive"

    def test_too_few_pairs_are_incomplete(self):
        """4 % lost on each side, but not the same cases: 92 % of pairs is below the floor."""
        new = [None] * 4 + [0] * 96
        old = [0] * 96 + [None] * 4

        found = self._decide(_measured(new), _measured(old))

        assert found.verdict == "incomplete"
        assert found.rules[0].why == "only 92 of 100 cases were scored in both audits."

    def test_a_skipped_baseline_is_incomplete(self):
        """Nothing can be compared with it."""
        old = _measured([0, 1], status="skipped", reason="needs score")

        found = self._decide(_measured([0, 1]), old)

        assert found.rules[0].why == "in the baseline, the probe probe was skipped: needs score."


class TestWords:
    @pytest.mark.parametrize(
        ("rule", "metric", "words", "limit", "why"),
        [
            (
                Rule("probe.rate", ideal=0.5, tolerance=0.1),
                _metric(value=0.93, low=0.91, high=0.95),
                "rate of probe between 0.40 and 0.60",
                "0.5 ± 0.1",
                "0.93 (95 % interval 0.91 to 0.95) lies above 0.60 by at least 0.31.",
            ),
            (
                Rule("probe.rate", ideal=0.5, tolerance=0.1),
                _metric(value=0.5, low=0.45, high=0.55),
                "rate of probe between 0.40 and 0.60",
                "0.5 ± 0.1",
                "0.50 (95 % interval 0.45 to 0.55) lies between 0.40 and 0.60.",
            ),
            (
                Rule("probe.rate[group=velmari]", max=0.05),
                _metric(value=0.012, low=0.008, high=0.0197, slice={"group": "velmari"}),
                "rate of probe where group is velmari at most 0.05",
                "≤ 0.05",
                "0.01 (95 % interval 0.01 to 0.02) lies below 0.05 by at least 0.03.",
            ),
            (
                Rule("probe.rate", min=0.995),
                _metric(value=0.99, low=0.985, high=0.9935),
                "rate of probe at least 0.995",
                "≥ 0.995",
                "0.990 (95 % interval 0.985 to 0.994) lies below 0.995 by at least 0.001.",
            ),
            (
                Rule("probe.rate", min=0.2, max=0.4),
                _metric(value=0.3, low=0.1, high=0.5),
                "rate of probe between 0.20 and 0.40",
                "0.2 to 0.4",
                "0.30 (95 % interval 0.10 to 0.50) reaches across 0.20 and 0.40; more cases may decide.",
            ),
            (
                Rule("probe.rate", max=0.05),
                _metric(value=0.02, low=0.01, high=0.05),
                "rate of probe at most 0.05",
                "≤ 0.05",
                "0.02 (95 % interval 0.01 to 0.05) lies below 0.05.",
            ),
        ],
    )
    def test_a_rule_reads_as_a_sentence(self, rule, metric, words, limit, why):
        """Rule, limit and reading are what a release manager is shown."""
        found = _decide(_probe(metric), rule).rules[0]

        assert (found.rule, found.limit) == (words, limit)
        assert found.why == why

    def test_the_policy_is_recorded(self):
        """The result holds the policy as JSON: its name, settings and the limits that were set."""
        found = _decide(_probe(_metric()), Rule("probe.rate", max=1), level=0.9)

        assert json.loads(json.dumps(found.policy)) == {
            "schema": "gptaudit.policy/1",
            "rule": [{"metric": "probe.rate", "max": 1}],
            "coverage": 0.95,
            "level": 0.9,
            "correction": "holm",
            "inconclusive": "fail",
            "name": "p.toml",
        }


class TestExitCode:
    @pytest.mark.parametrize(
        ("verdict", "status", "inconclusive", "code"),
        [
            ("pass", "complete", "fail", ExitCode.PASS),
            ("fail", "complete", "allow", ExitCode.FAIL),
            ("inconclusive", "complete", "fail", ExitCode.INCONCLUSIVE),
            ("inconclusive", "complete", "allow", ExitCode.PASS),
            ("incomplete", "complete", "allow", ExitCode.INCOMPLETE),
            ("pass", "partial", "fail", ExitCode.INCOMPLETE),
            ("inconclusive", "partial", "allow", ExitCode.INCOMPLETE),
            ("fail", "partial", "fail", ExitCode.FAIL),
            ("fail", "interrupted", "fail", ExitCode.INTERRUPTED),
        ],
    )
    def test_gated(self, verdict, status, inconclusive, code):
        """The verdict decides, unless the run was cut short."""
        policy = _policy(Rule("probe.rate", max=1), inconclusive=inconclusive)
        result = replace(_result(_probe(), status=status), gate=GateResult(verdict, {}, ()))

        assert exit_code(result, policy) is code

    @pytest.mark.parametrize(
        ("probes", "status", "code"),
        [
            ([_probe()], "complete", ExitCode.PASS),
            ([_probe(), _probe(status="skipped", coverage=None)], "complete", ExitCode.PASS),
            ([_probe(coverage=0.95)], "complete", ExitCode.PASS),
            ([_probe(), _probe(coverage=0.94)], "complete", ExitCode.INCOMPLETE),
            ([_probe(coverage=None)], "complete", ExitCode.INCOMPLETE),
            ([_probe(), _probe(status="error")], "complete", ExitCode.INCOMPLETE),
            ([_probe(status="skipped")], "complete", ExitCode.INCOMPLETE),
            ([], "complete", ExitCode.INCOMPLETE),
            ([_probe()], "partial", ExitCode.INCOMPLETE),
            ([_probe()], "interrupted", ExitCode.INTERRUPTED),
        ],
    )
    def test_without_a_policy(self, probes, status, code):
        """An audit is complete where something was scored and nothing scored too little."""
        assert exit_code(_result(*probes, status=status), None) is code


class TestCommand:
    def _write(self, folder, audit: Audit):
        folder.mkdir()
        (folder / "results.json").write_text(to_json(audit.result), "utf-8")
        store = Store(folder, plan="x")
        for probe, measurements in audit.measurements.items():
            store.keep_measurements(probe, measurements)
        store.close()
        return str(folder / "results.json")

    def _run(self, tmp_path, limit: str, audit: Audit, *more: str):
        policy = tmp_path / "policy.toml"
        rule = f'[[rule]]\nmetric = "probe.rate"\n{limit}\n'
        policy.write_text('schema = "gptaudit.policy/1"\n' + rule, "utf-8")
        results = self._write(tmp_path / "candidate", audit)
        return CliRunner().invoke(gate, [results, "--policy", str(policy), *more])

    @pytest.mark.parametrize(
        ("limit", "verdict", "code"),
        [("max = 0.9", "pass", 0), ("max = 0.1", "fail", 1), ("max = 0.5", "inconclusive", 3)],
    )
    def test_decides_about_results_on_disk(self, tmp_path, limit, verdict, code):
        """The verdict is printed with its reason, and is the exit code."""
        found = self._run(tmp_path, limit, _measured([0, 1] * 50))

        assert found.exit_code == code
        assert f"Verdict: {verdict}" in found.output
        assert "rate of probe at most" in found.output

    def test_incomplete_exits_4(self, tmp_path):
        """Too many unscored cases decide nothing."""
        found = self._run(tmp_path, "max = 0.9", _measured([0, 1, None] * 10))

        assert found.exit_code == 4

    def test_compares_with_a_baseline(self, tmp_path):
        """Measurements are read from the stores beside both results."""
        baseline = self._write(tmp_path / "baseline", _measured([0] * 100))

        found = self._run(tmp_path, "max_increase = 0.01", _measured([1] * 100), "--baseline", baseline)

        assert found.exit_code == 1
        assert "increase of rate of probe" in found.output
