"""`gptaudit power` agrees with what the gate then decides."""

from __future__ import annotations

import json
import random

import pytest
from gate_builders import a_metric, a_policy, a_probe, a_result, measured_audit

from gptaudit.gate.decide import decide
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Rule
from gptaudit.gate.power import needs


def need(audit, *rules, power=0.9, **settings):
    return next(needs(audit, a_policy(*rules, **settings), None, power=power))


def an_audit(value, low, high, clusters=100):
    return Audit(a_result(a_probe(a_metric("rate", value, low, high, clusters=clusters))))


@pytest.mark.parametrize(
    ("rule", "outcome", "margin"),
    [
        (Rule("probe.rate", max=0.4), "pass", 0.1),
        (Rule("probe.rate", max=0.2), "fail", 0.1),
        (Rule("probe.rate", min=0.25), "pass", 0.05),
        (Rule("probe.rate", min=0.35), "fail", 0.05),
        (Rule("probe.rate", ideal=0.35, tolerance=0.1), "pass", 0.05),
        (Rule("probe.rate", ideal=0.5, tolerance=0.1), "fail", 0.1),
    ],
)
def test_the_outcome_and_the_nearest_limit(rule, outcome, margin):
    """The outcome, and the distance of the figure from the limit that decides it."""
    found = need(an_audit(0.3, 0.26, 0.34), rule)

    assert found.outcome == outcome
    assert found.margin == pytest.approx(margin)


def test_the_side_that_faces_the_limit_counts():
    """A skewed interval needs more clusters towards its long side."""
    skewed = an_audit(0.3, 0.28, 0.40)
    needed = {
        rule.max if rule.min is None else rule.min: need(skewed, rule).needed
        for rule in (Rule("probe.rate", max=0.4), Rule("probe.rate", min=0.2))
    }

    assert needed[0.4] > 5 * needed[0.2]
    assert need(skewed, Rule("probe.rate", max=0.2)).needed < need(skewed, Rule("probe.rate", min=0.4)).needed


def test_many_rules_need_more():
    """To fail among many, under Holm, takes more clusters; to pass does not."""
    audit = Audit(a_result(a_probe(*(a_metric(f"m{i}", 0.3, 0.26, 0.34, clusters=100) for i in range(10)))))
    fails = [Rule(f"probe.m{i}", max=0.2) for i in range(10)]
    passes = [Rule(f"probe.m{i}", max=0.4) for i in range(10)]

    assert need(audit, *fails).needed > need(audit, *fails, correction="none").needed
    assert need(audit, *passes).needed == need(audit, *passes, correction="none").needed


@pytest.mark.slow
@pytest.mark.parametrize("rule", [Rule("probe.rate", max=0.3), Rule("probe.rate", ideal=0.2, tolerance=0.12)])
def test_the_gate_decides_as_often_as_promised(rule):
    """An audit with the needed number of clusters passes in about 90 % of cases.

    Wilson's interval is not symmetric, the more so the fewer clusters, so the share is off by a few points.
    """
    generator = random.Random(0)

    def audit(clusters):
        chances = [generator.betavariate(2, 8) for _ in range(clusters)]
        values = [int(generator.random() < chance) for chance in chances for _ in range(4)]
        return measured_audit(values, clusters=[i // 4 for i in range(4 * clusters)])

    pilot = need(audit(4000), rule)
    passed = sum(decide(audit(pilot.needed), a_policy(rule)).verdict == "pass" for _ in range(400))

    assert 0.83 <= passed / 400 <= 0.96


def test_the_command(gptaudit, tmp_path):
    """It prints sentences, or JSON, for a finished audit; a missing file exits 2."""
    assert (
        gptaudit("run", "decoder:clean", "-p", "gender-occupation", "--limit", "140", "-o", "out").code == 0
    )
    (tmp_path / "p.toml").write_text(
        'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "gender-occupation.stereotype_probability"\nmax = 0.6\n'
    )
    ran = gptaudit("power", "out/results.json", "--policy", "p.toml")
    assert ran.code == 0
    assert "to pass in 90% of audits it needs" in ran.out
    (found,) = json.loads(gptaudit("power", "out/results.json", "--policy", "p.toml", "--json").out)
    assert found["outcome"] == "pass"
    assert found["needed"] > 1
    assert gptaudit("power", "nowhere.json", "--policy", "p.toml").code == 2
