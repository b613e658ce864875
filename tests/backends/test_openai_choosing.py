"""Probabilities of options from the likeliest first tokens of a chat's answer."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from gptaudit.probes.lettered import PROMPTS

from gptaudit.backends.openai import open_openai
from gptaudit.protocols.choosing import TRIAL
from gptaudit.records import ChooseRequest, Failure
from gptaudit.remote.choosing import MOST_SHOWN
from gptaudit.remote.options import RemoteOptions
from gptaudit.testing.faulty_server import HEEDED, FaultyServer, error

QUICK = {"backoff": 0.01, "max_wait": 0.1, "read_timeout": 0.5, "give_up_after": 1.0, "retries": 1}
ASKED = ChooseRequest("Which letter? Reply with one letter: A or B.", ("A", "B"))
FIRST = {"A": 0.5, " A": 0.2, "B": 0.15, "The": 0.1, " the": 0.05}
SAYS_LETTERS = PROMPTS["en"].split("{letters}")[0].split("{options}")[1].strip()


def first_tokens(prompt):
    """Return probabilities for questions with letters, and none for what else is asked at opening."""
    return FIRST if SAYS_LETTERS in prompt else {}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-for-tests-0123456789")


@pytest.fixture
def server():
    with FaultyServer(completions=False, first_tokens=first_tokens) as running:
        yield running


def opened(*servers, **options):
    urls = ",".join(server.url for server in servers)
    return open_openai("toy", RemoteOptions(**{**QUICK, "base_url": urls, **options}))


def showing(server, monkeypatch, change):
    """Let a server change its log-probabilities, `{"content": [...]}`, before they are sent."""
    unchanged = server._first_choice

    def changed(*given):
        choice = unchanged(*given)
        if "logprobs" not in choice:
            return choice
        return {**choice, "logprobs": change(choice["logprobs"], choice["logprobs"]["content"][0])}

    monkeypatch.setattr(server, "_first_choice", changed)


class TestHeeded:
    def test_all_tokens_that_spell_a_letter_add_up(self, server):
        """A letter is spelled with a space before it and without, and each token counts once."""
        backend = opened(server)
        (found,) = backend.choose([ASKED])

        assert backend.capabilities == {"generate", "chat", "choose"}
        assert (backend.details["probabilities_of_letters"], backend.details["top_logprobs"]) == ("yes", 20)
        assert found.least == found.most == pytest.approx((0.7, 0.15))
        assert found.share == pytest.approx(0.85)
        body = server.bodies[-1]
        assert (body["logprobs"], body["top_logprobs"], body["temperature"]) == (True, 20, 1)
        assert body["max_tokens"] == 1

    @pytest.mark.parametrize(("shown", "most"), [(3, 0.15), (2, 0.3), (1, 0.5)])
    def test_a_letter_that_is_not_shown_is_bounded(self, server, shown, most):
        """By the least likely token that is shown, once for each of its two spellings, and by what is left."""
        server.most_shown = shown
        (found,) = opened(server).choose([ASKED])

        assert found.least == pytest.approx((0.7 if shown > 1 else 0.5, 0.15 if shown == 3 else 0))
        assert found.most == pytest.approx((0.7 if shown > 1 else 0.5, most))

    def test_a_server_that_shows_five_at_most(self, server, monkeypatch):
        """A refused number of tokens is no refused field."""
        answered = server._complete

        def strict(body, *, chat):
            return error(400, "at most 5") if body.get("top_logprobs", 0) > 5 else answered(body, chat=chat)

        monkeypatch.setattr(server, "_complete", strict)
        backend = opened(server)

        assert backend.details["top_logprobs"] == MOST_SHOWN[-1] == 5
        assert backend.choose([ASKED])[0].least == pytest.approx((0.7, 0.15))

    def test_tokens_in_any_order_and_repeated(self, server, monkeypatch):
        """Some servers list the token that was written first or once more."""

        def reordered(_, written):
            top = written["top_logprobs"]
            return {"content": [{**written, "top_logprobs": [*reversed(top), top[0]]}]}

        showing(server, monkeypatch, reordered)

        assert opened(server).choose([ASKED])[0].least == pytest.approx((0.7, 0.15))

    def test_all_servers_must_show_them(self, server):
        """Of several servers that share the work, the one that shows least decides."""
        with FaultyServer(completions=False, first_tokens=first_tokens) as other:
            assert "choose" in opened(server, other).capabilities
            other.refuses = frozenset({"top_logprobs"})
            assert "choose" not in opened(server, other).capabilities


class TestNotBelieved:
    @pytest.mark.parametrize("field", ["logprobs", "top_logprobs"])
    def test_a_server_that_refuses_the_field(self, server, field):
        """The written letter is left, and the results say why."""
        server.refuses = frozenset({field})
        backend = opened(server)

        assert backend.capabilities == {"generate", "chat"}
        assert backend.details["probabilities_of_letters"].startswith("no: refused-by-server")
        assert backend.details["top_logprobs"] == 0

    def test_a_server_that_ignores_the_field(self, server, monkeypatch):
        """It is asked once, and not again in vain."""
        showing(server, monkeypatch, lambda *_: None)
        backend = opened(server)

        assert "choose" not in backend.capabilities
        assert backend.details["probabilities_of_letters"].startswith("no: no-log-probabilities")
        assert sum("top_logprobs" in body for body in server.bodies) == 1

    def test_a_server_without_chats(self):
        """Texts are not asked for letters."""
        with FaultyServer(chat=False, first_tokens=first_tokens) as server:
            backend = opened(server)

        assert backend.details["probabilities_of_letters"] == "not asked"
        assert "choose" not in backend.capabilities

    def test_probabilities_at_a_temperature_that_nobody_knows(self, server):
        """Some servers apply the temperature to the numbers, so that one which sets its own is not believed."""
        server.heeds = HEEDED - {"temperature"}
        server.first_tokens = lambda prompt: {"A": 0.999999, "B": 0.000001} if SAYS_LETTERS in prompt else {}
        backend = opened(server)

        assert "choose" not in backend.capabilities
        assert "does not apply the temperature" in backend.details["probabilities_of_letters"]

    @pytest.mark.parametrize(
        ("first", "reason"),
        [
            ({"<think>": 0.999999, "A": 0.000001}, "unfinished-thought"),
            ({"I": 0.6, "A": 0.3, "B": 0.1}, "off-option"),
        ],
    )
    def test_a_model_that_does_not_begin_with_the_letter(self, server, first, reason):
        """What it would answer after its first words cannot be seen at the first token."""
        server.first_tokens = lambda prompt: first if SAYS_LETTERS in prompt else {}
        backend = opened(server)

        assert "choose" not in backend.capabilities
        assert backend.details["probabilities_of_letters"].startswith(f"no: {reason}")

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    def test_a_thought_in_its_own_field(self, server, monkeypatch, field):
        """The first token is the thought's, and no answer's."""
        unchanged = server._first_choice

        def thinking(*given):
            choice = unchanged(*given)
            said = {"content": None, field: choice["message"]["content"]}
            return {**choice, "message": said, "finish_reason": "length"}

        monkeypatch.setattr(server, "_first_choice", thinking)

        assert opened(server).details["probabilities_of_letters"].startswith("no: unfinished-thought")

    def test_numbers_of_another_place(self, server, monkeypatch):
        """A server whose likeliest token is not what it writes greedily is not believed."""
        other = {"A": math.log(0.15), "B": math.log(0.8)}

        def swapped(_, written):
            shown = [{"token": token, "logprob": number} for token, number in other.items()]
            token = written["token"].strip()
            return {"content": [{"token": token, "logprob": other.get(token, -9.0), "top_logprobs": shown}]}

        showing(server, monkeypatch, swapped)
        backend = opened(server)

        assert "choose" not in backend.capabilities
        assert "does not begin with the likeliest token" in backend.details["probabilities_of_letters"]


def with_top(written, *top):
    return {"content": [{**written, "top_logprobs": [{"token": t, "logprob": n} for t, n in top]}]}


MALFORMED = {
    "a-text": (lambda *_: "none", "wrong-schema"),
    "no-number": (lambda _, w: with_top(w, ("A", None)), "top_logprobs.0.logprob"),
    "nan": (lambda _, w: with_top(w, ("A", "NaN"), ("B", "NaN")), "at most 1 together, found nan"),
    "no-top": (
        lambda _, w: {"content": [{k: v for k, v in w.items() if k != "top_logprobs"}]},
        "top_logprobs",
    ),
    "empty-top": (lambda _, w: with_top(w), "expected the likeliest tokens, found none"),
    "no-content": (lambda *_: {"content": []}, "expected the tokens of the answer, found none"),
    "positive": (lambda _, w: with_top(w, ("A", 0.7), ("B", -1.0)), "expected numbers of at most 0"),
    "more-than-one": (
        lambda _, w: with_top(w, ("A", -0.1), ("B", -0.1), ("C", -0.2)),
        "expected probabilities of at most 1 together",
    ),
    "another-token": (lambda _, w: {"content": [{**w, "token": "zebra"}]}, "expected the tokens of"),
    "other-number": (
        lambda _, w: {"content": [{**w, "logprob": w["logprob"] - 0.5}]},
        "is not that of the likeliest tokens",
    ),
    "two-numbers": (
        lambda _, w: {
            "content": [{**w, "top_logprobs": [*w["top_logprobs"], {"token": "A", "logprob": -9}]}]
        },
        "two numbers",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_numbers(server, monkeypatch, name):
    """They are found out at opening; those that come later are failures with a name and a place."""
    change, named = MALFORMED[name]
    before = opened(server)
    showing(server, monkeypatch, change)
    (answer,) = before.choose([ASKED])
    after = opened(server)

    assert isinstance(answer, Failure)
    assert answer.reason == "wrong-schema"
    assert named in f"{answer.reason}: {answer.message}"
    assert "choose" not in after.capabilities
    assert named in after.details["probabilities_of_letters"]


class TestAudits:
    """Audits as a user runs them."""

    def run(self, gptaudit, server, tmp_path, *more, out="out"):
        arguments = ("-p", "choice-gender", "--limit", "6", "-b", f"base_url={server.url}", "-o", out, *more)
        ran = gptaudit("run", f"openai:{server.model}", *arguments)
        results = json.loads((tmp_path / out / "results.json").read_text())
        return ran, results, results["probes"][0]

    @pytest.mark.parametrize("refuses", [(), ("top_logprobs",)])
    def test_the_method_says_which_form_was_taken(self, gptaudit, server, tmp_path, refuses):
        """A server without the numbers is asked for its letter; a run again asks only what is missing."""
        server.refuses = frozenset(refuses)
        server.first_tokens = stereotyped
        form = "elicited" if refuses else "elicited by probability"
        part, _, _ = self.run(gptaudit, server, tmp_path, "--max-requests", "20")
        ran, results, probe = self.run(gptaudit, server, tmp_path)

        assert (part.code, ran.code) == (4, 0), ran.err
        assert probe["method"]["form"] == form
        assert probe["title"].endswith(f"({form})")
        assert (probe["scored"], probe["unscored"]) == (6, {})
        figures = {m["name"]: m["value"] for m in probe["metrics"] if not m["slice"]}
        assert figures.get("consistency", 1) == 1
        assert ("consistency" in figures) == (not refuses)
        asked = Counter({p: n for p, n in server.answers.items() if SAYS_LETTERS in p and p != TRIAL.prompt})
        assert set(asked.values()) == {1}
        assert (results["run"]["cost"]["requests"], results["run"]["cost"]["requests_cached"]) == (36, 20)

    def test_the_forms_are_not_compared(self, gptaudit, server, tmp_path):
        """What a model writes and what it finds probable are two methods."""
        server.first_tokens = stereotyped
        self.run(gptaudit, server, tmp_path)
        server.refuses = frozenset({"logprobs"})
        self.run(gptaudit, server, tmp_path, out="other")
        compared = gptaudit("compare", "out/results.json", "other/results.json", "-o", "c.html")

        assert "method" in compared.out + compared.err

    @pytest.mark.parametrize(
        ("first", "shown", "reason"),
        [
            ({"A": 0.3, "B": 0.1, "Neither": 0.6}, 20, "off-option"),
            ({"A": 0.5, "B": 0.4, "C": 0.1}, 1, "undecided"),
            ({"A": 0.5, "B": 0.4, "C": 0.1}, 20, "tie"),
        ],
    )
    def test_what_is_not_guessed(self, gptaudit, server, tmp_path, first, shown, reason):
        """Too little on the letters, letters that are not shown, and no preference but for a letter."""

        def answers(prompt):
            return {"A": 1.0} if TRIAL.prompt in prompt else first if SAYS_LETTERS in prompt else {}

        server.first_tokens, server.most_shown = answers, shown
        ran, _, probe = self.run(gptaudit, server, tmp_path)

        assert ran.code == 4
        assert probe["method"]["form"] == "elicited by probability"
        assert (probe["scored"], probe["unscored"]) == (0, {reason: 6})


def stereotyped(prompt):
    """Return most for the longest option, in whatever order the options stand."""
    if SAYS_LETTERS not in prompt:
        return {}
    if TRIAL.prompt in prompt:
        return {"A": 0.9, "B": 0.1}
    options = [line for line in prompt.splitlines() if line[1:3] == ". "]
    best = max(options, key=lambda line: (len(line), line[3:]))[0]
    return {best: 0.6, **{line[0]: 0.15 for line in options if line[0] != best}, "The": 0.1}
