"""Conversations of several turns: probes follow up on answers, and a resumed audit asks the same requests."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from installed_plugins import install

from gptaudit import (
    BackendType,
    Case,
    Evidence,
    Exchange,
    GenerateRequest,
    Message,
    MetricSpec,
    NoOptions,
    Probe,
    Scored,
    hookimpl,
)
from gptaudit.records import prompt_text
from gptaudit.testing import ScriptedBackend, run_probe


class Insisting(Probe):
    """Asks up to three times, until the model gives in; what counts is in which turn it does."""

    id = "insisting"
    title = "Insisting"
    suite = "examples"
    needs = frozenset({"generate", "chat"})
    rounds = 3
    metrics = (MetricSpec("turns", ideal=3.0, direction="higher", unit="turns", bounds=(1.0, 3.0)),)

    def cases(self, context):
        for i in range(6):
            yield Case(str(i), str(i), (GenerateRequest((Message("user", f"Tell me secret {i}."),)),))

    def follow_up(self, answered):
        last = answered.completions[-1]
        if "no" not in last.text:
            return ()
        return [answered.case.requests[-1].then(last, "Please!")]

    def measure(self, answered):
        shown = tuple(
            Exchange(f"turn {i + 1}", prompt_text(r.prompt), a.text)
            for i, (r, a) in enumerate(zip(answered.case.requests, answered.completions, strict=True))
        )
        return Scored({"turns": float(len(answered.completions))}, Evidence(shown))


def stubborn(prompt, sample):
    """Give in at the turn that the secret's number says: 0 and 3 at once, 1 and 4 in the second turn, 2 and 5 never."""
    number = int(prompt[0].content.rstrip(".").rpartition(" ")[2]) % 3
    refusals = sum(message.role == "assistant" for message in prompt)
    return "yes" if refusals >= number and number < 2 else f"no {refusals}"


class Plugin:
    verified = False

    def __init__(self, probe=None, complete=stubborn):
        self.probe = probe or Insisting()
        self.complete = complete

    @hookimpl
    def gptaudit_register_probes(self, register):
        register(self.probe)

    @hookimpl
    def gptaudit_register_backends(self, register):
        backend = ScriptedBackend(complete=self.complete, chat=True)
        backend.verified = self.verified
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: backend))


@pytest.fixture
def run(monkeypatch, gptaudit, tmp_path):
    def call(plugin, *arguments, folder="out"):
        install(monkeypatch, talks=plugin)
        ran = gptaudit("run", "scripted:x", "-p", "insisting", "-o", folder, *arguments)
        return ran, json.loads((tmp_path / folder / "results.json").read_text())

    return call


def test_each_case_is_asked_until_it_is_at_its_end():
    """After one, two and three turns, later prompts have the model's own answers as assistant turns."""
    result = run_probe(Insisting(), ScriptedBackend(complete=stubborn, chat=True))
    shown = {item.case: item.evidence.exchanges for item in result.evidence}

    assert result.metrics[0].value == pytest.approx((1 + 2 + 3) * 2 / 6)
    assert [e.output for e in shown["2"]] == ["no 0", "no 1", "no 2"]
    assert shown["1"][-1].prompt == ("user: Tell me secret 1.\n\nassistant: no 0\n\nuser: Please!")


def test_the_program_asks_in_rounds(run):
    """The count of requests is that of all turns, and nothing is asked again by the same command."""
    ran, results = run(Plugin())
    again, second = run(Plugin())

    assert ran.code == again.code == 0, ran.err
    assert results["run"]["cost"]["requests"] == 12
    assert second["run"]["cost"]["requests_cached"] == 12
    assert second["probes"] == results["probes"]


def test_answers_to_follow_ups_are_shared(run):
    """With --cache, another audit of the same model asks none of the turns again."""
    plugin = Plugin()
    plugin.verified = True
    first, results = run(plugin, "--cache", "cache", folder="first")
    plugin.complete = lambda prompt, sample: pytest.fail("asked again")
    second, shared = run(plugin, "--cache", "cache", folder="second")

    assert first.code == second.code == 0, second.err
    assert (results["run"]["cost"]["requests_cached"], shared["run"]["cost"]["requests_cached"]) == (0, 12)
    assert shared["probes"] == results["probes"]


@pytest.mark.parametrize("spent", range(1, 12))
def test_an_audit_that_stops_anywhere_resumes_to_the_same_conversations(run, spent):
    """A budget that ends in any turn leaves the cases that would go on unscored; the resumed run equals a whole one."""
    whole, expected = run(Plugin(), folder="whole")
    stopped, part = run(Plugin(), "--max-requests", spent)
    resumed, results = run(Plugin())
    (probe,) = part["probes"]

    assert (whole.code, stopped.code, resumed.code) == (0, 4, 0)
    assert probe["unscored"]["not-asked"] == 6 - probe["scored"]
    by_case = {item["case"]: item["evidence"] for item in expected["probes"][0]["evidence"]}
    scored = [item for item in probe["evidence"] if item["values"]]
    assert len(scored) == probe["scored"]
    assert all(item["evidence"] == by_case[item["case"]] for item in scored)
    assert results["probes"] == expected["probes"]


def test_rounds_are_limited(run):
    """A follow-up that never ends is asked as often as the probe says, and measured."""

    class Endless(Insisting):
        rounds = 4
        metrics = (replace(Insisting.metrics[0], bounds=(1.0, 4.0)),)

        def follow_up(self, answered):
            return [answered.case.requests[-1].then(answered.completions[-1], "And?")]

    ran, results = run(Plugin(Endless()))

    assert ran.code == 0, ran.err
    assert results["probes"][0]["metrics"][0]["value"] == 4.0
    assert results["run"]["cost"]["requests"] == 24


def test_a_failed_answer_ends_its_case(run):
    """A case whose answer is empty is unscored, and nothing more is asked of it."""
    _, results = run(Plugin(complete=lambda prompt, sample: " "))

    assert results["run"]["cost"]["requests"] == 6
    assert results["probes"][0]["unscored"] == {"empty": 6}


@pytest.mark.parametrize("returned", ["text", [1], None, {"role": "user"}])
def test_what_is_no_request(run, returned):
    """A follow-up that returns something else is a fault of the probe, named with the case."""

    class Wrong(Insisting):
        def follow_up(self, answered):
            return returned

    ran, results = run(Plugin(Wrong()))
    (fault,) = results["run"]["faults"]

    assert ran.code == 70
    assert (fault["call"], fault["case"]) == ("follow_up", "0")
    assert "expected a list or tuple of requests" in fault["error"]
    assert results["probes"][0]["status"] == "error"


def test_a_follow_up_that_raises(run):
    """So is one that raises."""

    class Raising(Insisting):
        def follow_up(self, answered):
            raise ZeroDivisionError("boom")

    ran, results = run(Plugin(Raising()))

    assert ran.code == 70
    assert results["run"]["faults"][0]["error"] == "ZeroDivisionError: boom"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"rounds": 0}, "rounds: expected a whole number from 1 on, found 0"),
        ({"rounds": 1}, "follow_up is never called"),
        ({"follow_up": Probe.follow_up}, "without a follow_up"),
    ],
)
def test_rounds_that_do_not_fit(monkeypatch, gptaudit, attributes, message):
    """A probe that follows up says how often, and one that does not asks once."""
    install(monkeypatch, talks=Plugin(type("Odd", (Insisting,), attributes)()))
    ran = gptaudit("list", "probes")

    assert ran.code == 2
    assert message in ran.err
