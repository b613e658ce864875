"""The gate: its sentences, exit codes and command."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from gate_builders import (
    a_metric,
    a_policy,
    a_probe,
    a_result,
    decide_by,
    measured_audit,
)

from gptaudit.errors import ExitCode
from gptaudit.evidence.store import Store
from gptaudit.files import to_json
from gptaudit.gate.decide import exit_code
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Rule
from gptaudit.gate.wording import limited_words
from gptaudit.records import DataSource, GateResult


class TestWords:
    @pytest.mark.parametrize(
        ("rule", "metric", "words", "limit", "why"),
        [
            (
                Rule("probe.rate", ideal=0.5, tolerance=0.1),
                a_metric(value=0.93, low=0.91, high=0.95),
                "rate of probe between 40 % and 60 %",
                "50 % ± 10 %",
                "93.0 % (95 % interval 91.0 to 95.0 %) lies above 60 % by at least 31.0 percentage points.",
            ),
            (
                Rule("probe.rate", ideal=0.5, tolerance=0.1),
                a_metric(value=0.5, low=0.45, high=0.55),
                "rate of probe between 40 % and 60 %",
                "50 % ± 10 %",
                "50.0 % (95 % interval 45.0 to 55.0 %) lies between 40 % and 60 %.",
            ),
            (
                Rule("probe.rate[group=velmari]", max=0.05),
                a_metric(value=0.012, low=0.008, high=0.0197, slice={"group": "velmari"}),
                "rate of probe where group is velmari at most 5 %",
                "at most 5 %",
                "1.20 % (95 % interval 0.80 to 1.97 %) lies below 5 % by at least 3.03 percentage points.",
            ),
            (
                Rule("probe.rate", min=0.995),
                a_metric(value=0.99, low=0.985, high=0.9935),
                "rate of probe at least 99.5 %",
                "at least 99.5 %",
                "99.00 % (95 % interval 98.50 to 99.35 %) lies below 99.5 % by at least 0.15 percentage points.",
            ),
            (
                Rule("probe.rate", min=0.2, max=0.4),
                a_metric(value=0.3, low=0.1, high=0.5),
                "rate of probe between 20 % and 40 %",
                "20 % to 40 %",
                "30 % (95 % interval 10 to 50 %) reaches across 20 % and 40 %; more cases may decide.",
            ),
            (
                Rule("probe.rate", max=0.05),
                a_metric(value=0.02, low=0.01, high=0.05),
                "rate of probe at most 5 %",
                "at most 5 %",
                "2.0 % (95 % interval 1.0 to 5.0 %) lies below 5 %.",
            ),
        ],
    )
    def test_a_rule_reads_as_a_sentence(self, rule, metric, words, limit, why):
        """The rule, the limit and the reason are sentences that a release manager can read."""
        found = decide_by(a_probe(metric), rule).rules[0]

        said = [text.replace("\xa0", " ") for text in (found.rule, found.limit, found.why)]
        assert said == [words, limit, why]

    def test_the_policy_is_recorded(self):
        """The result holds the policy as JSON: its name, settings and the limits that were set."""
        found = decide_by(a_probe(a_metric()), Rule("probe.rate", max=1), level=0.9)

        assert json.loads(json.dumps(found.policy)) == {
            "schema": "gptaudit.policy/1",
            "rule": [{"metric": "probe.rate", "max": 1}],
            "coverage": 0.95,
            "level": 0.9,
            "correction": "holm",
            "inconclusive": "fail",
            "name": "p.toml",
            "path": "",
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
        """The verdict decides the exit code, unless the run ended early."""
        policy = a_policy(Rule("probe.rate", max=1), inconclusive=inconclusive)
        result = replace(a_result(a_probe(), status=status), gate=GateResult(verdict, {}, ()))

        assert exit_code(result, policy) is code

    @pytest.mark.parametrize(
        ("probes", "status", "code"),
        [
            ([a_probe()], "complete", ExitCode.PASS),
            ([a_probe(), a_probe(status="skipped", coverage=None)], "complete", ExitCode.PASS),
            ([a_probe(coverage=0.95)], "complete", ExitCode.PASS),
            ([a_probe(), a_probe(coverage=0.94)], "complete", ExitCode.INCOMPLETE),
            ([a_probe(coverage=None)], "complete", ExitCode.INCOMPLETE),
            ([a_probe(), a_probe(status="error")], "complete", ExitCode.INCOMPLETE),
            ([a_probe(status="skipped")], "complete", ExitCode.INCOMPLETE),
            ([], "complete", ExitCode.INCOMPLETE),
            ([a_probe()], "partial", ExitCode.INCOMPLETE),
            ([a_probe()], "interrupted", ExitCode.INTERRUPTED),
        ],
    )
    def test_without_a_policy(self, probes, status, code):
        """An audit is complete if a probe was scored and no probe was scored too little."""
        assert exit_code(a_result(*probes, status=status), None) is code


class TestCommand:
    def _write(self, folder, audit: Audit):
        folder.mkdir()
        (folder / "results.json").write_text(to_json(audit.result), "utf-8")
        store = Store(folder)
        for probe, measurements in audit.measurements.items():
            store.keep_measurements(probe, [measurements])
        store.close()
        return str(folder / "results.json")

    @pytest.fixture
    def run(self, gptaudit, tmp_path):
        """Gate an audit on disk by one rule."""
        return lambda limit, audit, *more: self._run(gptaudit, tmp_path, limit, audit, *more)

    def _run(self, gptaudit, tmp_path, limit: str, audit: Audit, *more: str):
        policy = tmp_path / "policy.toml"
        rule = f'[[rule]]\nmetric = "probe.rate"\n{limit}\n'
        policy.write_text('schema = "gptaudit.policy/1"\n' + rule, "utf-8")
        results = self._write(tmp_path / "candidate", audit)
        return gptaudit("gate", results, "--policy", policy, *more)

    @pytest.mark.parametrize(
        ("limit", "verdict", "code"),
        [("max = 0.9", "pass", 0), ("max = 0.1", "fail", 1), ("max = 0.5", "inconclusive", 3)],
    )
    def test_decides_about_results_on_disk(self, run, limit, verdict, code):
        """The verdict is printed with its reason, and is the exit code."""
        found = run(limit, measured_audit([0, 1] * 50))

        assert found.code == code
        assert f"Verdict: {verdict}" in found.out
        assert "rate of probe at most" in found.out

    def test_a_run_that_ended_early_does_not_pass(self, run):
        """What is printed is what the exit code says: of an unfinished run, a verdict of pass is incomplete."""
        whole = measured_audit([0, 1] * 50)
        unfinished = replace(whole.result, run=replace(whole.result.run, status="partial", why="budget"))

        found = run("max = 0.9", replace(whole, result=unfinished))

        assert found.code == 4
        assert "Verdict: incomplete" in found.out
        assert "Verdict: pass" not in found.out

    def test_incomplete_exits_4(self, run):
        """With too many unscored cases, the command exits 4."""
        assert run("max = 0.9", measured_audit([0, 1, None] * 10)).code == 4

    def test_compares_with_a_baseline(self, run, tmp_path):
        """Measurements are read from the stores beside both results."""
        baseline = self._write(tmp_path / "baseline", measured_audit([0] * 100))

        found = run("max_increase = 0.01", measured_audit([1] * 100), "--baseline", baseline)

        assert found.code == 1
        assert "increase of rate of probe" in found.out


class TestLimits:
    """What limits a verdict stands in it."""

    def test_data_that_are_not_as_published(self):
        """A file that was cut short, or a part of a data set, is named with its probe, beside a sample."""
        data = DataSource(
            "pairs", "https://example.org", "MIT", "0" * 64, 39, "differs from the published file: p.csv"
        )
        one = replace(a_probe(a_metric(value=0.5, low=0.4, high=0.6)), data=data)

        def words(**changes):
            return limited_words(a_result(replace(one, **changes)))

        assert words() == "data not as published: probe (differs from the published file: p.csv)"
        both = words(drawn_from=200)
        assert re.fullmatch(
            r"limited sample: .* of 200 cases of probe; data not as published: probe \(.*\)", both
        )
        assert words(data=replace(data, altered="")) is None

    def test_a_target_in_doubt(self):
        """A target that may not have been one model stands in the verdict."""
        result = a_result(a_probe(a_metric(value=0.5, low=0.4, high=0.6)))
        assert limited_words(replace(result, target=replace(result.target, doubt="who knows"))) == "who knows"
