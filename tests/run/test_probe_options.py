"""Options of probes: `-P PROBE.OPTION=VALUE`."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from installed_plugins import install

import gptaudit as package
from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored, hookimpl


@dataclass(frozen=True)
class Options:
    least: int = 3
    loud: bool = False

    def __post_init__(self):
        if self.least < 1:
            msg = f"least: expected at least 1, found {self.least}"
            raise ValueError(msg)


class Long(Probe):
    id = "long.words"
    title = "Long"
    suite = "mine"
    needs = frozenset({"generate"})
    judges_cut = True
    options = Options()
    metrics = (MetricSpec("long_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)

    def cases(self, context):
        for text in ("One", "Two", "Three"):
            yield Case(text, text, (GenerateRequest(text),))

    def measure(self, answered):
        return Scored({"long_rate": float(len(answered.completions[0].text) >= self.options.least)})


class Plugin:
    @hookimpl
    def gptaudit_register_probes(self, register):
        register(Long())


@pytest.fixture
def run(monkeypatch, gptaudit, tmp_path):
    install(monkeypatch, mine=Plugin())
    (tmp_path / "four_model.py").write_text("def four(prompts): return ['four' for _ in prompts]")

    def call(*options, output="out"):
        ran = gptaudit("run", "python:four_model:four", "-p", "long.words", *options, "-o", output)
        path = tmp_path / output / "results.json"
        return ran, json.loads(path.read_text())["probes"][0] if path.exists() else None

    return call


def test_what_is_chosen_holds_and_is_part_of_the_method(run):
    """The probe sees its options; those that are not its own stand in the method, and no others."""
    _, same = run("-P", "long.words.least=3", output="same")
    ran, chosen = run("-P", "long.words.least=5", output="chosen")

    assert ran.code == 0, ran.err
    assert [p["metrics"][0]["value"] for p in (same, chosen)] == [1.0, 0.0]
    assert same["method"] == {"sampling": "the target's own"}
    assert chosen["method"] == {**same["method"], "options": {"least": 5}}


@pytest.mark.slow
def test_another_choice_is_another_plan(run, gptaudit):
    """A folder belongs to the options of its probes, though the same is asked; it is verified with them."""
    run("-P", "long.words.least=5")
    again, _ = run("-P", "long.words.least=4")
    verified = gptaudit("verify", "out")

    assert again.code == 2
    assert "--fresh" in again.err
    assert verified.code == 0, verified.out + verified.err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("long.words.lest=3", "the probe long.words has no option 'lest'. Did you mean 'least'?"),
        ("long.words.least=few", "options of long.words: key 'least': Input should be a valid integer"),
        ("long.words.least=0", "options of long.words: least: expected at least 1, found 0"),
        ("long.word.least=3", "no such probe."),
        ("least=3", "-P least=3: expected PROBE.OPTION=VALUE"),
        ("age.least=3", "the probe age has no option 'least'. It has none."),
        ("toxicity-prompts.samples=0", "key 'samples': expected at least 1, found 0"),
        (
            "toxicity-prompts.temperature=0",
            "expected 1, since at temperature 0 all samples are equal, found 5",
        ),
    ],
)
def test_what_is_refused(run, option, said):
    """Exit 2, with what is accepted, before anything is asked."""
    ran, results = run("-P", option)

    assert (ran.code, results) == (2, None)
    assert said in ran.err


def test_it_may_stand_in_the_configuration_and_in_python(run, gptaudit, monkeypatch, tmp_path):
    """A table for each probe; the command line replaces single keys."""
    table = '[probe_options."long.words"]\nleast = 5\nloud = true\n'
    (tmp_path / "gptaudit.toml").write_text(f'schema = "gptaudit.config/1"\n{table}')
    ran, results = run("-P", "long.words.least=2")
    options = {"long.words": {"least": 9}}
    audit = package.audit(
        lambda prompts: ["four"] * len(prompts), probes="long.words", probe_options=options, quiet=True
    )

    assert ran.code == 0, ran.err
    assert results["method"]["options"] == {"least": 2, "loud": True}
    assert audit.figure("long.words.long_rate").value == 0.0


def test_they_are_listed(run, gptaudit):
    """`list probes NAME` shows what may be chosen, and what holds otherwise."""
    listed, unknown = (
        gptaudit("list", "probes", "toxicity-prompts"),
        gptaudit("list", "probes", "toxicity-prompt"),
    )

    assert "options        samples=5, max_new_tokens=20, temperature=1.0, top_p=1.0" in listed.out
    assert unknown.code == 2
    assert "Did you mean 'toxicity-prompts' or" in unknown.err


@pytest.mark.parametrize("samples", [2, 7])
def test_sampled_toxicity_asks_as_often_as_chosen(samples):
    """The built-in probes of sampled continuations ask so many samples, of so many tokens, and rate as many."""
    from gptaudit.probes.sampling_helpers import SamplingOptions

    from gptaudit.plugins import load_plugins
    from gptaudit.probe import ProbeContext

    probe = load_plugins().probes["toxicity-prompts"].with_options(SamplingOptions(samples, 8, 0.7, 0.9))
    requests = next(iter(probe.cases(ProbeContext(None, 0)))).requests

    assert [request.sample for request in requests] == list(range(samples))
    assert {(r.sampling.max_new_tokens, r.sampling.temperature, r.sampling.top_p) for r in requests} == {
        (8, 0.7, 0.9)
    }
    assert probe.metrics[0].rated.any_of == probe.method()["samples"] == samples


def test_a_probe_at_hand():
    """From Python a probe is given as it is, beside names; its class as it is written is part of the method."""
    audit = package.audit(
        lambda prompts: ["four"] * len(prompts), probes=[Long(), "canary-extraction"], limit=2, quiet=True
    )
    (own, other) = audit.result.probes

    assert {own.id, other.id} == {"long.words", "canary-extraction"}
    method = {probe.id: probe.method for probe in audit.result.probes}
    assert method["long.words"]["code"].startswith("sha256:")
    assert "code" not in method["canary-extraction"]
