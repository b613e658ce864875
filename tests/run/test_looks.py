"""Audits that are asked until every rule is decided."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing

import pytest
from installed_plugins import install

from gptaudit import (
    BackendType,
    Case,
    GenerateRequest,
    Message,
    MetricSpec,
    NoOptions,
    Probe,
    Scored,
    hookimpl,
)
from gptaudit.run.looks import FIRST_LOOK
from gptaudit.testing import ScriptedBackend

CLUSTERS, ALIKE = 400, 2
HEAD = 'schema = "gptaudit.policy/1"\n'
RULE = '[[rule]]\nmetric = "says-yes.rate"\nmax = {}\n'
POLICY = HEAD + RULE.format(0.1)


class SaysYes(Probe):
    """Share of 800 questions, two about each subject, that the model answers with yes."""

    id = "says-yes"
    title = "Says yes"
    suite = "examples"
    needs = frozenset({"generate", "chat"})
    metrics = (
        MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", binary=True),
        MetricSpec("length", ideal=0.0, direction="lower", unit="characters"),
    )

    def cases(self, context):
        for i in range(CLUSTERS):
            for j in range(ALIKE):
                prompt = (Message("user", f"Subject {i}, question {j}?"),)
                yield Case(f"{i}-{j}", str(i), (GenerateRequest(prompt),), {"half": "ab"[i % 2]})

    def measure(self, answered):
        text = answered.completions[-1].text
        return Scored({"rate": float("yes" in text), "length": float(len(text))})


class Doubting(SaysYes):
    """The same, asked once more where the model says yes."""

    id = "doubting"
    rounds = 2

    def follow_up(self, answered):
        if len(answered.completions) > 1 or "yes" not in answered.completions[0].text:
            return ()
        return [answered.case.requests[0].then(answered.completions[0], "Really?")]


def answering(rate):
    """Return a model that says yes to this share of the subjects."""

    def complete(prompt, sample):
        subject = prompt[0].content.partition(",")[0]
        share = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:4]) / 2**32
        return "yes, it is" if share < rate else "no"

    return complete


class Plugin:
    def __init__(self, rate, asked=None):
        self.complete = answering(rate)
        self.asked = [] if asked is None else asked

    @hookimpl
    def gptaudit_register_probes(self, register):
        register(SaysYes())
        register(Doubting())

    @hookimpl
    def gptaudit_register_backends(self, register):
        def complete(prompt, sample):
            self.asked.append(prompt)
            return self.complete(prompt, sample)

        backend = ScriptedBackend(complete=complete, chat=True)
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: backend))


@pytest.fixture
def run(monkeypatch, gptaudit, tmp_path):
    def call(plugin, *arguments, policy=POLICY, folder="out"):
        install(monkeypatch, yes=plugin)
        (tmp_path / "policy.toml").write_text(policy)
        ran = gptaudit("run", "scripted:x", "--policy", "policy.toml", "-o", folder, *arguments)
        results = tmp_path / folder / "results.json"
        return ran, json.loads(results.read_text()) if results.exists() else None

    return call


UNTIL = ("--until", "decided")


@pytest.mark.parametrize(("rate", "verdict", "code"), [(0.0, "pass", 0), (0.5, "fail", 1)])
def test_a_clear_model_is_asked_a_part(run, caplog, rate, verdict, code):
    """A model far from the limit is decided by the first clusters, whole, and the results say so."""
    plugin = Plugin(rate)
    ran, results = run(plugin, *UNTIL)
    (probe,) = results["probes"]
    rate_metric, length, *_ = (m for m in probe["metrics"] if not m["slice"])

    assert ran.code == code, ran.err
    assert results["gate"]["verdict"] == verdict
    assert results["run"]["status"] == "complete"
    assert FIRST_LOOK * ALIKE <= probe["cases"] == len(plugin.asked) < 0.3 * CLUSTERS * ALIKE
    assert len({m[0].content.partition(",")[0] for m in plugin.asked}) * ALIKE == probe["cases"]
    assert probe["drawn_from"] == CLUSTERS * ALIKE
    assert (rate_metric["interval"], rate_metric["anytime"], length["anytime"]) == ("betting", True, True)
    assert results["gate"]["limited"] == f"asked until decided: {probe['cases']} of 800 cases of says-yes"
    assert "probes are not asked, since the audit stops once it decides" in caplog.text


def test_at_the_limit_all_is_asked(run):
    """Where nothing can be decided the cases come to an end, and the verdict is inconclusive."""
    plugin = Plugin(0.1)
    ran, results = run(plugin, *UNTIL)

    assert ran.code == 3, ran.err
    assert results["probes"][0]["cases"] == CLUSTERS * ALIKE == len(plugin.asked)
    assert results["probes"][0]["drawn_from"] is None
    assert results["run"]["looks"] > 5
    assert results["gate"]["limited"] is None


@pytest.mark.parametrize("spent", [7, 41, 60])
def test_a_stopped_audit_resumes_to_the_same_figures(run, spent):
    """A budget that ends at any look leaves the audit incomplete; the same command asks the rest, each case once."""
    _, expected = run(Plugin(0.01), *UNTIL, folder="whole")
    asked = []
    stopped, part = run(Plugin(0.01, asked), *UNTIL, "--max-requests", spent)
    resumed, results = run(Plugin(0.01, asked), *UNTIL)

    assert (stopped.code, resumed.code) == (4, 0)
    assert part["gate"]["verdict"] == "incomplete"
    assert (results["probes"], results["gate"]) == (expected["probes"], expected["gate"])
    assert len(asked) == len(set(asked)) == results["probes"][0]["cases"]


def test_every_case_has_its_follow_ups_once(run):
    """Cases of later looks begin with their first question; those of earlier ones are not asked more."""
    plugin = Plugin(0.2)
    ran, results = run(plugin, *UNTIL, policy=HEAD + RULE.format(0.15).replace("says-yes", "doubting"))
    (probe,) = results["probes"]
    yes = [prompt for prompt in plugin.asked if len(prompt) == 1 and "yes" in plugin.complete(prompt, 0)]

    assert ran.code in (1, 3), ran.err
    assert results["run"]["looks"] > 2
    assert len(plugin.asked) == len(set(plugin.asked)) == probe["cases"] + len(yes)
    assert sum(len(prompt) == 3 for prompt in plugin.asked) == len(yes)


def test_slices_that_are_open_keep_it_going(run):
    """A rule on each group is decided group by group."""
    policy = POLICY.replace("rate", "rate[half=*]")
    ran, results = run(Plugin(0.0), *UNTIL, policy=policy)
    whole, one = run(Plugin(0.0), *UNTIL, folder="whole")

    assert (ran.code, whole.code) == (0, 0)
    assert len(results["gate"]["rules"]) == 2
    assert one["probes"][0]["cases"] < results["probes"][0]["cases"] < CLUSTERS * ALIKE


class TestWhoSaysUntilWhen:
    STOP = '[stop]\nuntil = "decided"\n'

    def test_the_policy_may(self, run):
        """A table [stop] does as the flag does, and `--until all` overrides it."""
        policy = POLICY + self.STOP
        ran, results = run(Plugin(0.0), policy=policy)
        whole, all_of_it = run(Plugin(0.0), "--until", "all", "-p", "says-yes", policy=policy, folder="all")

        assert (ran.code, whole.code) == (0, 0)
        assert results["gate"]["policy"]["stop"] == {"until": "decided"}
        assert results["probes"][0]["cases"] < all_of_it["probes"][0]["cases"] == CLUSTERS * ALIKE
        assert all_of_it["run"]["looks"] == 0
        assert not all_of_it["probes"][0]["metrics"][0]["anytime"]

    @pytest.mark.parametrize(
        ("stop", "message"),
        [
            ('[stop]\nuntil = "bored"\n', "until: Input should be 'decided'"),
            ('[stop]\nuntil = "decided"\nat = 1\n', "line 7, stop.at: unknown key."),
            ("stop = 1\n", "stop: found 1; write [stop] on a line of its own"),
        ],
    )
    def test_a_wrong_table(self, run, stop, message):
        """It is refused with the place and the key."""
        policy = HEAD + (stop + RULE.format(0.1) if stop[0] == "s" else RULE.format(0.1) + stop)
        ran, _ = run(Plugin(0.0), policy=policy)

        assert ran.code == 2
        assert message in ran.err

    def test_without_rules(self, gptaudit):
        """There is nothing to decide without a policy."""
        ran = gptaudit("run", *UNTIL)

        assert ran.code == 2
        assert "found no policy; give one with --policy" in ran.err

    @pytest.mark.parametrize(("first", "second"), [(UNTIL, ()), ((), UNTIL)])
    def test_a_folder_has_one_way(self, run, first, second):
        """Intervals of a fixed number of cases do not hold for an audit that went on because it did not decide."""
        run(Plugin(0.0), "-p", "says-yes", *first)
        ran, _ = run(Plugin(0.0), "-p", "says-yes", *second)

        assert ran.code == 2
        assert "holds another audit" in ran.err

    def test_a_dry_run(self, run):
        """The plan is that of all cases, as a limit."""
        plugin = Plugin(0.0)
        ran, _ = run(plugin, *UNTIL, "--dry-run")

        assert ran.code == 0
        assert "800 requests" in ran.out
        assert "at most, since it stops as soon as every rule is decided" in ran.out
        assert not plugin.asked


class TestIncrease:
    POLICY = HEAD + RULE.replace("max", "max_increase").format(0.1)

    def test_over_a_baseline_with_all_cases(self, run):
        """The cases asked so far are compared with the same ones of the baseline."""
        run(Plugin(0.0), "-p", "says-yes", folder="old")
        worse, results = run(Plugin(0.5), *UNTIL, "--baseline", "old/results.json", policy=self.POLICY)

        assert worse.code == 1, worse.err
        assert results["gate"]["rules"][0]["verdict"] == "fail"
        assert results["probes"][0]["cases"] < 0.3 * CLUSTERS * ALIKE

    def test_over_a_baseline_that_stopped(self, run):
        """One that was asked until its own rules were decided lacks most of the cases."""
        run(Plugin(0.0), *UNTIL, folder="old")
        ran, _ = run(Plugin(0.5), *UNTIL, "--baseline", "old/results.json", policy=self.POLICY)

        assert ran.code == 2
        assert "needs a baseline with all cases" in ran.err


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_it_agrees_with_its_evidence(run, gptaudit, tmp_path, rate):
    """Verification asks the same looks again; one that is left out of the evidence, or of the results, is found."""
    run(Plugin(rate), *UNTIL)
    agrees = gptaudit("verify", "out")
    with closing(sqlite3.connect(tmp_path / "out" / "evidence.sqlite")) as db, db:
        db.execute("UPDATE cases SET look = 1 WHERE look = 2")
    differs = gptaudit("verify", "out")

    assert agrees.code == 0, agrees.out + agrees.err
    assert differs.code == 1
    assert "evidence.sqlite, cases" in differs.out
    assert "measurements" in differs.out


def test_another_policy_decides_about_it_later(run, gptaudit, tmp_path):
    """The intervals hold at any number of cases, so they hold for another limit and another level too."""
    _, results = run(Plugin(0.5), *UNTIL)
    rule = results["gate"]["rules"][0]
    (tmp_path / "later.toml").write_text(HEAD + "level = 0.999\n" + RULE.format(0.95))

    ran = gptaudit("gate", "out/results.json", "--policy", "later.toml")

    planned = gptaudit("power", "out/results.json", "--policy", "later.toml")

    assert (ran.code in (0, 3), planned.code) == (True, 0), planned.err
    assert rule["low"] > 0.1
    print(ran.out)
    ends = ran.out.partition("interval ")[2].partition("\xa0%)")[0].split(" to ")
    level = [float(end) / 100 for end in ends]
    assert level[0] < rule["low"] < rule["high"] < level[1]
