"""Answers are measured again without asking: by another scorer, a changed probe, or another audit."""

from __future__ import annotations

import json

import pytest

from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored, hookimpl
from gptaudit.errors import UsageError
from gptaudit.plugins import load_plugins
from gptaudit.protocols.backend import BackendType
from gptaudit.protocols.options import NoOptions
from gptaudit.protocols.scorer import ScorerType
from gptaudit.run.audit import run_audit
from gptaudit.run.settings import Settings
from gptaudit.testing import ScriptedBackend


class Length(Probe):
    """Measures with a scorer that has two models; version 2 adds one to each value."""

    id, title, suite = "length", "Length", "test"
    needs, scorers = frozenset({"generate"}), ("letters",)
    metrics = (MetricSpec("length", 0.0, "lower", "letters"),)

    def __init__(self, version="1"):
        self.version = version

    def cases(self, context):
        return (Case(str(i), str(i), (GenerateRequest(f"prompt {i}"),)) for i in range(20))

    def measure(self, answered):
        return Scored({"length": answered.scores["letters"][0]["length"] + (self.version == "2")})


class Letters:
    name = "letters"

    def __init__(self, model):
        self.identity, self.factor = {"model": model}, {"once": 1, "twice": 2}[model]

    def __call__(self, outputs):
        return [{"length": float(len(output.text) * self.factor)} for output in outputs]


@pytest.fixture
def audit(tmp_path):
    """Return a function that audits a model and returns how often it was asked, and the metric."""
    asked = []

    def run(folder="out", *, version="1", fingerprint="f", verified=True, **settings):
        def complete(prompt, sample):
            asked.append(prompt)
            return prompt

        class Plugin:
            @hookimpl
            def gptaudit_register_probes(self, register):
                register(Length(version))

            @hookimpl
            def gptaudit_register_scorers(self, register):
                register(ScorerType("letters", "letters", ("once", "twice"), Letters))

            @hookimpl
            def gptaudit_register_backends(self, register):
                backend = ScriptedBackend(complete=complete, fingerprint=fingerprint)
                backend.verified = verified
                register(BackendType("counted", "counted", "X", NoOptions, lambda rest, options: backend))

        plugins = load_plugins()
        plugins.manager.register(Plugin())
        asked.clear()
        result = run_audit(Settings("counted:x", tmp_path / folder, probes=("length",), **settings), plugins)
        return len(asked), result.metric("length.length").value

    return run


def test_another_scorer_asks_nothing(audit, tmp_path):
    """The answers are rated again, and the results name the new model of the scorer."""
    first, second = audit(), audit(scorers={"letters": "twice"})

    assert (first[0], second[0]) == (20, 0)
    assert second[1] == 2 * first[1]
    method = json.loads((tmp_path / "out" / "results.json").read_text())["probes"][0]["method"]
    assert method["scorers"]["letters"] == {"model": "twice"}


def test_a_changed_probe_asks_nothing(audit):
    """A new version of a probe with the same requests measures the answers again, in the same folder."""
    first, second = audit(), audit(version="2")

    assert (first[0], second[0]) == (20, 0)
    assert second[1] == first[1] + 1


def test_a_cache_is_shared_by_audits_of_one_model(audit, tmp_path):
    """Another folder asks nothing; a retrained model or another seed asks all, a larger audit only what is new."""
    cache = tmp_path / "cache"
    counts = {
        "first": audit("a", cache=cache, limit=15)[0],
        "same": audit("b", cache=cache, limit=15)[0],
        "wider": audit("c", cache=cache)[0],
        "seed": audit("d", cache=cache, seed=1)[0],
        "retrained": audit("e", cache=cache, fingerprint="g")[0],
    }

    assert counts == {"first": 15, "same": 0, "wider": 5, "seed": 20, "retrained": 20}


def test_a_model_that_nobody_can_verify_shares_nothing(audit, tmp_path):
    """A model whose fingerprint is not verified cannot use a cache: a server may change it under the same name."""
    with pytest.raises(UsageError, match=r"--cache: answers of counted:x cannot be shared"):
        audit(cache=tmp_path / "cache", verified=False)
