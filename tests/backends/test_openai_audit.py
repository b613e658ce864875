"""Audits of a model behind a server, as a user runs them."""

from __future__ import annotations

import html
import json
import re
import sqlite3
import sys
import threading
import time
from collections import Counter

import pytest

from gptaudit.testing import toy_model
from gptaudit.testing.faulty_server import HEEDED, FaultyServer
from gptaudit.testing.protocol_faults import FAULTS

KEY = "sk-a-key-for-tests-0123456789"
QUICK = {"backoff": 0.01, "max_wait": 0.1, "read_timeout": 0.5, "give_up_after": 1.0}
FATAL = {"401", "403", "404", "redirect", "200-402"}

PLUGIN = """
from gptaudit.markers import hookimpl
from gptaudit.records import MetricSpec
from gptaudit.probe import Probe, Scored
from gptaudit.records import Case, GenerateRequest, Sampling, ScoreRequest

class Words(Probe):
    id = suite = "words"
    title = "Words of an answer"
    needs = frozenset({"generate"})
    judges_cut = True
    metrics = (MetricSpec("words", ideal=0.0, direction="lower", unit="words"),)
    def cases(self, context):
        for i in range(200):
            yield Case(f"{i:03}", f"{i:03}", (GenerateRequest(f"prompt {i}", Sampling(max_new_tokens=7)),))
    def measure(self, answered):
        return Scored({"words": float(len(answered.completions[0].text.split()))})

class Rates(Words):
    id = suite = "rates"
    needs = frozenset({"score-after-context"})
    def cases(self, context):
        yield Case("1", "1", (ScoreRequest("a letter", " slept again"),))
    def measure(self, answered):
        return Scored({"words": answered.likelihoods[0].logprob})

@hookimpl
def gptaudit_register_probes(register):
    register(Words())
    register(Rates())
"""


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture
def audit(gptaudit, tmp_path, monkeypatch):
    """Audit a server by a probe of 200 prompts, and return what was printed and written."""
    (tmp_path / "remote_words.py").write_text(PLUGIN)
    described = tmp_path / "remote_words-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: remote-words\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[gptaudit]\nremote_words = remote_words\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "remote_words", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def run(server, *more, probe="words", **options):
        given = {**QUICK, "base_url": server.url, **options}
        pairs = [part for name, value in given.items() for part in ("-b", f"{name}={value}")]
        ran = gptaudit("run", f"openai:{server.model}", "-p", probe, "-o", "out", *pairs, *more)
        results = tmp_path / "out" / "results.json"
        return ran, json.loads(results.read_text()) if results.exists() else None

    return run


def kept(tmp_path):
    """Every answer in the store."""
    with sqlite3.connect(tmp_path / "out" / "evidence.sqlite") as store:
        return [json.loads(row[0]) for row in store.execute("SELECT answer FROM answers")]


def test_faults_of_all_kinds(audit, server, tmp_path):
    """With 30 % faults the audit completes; coverage is exact, only good answers are measured, and too few is 4."""
    calm, untroubled = audit(server, "--fresh")
    kinds = sorted(set(FAULTS) - FATAL - {"thought", "thought-field"})
    server.fails_after = server.requests.total() + 9  # what the opening finds is tested elsewhere
    server.faults = {kind: 0.3 / len(kinds) for kind in kinds}
    server.answers.clear()

    ran, results = audit(server, "--fresh")

    [probe] = results["probes"]
    good = {prompt for prompt in server.answers if prompt.startswith("prompt ")}
    assert (calm.code, ran.code) == (0, 4), ran.err
    assert results["run"]["status"] == "complete"
    assert (probe["cases"], probe["scored"]) == (200, len(good))
    assert sum(probe["unscored"].values()) == 200 - len(good) > 10
    assert probe["coverage"] == len(good) / 200
    assert probe["metrics"][0]["value"] == untroubled["probes"][0]["metrics"][0]["value"] == 7
    assert len(kept(tmp_path)) == 200


def test_a_lost_server_and_the_run_that_goes_on(audit, server, tmp_path):
    """A server that dies ends the audit as partial, exit 4; the next run asks only what was not answered."""
    server.fails_after = 80
    server.faults = {"reset": 1.0}
    first, partial = audit(server, concurrency=4)
    answered = {prompt for prompt in server.answers if prompt.startswith("prompt ")}
    server.faults = {}

    second, complete = audit(server, concurrency=4)

    assert (first.code, second.code) == (4, 0)
    assert partial["run"]["status"] == "partial"
    assert "given up" in partial["run"]["why"]
    assert "given up" in first.out + first.err
    assert partial["probes"][0]["scored"] == len(answered) < 200
    assert complete["probes"][0]["scored"] == 200
    asked = Counter({p: n for p, n in server.answers.items() if p.startswith("prompt ")})
    assert set(asked.values()) == {1}


def test_a_refused_key_in_mid_run(audit, server):
    """A key that is withdrawn ends the audit at once, with what was answered."""
    server.fails_after = 60
    server.faults = {"401": 1.0}
    ran, results = audit(server)

    assert ran.code == 4
    assert "refuses the key" in results["run"]["why"]
    assert 0 < results["probes"][0]["scored"] < 60


def test_interruption(audit, server):
    """Ctrl-C drops what is under way without a word of asyncio, and the next run completes."""
    server.latency = 0.02

    def interrupt():
        while server.requests.total() < 60:
            time.sleep(0.01)
        import _thread

        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    stopped, _ = audit(server)
    thread.join()
    resumed, results = audit(server)

    assert stopped.code == 130, stopped.err
    assert "Task" not in stopped.err
    assert "event loop" not in stopped.err.lower()
    assert resumed.code == 0
    assert results["probes"][0]["scored"] == 200
    assert server.requests.total() <= 200 + 2 * 9 + 2 * 32  # what was under way is asked again


def test_a_chat_only_server(audit, server):
    """A probe of likelihoods is skipped with the reason where the server rates no prompt."""
    server.completions = False
    _, results = audit(server, probe="rates")
    [probe] = results["probes"]
    assert probe["status"] == "skipped"
    assert "needs score" in probe["reason"]

    server.completions = True
    _, results = audit(server, "--fresh", probe="rates")
    [probe] = results["probes"]
    expected = toy_model.logprob(" letter", " slept") + toy_model.logprob(" slept", " again")
    assert probe["metrics"][0]["value"] == pytest.approx(expected, abs=1e-12)


def test_a_server_with_its_own_sampling(audit, server):
    """The method says that the server samples as it likes, and what was found out stands in the results."""
    server.heeds = HEEDED - {"temperature"}
    _, results = audit(server)

    assert results["probes"][0]["method"]["sampling"] == "the target's own"
    assert results["target"]["details"]["temperature"] == "ignored"
    assert results["target"]["verified"] is False


def test_the_key_is_nowhere(audit, server, tmp_path, monkeypatch):
    """Neither key nor password stand in any file of a run folder or on the screen, even where a server repeats them."""
    server.api_key = KEY
    server.faults, server.seed = {"repeats-key": 0.5}, 3
    monkeypatch.setitem(FAULTS, "repeats-key", _repeats_key)
    (tmp_path / "key").write_text(KEY)
    ran, results = audit(server, "--fresh", api_key_file=tmp_path / "key")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("//", "//someone:pass-word-1@"))
    server.api_key = ""
    login, _ = audit(server, "--fresh", base_url="")

    assert results["probes"][0]["unscored"]
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    shown = [*(path.read_bytes() for path in files), *(r.out.encode() + r.err.encode() for r in (ran, login))]
    assert len(files) >= 3
    for secret in (KEY, "pass-word-1", "c29tZW9uZTpwYXNzLXdvcmQtMQ=="):
        assert not [text for text in shown if secret.encode() in text]


async def _repeats_key(request, server):
    from gptaudit.testing.faulty_server import error

    return error(400, f"your header was {request.headers.get('Authorization')}")


def test_headers_are_nowhere(audit, server, tmp_path, monkeypatch):
    """A header's value stands in no file of a run folder and not on the screen, even where a server repeats it."""
    secret = "red-team-0815"
    monkeypatch.setitem(FAULTS, "repeats-header", _repeats_header)
    monkeypatch.setattr(sys, "argv", ["gptaudit", "run", "-b", f"header.X-Team={secret}"])
    server.fails_after, server.faults = 20, {"repeats-header": 0.5}

    ran, results = audit(server, "--fresh", **{"header.X-Team": secret})

    assert results["probes"][0]["unscored"]
    assert results["target"]["options"]["header"] == {"X-Team": "***"}
    assert results["run"]["command"] == ["gptaudit", "run", "-b", "header.X-Team=***"]
    files = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [text for text in (*files, ran.out.encode(), ran.err.encode()) if secret.encode() in text]


async def _repeats_header(request, server):
    from gptaudit.testing.faulty_server import error

    return error(400, f"you are {request.headers['X-Team']}")


@pytest.mark.parametrize("takes_system", [True, False])
def test_a_system_message_that_is_not_taken(audit, server, takes_system):
    """A server that takes no system message ends the audit with 2 before it begins, and is audited with the remedy."""
    server.takes_system = takes_system
    plain, _ = audit(server, "--limit", "5", system="Be brief.")
    folded, results = audit(server, "--limit", "5", "--fresh", system="Be brief.", fold_system="true")

    assert (plain.code, folded.code) == (0 if takes_system else 2, 0)
    assert ("fold_system=true" in plain.err) == (not takes_system)
    assert results["target"]["details"]["system"] == "folded into the user's turn"


def test_thoughts_are_evidence(audit, server, tmp_path):
    """A thought is kept in the store beside the answer, which alone is measured."""
    server.fails_after, server.faults = 12, {"thought": 1.0}
    _, results = audit(server, "--limit", "10", "--fresh")

    thoughts = Counter(answer["thought"] for answer in kept(tmp_path))
    words = 2 * thoughts["It glows."] + 7 * thoughts[""]  # in "A lantern." and in other answers
    assert thoughts["It glows."] > 0
    assert results["probes"][0]["scored"] == thoughts.total() == 10
    assert results["probes"][0]["metrics"][0]["value"] == words / 10


def test_no_torch_for_a_server(audit, server, tmp_path):
    """An audit over HTTP whose probe needs no scorer imports no torch."""
    import subprocess

    code = (
        "import sys\nfrom gptaudit.cli import main\ntry:\n"
        f"  main(['run', 'openai:toy', '-b', 'base_url={server.url}', '-p', 'words', '-o', 'out'])\n"
        "except SystemExit as end:\n  assert end.code == 0\n"
        "print([m for m in ('torch', 'transformers', 'detoxify', 'captum') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )

    assert ran.stdout.splitlines()[-1] == "[]"


def test_texts_without_context_take_another_form(gptaudit, server, tmp_path):
    """Where a server has likelihoods after a context alone, pairs are elicited and questions are scored."""
    arguments = (
        "-b",
        f"base_url={server.url}",
        "-p",
        "gender-trait",
        "-p",
        "decisions-gender",
        "--limit",
        "4",
    )
    assert gptaudit("run", "openai:toy", *arguments, "-o", "out").code in {0, 4}
    probes = {p["id"]: p for p in json.loads((tmp_path / "out" / "results.json").read_text())["probes"]}

    assert probes["gender-trait"]["method"]["form"] == "elicited"
    assert "form" not in probes["decisions-gender"]["method"]
    assert probes["decisions-gender"]["scored"] == 4


class TestAnotherModelUnderTheSameName:
    POLICY = 'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "words.words"\nmax = 9\n'

    def test_it_is_refused(self, audit, server, tmp_path):
        """A server that answers otherwise than when the audit began is another model: what came is said."""
        whole, before = audit(server)
        kept_before = kept(tmp_path)
        server.weights = " other"
        ran, after = audit(server)

        assert (whole.code, ran.code) == (0, 2)
        assert re.search(
            r"out: the target answers otherwise than when this audit began: to 'chat: .* who' expected '.+', got '.+'\."
            r".*Choose another folder with -o, or start over in this one with --fresh",
            ran.err,
        )
        assert (after, kept(tmp_path)) == (before, kept_before)
        assert before["target"]["details"]["repeats_itself"] == "yes"

        fresh, other = audit(server, "--fresh")
        assert fresh.code == 0
        assert other["target"]["first_answers"] != before["target"]["first_answers"]
        assert other["run"]["cost"]["requests_cached"] == 0

        server.weights = ""
        assert audit(server)[0].code == 2, "the folder now belongs to the other model"

    def test_the_same_model_resumes(self, audit, server):
        """What was answered is not asked again, and the target is the same."""
        _, before = audit(server)
        ran, after = audit(server)

        assert ran.code == 0
        assert after["target"] == before["target"]
        assert after["run"]["cost"]["requests_cached"] == 200

    def test_a_server_that_does_not_repeat_itself(self, audit, tmp_path, caplog):
        """It cannot be told from another model: a resumed audit says so in verdict, report, terminal and results."""
        (tmp_path / "policy.toml").write_text(self.POLICY)
        gated = ("--policy", "policy.toml", "--report", "markdown")
        with FaultyServer(heeds=frozenset()) as server:
            _, before = audit(server, *gated)
            ran, after = audit(server, *gated)
            plain, _ = audit(server)

        assert before["target"]["details"]["repeats_itself"] == "no"
        assert before["target"]["doubt"] == ""
        assert before["gate"]["limited"] is None
        said = after["target"]["doubt"]
        assert said.startswith("the target, which does not repeat itself, answered otherwise")
        assert after["gate"]["limited"] == said
        assert after["gate"]["verdict"] == before["gate"]["verdict"]
        for shown in (ran.out, plain.out, caplog.text):
            assert said[1:] in shown
        for report in ("report.html", "summary.md"):
            assert said[1:] in html.unescape((tmp_path / "out" / report).read_text())
