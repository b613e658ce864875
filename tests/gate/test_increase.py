"""The gate: rules with `max_increase` over a baseline."""

from __future__ import annotations

import pytest
from gate_builders import (
    a_policy,
    measured_audit,
)

from gptaudit.errors import PolicyError
from gptaudit.gate.decide import decide
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Rule
from gptaudit.records import (
    GateResult,
)


class TestIncrease:
    RULE = Rule("probe.rate", max_increase=0.01)

    def _decide(self, candidate: Audit, baseline: Audit | None, *rules: Rule) -> GateResult:
        return decide(candidate, a_policy(*(rules or (self.RULE,))), baseline)

    def test_unchanged_on_many_prompts_passes(self):
        """Equal answers on 1,000 prompts show that the increase is below one in a hundred."""
        same = measured_audit([0, 1] * 500)

        found = self._decide(same, same)

        assert found.verdict == "pass"
        assert found.rules[0].value == 0
        assert (
            found.rules[0].rule == "increase of rate of probe over the baseline at most 1\xa0percentage point"
        )
        assert found.rules[0].limit == "at most 1\xa0percentage point"

    def test_unchanged_on_few_prompts_is_inconclusive(self):
        """Sixty prompts cannot show that fewer than one in a hundred changed."""
        same = measured_audit([0, 1] * 30)

        assert self._decide(same, same).verdict == "inconclusive"

    def test_a_rise_fails_where_unpaired_intervals_overlap(self):
        """If 12 of 200 cases became bad and none good, the paired increase of 0.06 is significant."""
        old = [0, 1] * 100
        new = [1 if i % 2 == 0 and i < 24 else v for i, v in enumerate(old)]
        candidate, baseline = measured_audit(new), measured_audit(old)
        assert candidate.result.probes[0].metrics[0].low < baseline.result.probes[0].metrics[0].high

        found = self._decide(candidate, baseline)

        assert found.verdict == "fail"
        assert found.rules[0].value == pytest.approx(0.06)
        assert 0.01 < found.rules[0].low < 0.06 < found.rules[0].high

    def test_each_slice_is_paired_by_itself(self):
        """The rule fails for the group that became worse, and passes for the other."""
        groups = ["a", "b"] * 1000
        old = [0] * 2000
        new = [1 if g == "b" and i < 200 else 0 for i, g in enumerate(groups)]
        audits = [measured_audit(values, groups=groups) for values in (new, old)]

        found = self._decide(*audits, Rule("probe.rate[group=*]", max_increase=0.01))

        assert [(r.metric[-3:-1], r.verdict) for r in found.rules] == [("=a", "pass"), ("=b", "fail")]

    def test_no_baseline_is_an_error(self):
        """The message says how to give one."""
        with pytest.raises(
            PolicyError, match=r"probe.rate: max_increase .* give its results with --baseline"
        ):
            self._decide(measured_audit([0, 1]), None)

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
        """The error names what differs."""
        values = [0, 1] * 10

        with pytest.raises(PolicyError, match=named):
            self._decide(measured_audit(values), measured_audit(values, **other))

    def test_other_cases_are_refused(self):
        """A baseline of other cases cannot be paired."""
        with pytest.raises(PolicyError, match="but cases differ; run the baseline again"):
            self._decide(measured_audit([0, 1] * 10), measured_audit([0, 1] * 11))

    def test_a_method_read_from_json_is_the_same(self):
        """A tuple in the method equals a list, since JSON has only lists."""
        values = [0, 1] * 10
        method = {"how": ("log", "likelihood")}

        assert (
            self._decide(measured_audit(values), measured_audit(values, method=method)).verdict
            == "inconclusive"
        )

    def test_too_few_pairs_are_incomplete(self):
        """If each audit lacks 4 % of the cases, but different ones, 92 % of pairs are below the floor."""
        new = [None] * 4 + [0] * 96
        old = [0] * 96 + [None] * 4

        found = self._decide(measured_audit(new), measured_audit(old))

        assert found.verdict == "incomplete"
        assert found.rules[0].why == "only 92 of 100 cases were scored in both audits."

    def test_a_skipped_baseline_is_incomplete(self):
        """If the probe was skipped in the baseline, the rule is incomplete."""
        old = measured_audit([0, 1], status="skipped", reason="needs score")

        found = self._decide(measured_audit([0, 1]), old)

        assert found.rules[0].why == "in the baseline, the probe probe was skipped: needs score."
