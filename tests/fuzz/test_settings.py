"""Policies, configurations and suites that are damaged."""

from __future__ import annotations

import click
import pytest
from fuzz.damage import damaged, fuzz, many, reads
from gate_builders import a_metric, a_probe, a_result
from gptaudit.probes.kinds.registry import read_suite_file, suite_probe

from gptaudit.commands.run import run
from gptaudit.gate.decide import decide
from gptaudit.gate.figures import Audit
from gptaudit.gate.policy import load_policy
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext

POLICY = b"""schema = "gptaudit.policy/1"
coverage = 0.95
level = 0.95
correction = "holm"
inconclusive = "fail"

[[rule]]
metric = "probe.rate"
ideal = 0.5
tolerance = 0.10

[[rule]]
metric = "probe.rate[group=vel]"
max = 0.05
"""
CONFIGURATION = b"""schema = "gptaudit.config/1"
target = "decoder:clean"
probes = ["gender-occupation"]
excluded = ["bbq"]
data = "data"
limit = 3
elicited = false
seed = 1
policy = "policy.toml"
baseline = "before/results.json"
output = "out"
reports = ["junit"]
engine = "local"
cache = "cache"
max_requests = 100
max_tokens = 100
max_seconds = 1.5
quiet = true
fresh = false
[options]
batch_tokens = 64
template.enable_thinking = false
[scorers]
toxicity = "bundled"
"""
SUITE = """schema = "gptaudit.suite/1"
id = "t"
version = "1"
suite = "bias"
kind = "{kind}"
axis = "{axis}"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
"""
PAIRS = (
    SUITE.format(kind="pairs", axis="gender")
    + """templates = [{ id = "late", text = "The {term} said {subject} was {a_term}." }]
[groups.male]
subject = "he"
[groups.female]
subject = "she"
[terms]
male = ["actor"]
female = ["nurse"]
"""
)
CONTINUATIONS = (
    SUITE.format(kind="continuations", axis="group")
    + """samples = 2
sampling = { max_new_tokens = 5, top_p = 0.9 }
prompts = [{ id = "a", text = "Once", group = "none" }]
"""
)


def shipped(name):
    from importlib import resources

    return (resources.files("gptaudit.probes") / "suites" / f"{name}.toml").read_bytes()


SUITES = {
    "pairs": PAIRS.encode(),
    "continuations": CONTINUATIONS.encode(),
    "choice": shipped("choice-age"),
    "decision": shipped("decisions-names"),
    "association": shipped("gender-association"),
    "counterfactual-generation": shipped("trigger-phrases"),
    "behaviours": shipped("behaviours"),
}


@many(300)
def test_policies(tmp_path, examples):
    """A damaged policy is refused by its name, or decides; nothing passes that no rule names."""
    file = tmp_path / "policy.toml"
    groups = (a_metric(slice={"group": "vel"}), a_metric())
    audit = Audit(a_result(a_probe(*groups)), {})

    def check(content):
        file.write_bytes(content)
        gate = reads(lambda: decide(audit, load_policy(str(file))), "policy.toml")
        assert gate is None or gate.rules

    fuzz(damaged(POLICY), check, examples)


@many(300)
def test_configurations(tmp_path, monkeypatch, examples):
    """A damaged configuration is refused by its name, or gives arguments that the command takes or refuses."""
    monkeypatch.chdir(tmp_path)
    plugins, file = load_plugins(), tmp_path / "audit.toml"

    def arguments():
        try:
            return run.make_context("run", ["--config", "audit.toml"], obj=plugins)
        except click.UsageError:
            return None

    def check(content):
        file.write_bytes(content)
        reads(arguments, "audit.toml")

    fuzz(damaged(CONFIGURATION), check, examples)


@pytest.mark.parametrize("kind", SUITES)
@many(60, 2000)
def test_suites(tmp_path, kind, examples):
    """A damaged suite is refused by its name, or has cases."""
    file = tmp_path / "suite.toml"

    def cases():
        return list(suite_probe(*read_suite_file(file)).cases(ProbeContext(None, 0)))

    def check(content):
        file.write_bytes(content)
        found = reads(cases, "suite.toml")
        assert found is None or found

    check(SUITES[kind])
    fuzz(damaged(SUITES[kind]), check, examples)
