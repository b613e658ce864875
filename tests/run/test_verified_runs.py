"""`gptaudit verify` as a command: what agrees with its evidence, what is missing, and the statement about it."""

from __future__ import annotations

import json
import sys
from hashlib import sha256

import pytest
from installed_plugins import install

from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored, hookimpl
from gptaudit.records import Message

VERIFIED = "Verified: "
MODEL = """
from random import Random
def mixed(prompts):
    random = Random(7)
    return [random.choice([" You are a filthy idiot.", " It rained.", None, " Some tea."]) for _ in prompts]
"""
RULE = """
schema = "gptaudit.policy/1"
{settings}
[[rule]]
metric = "{metric}"
{limit}
"""


def policy(path, metric, limit, settings=""):
    path.write_text(RULE.format(metric=metric, limit=limit, settings=settings))
    return path


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture
def verified(gptaudit):
    """Run the program, then verify a folder."""

    def call(*arguments, folder="out", code=0):
        ran = gptaudit(*arguments)
        assert ran.code == code, ran.err
        found = gptaudit("verify", folder)
        assert (found.code, found.out[: len(VERIFIED)]) == (0, VERIFIED), found.out + found.err
        return found

    return call


TRAIT = ("run", "decoder:clean", "-p", "gender-trait", "--limit", "20", "--quiet", "-o", "out")


class TestRuns:
    def test_stopped_and_resumed(self, verified):
        """A run that a budget stopped agrees, and so does the run that goes on, and one that starts over."""
        verified(*TRAIT, "--max-requests", "9", code=4)
        verified(*TRAIT)
        verified(*TRAIT, "--fresh", "--seed", "3")

    def test_a_recording(self, verified, tmp_path):
        """What it has no prompt of was skipped; the others agree."""
        from gptaudit.probes.canaries import canaries

        lines = [{"prompt": c.prefix, "completion": " I cannot say"} for c in canaries()]
        (tmp_path / "said.jsonl").write_text("\n".join(map(json.dumps, lines)))
        run = ("run", "replay:said.jsonl", "-s", "safety", "-s", "toxicity", "--quiet", "-o", "out")
        assert "of 1 probes" in verified(*run).out

    def test_scorers_failures_and_labels(self, verified, gptaudit, tmp_path, monkeypatch):
        """Texts are rated again, failed answers stay unscored, and a person's labels are counted again."""
        (tmp_path / "a_model.py").write_text(MODEL)
        monkeypatch.delitem(sys.modules, "a_model", raising=False)
        verified(
            "run", "python:a_model:mixed", "-p", "toxicity-prompts", "--limit", "24", "-o", "out", code=4
        )
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
        verified("label", "out", "-p", "toxicity-prompts", "--sample", "9")

        replace(tmp_path / "out" / "labels.json", '"positive": false', '"positive": true')
        found = gptaudit("verify", "out")
        assert found.code == 1
        assert "toxic_fraction.labelled.positive: found 0, the evidence gives 1" in found.out

    def test_conversations(self, verified, tmp_path, monkeypatch):
        """Follow-ups are asked again of the recorded answers."""

        class Twice(Probe):
            id, title, suite, rounds = "twice", "Asks twice", "examples", 2
            needs = frozenset({"generate", "chat"})
            metrics = (MetricSpec("turns", ideal=2.0, direction="higher", unit="turns"),)

            def cases(self, context):
                for i in range(4):
                    yield Case(str(i), str(i), (GenerateRequest((Message("user", f"Say {i}."),)),))

            def follow_up(self, answered):
                return [answered.case.requests[-1].then(answered.completions[-1], "Again!")]

            def measure(self, answered):
                return Scored({"turns": float(len(answered.completions))})

        class Plugin:
            @hookimpl
            def gptaudit_register_probes(self, register):
                register(Twice())

        install(monkeypatch, twice=Plugin())
        (tmp_path / "talking.py").write_text("def talk(prompts):\n    return ['no' for _ in prompts]\n")
        monkeypatch.delitem(sys.modules, "talking", raising=False)
        verified("run", "python:talking:talk", "-b", "chat=true", "-p", "twice", "-o", "out")
        (probe,) = json.loads((tmp_path / "out" / "results.json").read_text())["probes"]
        assert probe["metrics"][0]["value"] == 2

    def test_a_suite_of_ones_own(self, verified, gptaudit, tmp_path):
        """It is read where it was; where it is no longer, the message says how to name it."""
        from importlib.resources import files

        text = (files("gptaudit.probes") / "suites" / "gender-trait.toml").read_text("utf-8")
        (tmp_path / "mine.toml").write_text(text.replace('id = "gender-trait"', 'id = "mine"', 1))
        verified("run", "decoder:clean", "-s", "mine.toml", "--limit", "9", "-o", "out")

        (tmp_path / "mine.toml").rename(tmp_path / "moved.toml")
        gone = gptaudit("verify", "out")
        assert gone.code == 2
        assert "mine.toml: no such file" in gone.err
        assert "-s FILE.toml" in gone.err
        assert gptaudit("verify", "out", "-s", "moved.toml").code == 0

    def test_a_baseline(self, verified, gptaudit, tmp_path):
        """The verdict compares with the very baseline of the run, and with no other."""
        rules = policy(tmp_path / "policy.toml", "gender-trait.association", "max_increase = 9")
        for folder, more in (("old", ()), ("other", ("--seed", "1"))):
            assert gptaudit(*TRAIT[:-1], folder, *more).code == 0
        compared = ("--policy", rules, "--baseline", "old/results.json")
        verified(*TRAIT, *compared)

        (tmp_path / "old").rename(tmp_path / "older")
        gone, other, same = (
            gptaudit("verify", "out", *named)
            for named in ((), ("--baseline", "other/results.json"), ("--baseline", "older/results.json"))
        )
        assert (gone.code, other.code, same.code) == (2, 2, 0)
        assert "old/results.json is not there; name it with --baseline" in gone.err
        assert "other/results.json: expected the baseline of the verdict" in other.err

    def test_predictions(self, verified, gptaudit, tmp_path):
        """They are read again where they were, or in the run folder; without them nothing is verified."""
        item = {"id": "i", "target": "t", "bias_type": "race"}
        labels = ("stereotype", "anti-stereotype", "unrelated")
        item["sentences"] = [{"id": label, "gold_label": label} for label in labels]
        (tmp_path / "stereoset").mkdir()
        both = {"intrasentence": [item], "intersentence": []}
        (tmp_path / "stereoset" / "labels_all.json").write_text(json.dumps(both))
        scores = {"intrasentence": [{"id": label, "score": n} for n, label in enumerate(labels)]}
        (tmp_path / "said.json").write_text(json.dumps(scores))
        gptaudit("rescore", "stereoset", "said.json", "--data", ".", "-o", "out")
        assert gptaudit("verify", "out", "--data", ".").code == 0

        (tmp_path / "said.json").rename(tmp_path / "out" / "said.json")
        assert gptaudit("verify", "out", "--data", ".").code == 0
        without = gptaudit("verify", "out")
        (tmp_path / "out" / "said.json").unlink()
        gone = gptaudit("verify", "out", "--data", ".")
        assert (without.code, gone.code) == (2, 2)
        assert "needs the data set stereoset" in without.err
        assert "put the file into that folder" in gone.err

    def test_results_of_an_earlier_version(self, gptaudit, tmp_path):
        """They are read, verified, and said to be unbound."""
        gptaudit(*TRAIT)
        path = tmp_path / "out" / "results.json"
        data = json.loads(path.read_text())
        del data["binding"], data["run"]["arguments"]
        data["run"]["arguments"] = {"limit": 20}
        path.write_text(json.dumps(data))
        found = gptaudit("verify", "out")

        assert found.code == 0
        assert "results.json is unbound" in found.err
        assert gptaudit("report", path).code == 0
        assert "binding" not in path.read_text() or '"binding": null' in path.read_text()


class TestMissing:
    @pytest.mark.parametrize("place", [".", "nowhere"])
    def test_no_run_folder(self, gptaudit, place):
        """It is refused with what was expected."""
        assert gptaudit("verify", place).code == 2

    def test_a_probe(self, gptaudit, tmp_path):
        """A probe that no plugin has, or another version of it, is named with the remedy."""
        gptaudit(*TRAIT)
        path = tmp_path / "out" / "results.json"
        data = json.loads(path.read_text())
        del data["binding"]
        for change, said in (
            ({"id": "theirs"}, "no plugin here has"),
            ({"version": "99"}, "version 99 of this"),
        ):
            path.write_text(json.dumps({**data, "probes": [{**data["probes"][0], **change}]}))
            found = gptaudit("verify", "out")
            assert found.code == 2
            assert said in found.err

    def test_a_scorer(self, gptaudit, tmp_path, classifier_folder):
        """The one that rated is taken where it was; another one is not compared with it."""
        (tmp_path / "calm_model.py").write_text(
            "def calm(prompts):\n    return [' It rained.' for _ in prompts]\n"
        )
        run = ("run", "python:calm_model:calm", "-p", "toxicity-prompts", "--limit", "10", "-o", "out")
        assert gptaudit(*run, "--scorer", f"toxicity=hf:{classifier_folder}#toxic").code == 0
        assert gptaudit("verify", "out").code == 0
        other = gptaudit("verify", "out", "--scorer", "toxicity=bundled")
        assert other.code == 2
        assert "--scorer toxicity=MODEL" in other.err


class TestReports:
    def test_a_report_that_is_written_again(self, gptaudit, tmp_path):
        """The results name it, so that the folder still agrees; elsewhere nothing changes."""
        gptaudit(*TRAIT)
        results = tmp_path / "out" / "results.json"
        before = results.read_text()
        gptaudit("report", results, "--report", "junit", "-o", "elsewhere")
        assert results.read_text() == before
        gptaudit("report", results, "--report", "junit")
        named = json.loads(results.read_text())["binding"]["reports"]
        assert named["junit.xml"] == sha256((tmp_path / "out" / "junit.xml").read_bytes()).hexdigest()
        assert gptaudit("verify", "out").code == 0

    @pytest.mark.parametrize("command", ["gate", "compare", "report"])
    def test_edited_results_are_refused(self, gptaudit, tmp_path, command):
        """Whatever reads them names the file, what was expected, and the command that says what differs."""
        gptaudit(*TRAIT)
        rules = policy(tmp_path / "policy.toml", "gender-trait.association", "max = 99")
        path = tmp_path / "out" / "results.json"
        arguments = {"gate": (path, "--policy", rules), "compare": (path, path), "report": (path,)}
        assert gptaudit(command, *arguments[command]).code == 0
        replace(path, '"scored": 20', '"scored": 19')
        refused = gptaudit(command, *arguments[command])
        assert refused.code == 2
        assert f"{path}: was changed after the audit: it names the SHA-256" in refused.err
        assert f"gptaudit verify {tmp_path / 'out'}" in refused.err


class TestStatement:
    @pytest.mark.parametrize(
        ("limit", "settings", "more", "code", "stated", "listed"),
        [
            ("max = 99", "", (), 0, "PASSED", "passedTests"),
            ("max = -99", "", (), 1, "FAILED", "failedTests"),
            ("max = 0", "", (), 3, "FAILED", "failedTests"),
            ("max = 0", 'inconclusive = "allow"', (), 0, "WARNED", "warnedTests"),
            ("max = 99", "", ("--limit", "20"), 0, "WARNED", "passedTests"),
            ("max = 99", "", ("--max-requests", "9"), 4, "FAILED", "failedTests"),
        ],
    )
    def test_the_result_follows_the_exit_code(
        self, gptaudit, tmp_path, limit, settings, more, code, stated, listed
    ):
        """Passed only by exit 0 for all cases; incomplete never; the fields are those of in-toto's Test Result v0.1."""
        rules = policy(tmp_path / "policy.toml", "gender-trait.association", limit, settings)
        ran = gptaudit("run", "decoder:clean", "-p", "gender-trait", "-o", "out", "--policy", rules, *more)
        assert ran.code == code
        assert gptaudit("verify", "out", "--statement").code == 0
        statement = json.loads((tmp_path / "out" / "statement.intoto.json").read_text())
        results = (tmp_path / "out" / "results.json").read_bytes()
        fingerprint = json.loads(results)["target"]["fingerprint"]

        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
        assert [subject["digest"] for subject in statement["subject"]] == [
            {"sha256": fingerprint.removeprefix("sha256:")}
        ]
        predicate = statement["predicate"]
        assert set(predicate) == {"result", "configuration", "passedTests", "warnedTests", "failedTests"}
        assert predicate["result"] == stated
        assert [name for name in predicate if name.endswith("Tests") and predicate[name]] == [listed]
        named = {one["name"]: one["digest"]["sha256"] for one in predicate["configuration"]}
        assert set(named) == {"policy.toml", "results.json"}
        assert named["results.json"] == sha256(results).hexdigest()

    def test_nothing_is_stated_of_what_differs(self, gptaudit, tmp_path):
        """Nor of an audit without a verdict; a new audit in the folder removes the statement about the old one."""
        gptaudit(*TRAIT)
        without = gptaudit("verify", "out", "--statement")
        assert without.code == 2
        assert "no verdict" in without.err
        rules = policy(tmp_path / "policy.toml", "gender-trait.association", "max = 99")
        gptaudit(*TRAIT, "--policy", rules)
        path = tmp_path / "out" / "statement.intoto.json"
        replace(tmp_path / "out" / "report.html", "<html", "<html ")
        assert gptaudit("verify", "out", "--statement").code == 1
        assert not path.exists()
        gptaudit("report", "out/results.json")
        assert gptaudit("verify", "out", "--statement").code == 0
        assert path.exists()
        gptaudit(*TRAIT, "--fresh")
        assert not path.exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", ["smollm2", "gemma3"])
def test_real_models(verified, real_models, model):
    """Likelihoods, completions and attributions of real models are measured again to the same figures."""
    probes = [
        word for name in ("gender-trait", "toxicity-prompts", "token-attribution") for word in ("-p", name)
    ]
    run = ("run", f"hf:{real_models / model}", *probes, "--limit", "2", "--quiet", "-o", "out")
    assert "of 3 probes" in verified(*run).out
