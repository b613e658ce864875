"""Sycophancy: the suite, models of known sycophancy in all forms, models that ignore the user, and invalid files."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files
from math import exp
from zlib import crc32

import pytest
from gptaudit.probes.kinds.registry import read_suite_file

from gptaudit.plugins import load_plugins
from gptaudit.testing import ScriptedBackend, run_probe

SYCOPHANCY = load_plugins().probes["sycophancy"]
SUITE, _ = read_suite_file(files("gptaudit.probes") / "suites" / "sycophancy.toml")
UNKNOWN = "geography"
"""The domain in which a scripted model has the wrong answers."""
FACTS = {fact.text: fact for fact in SUITE.questions}

FILE = """
schema = "gptaudit.suite/1"
kind = "opinions"
id = "t"
version = "1"
suite = "safety"
title = "T"
goal = "G."
language = "en"
licence = "L"
source = "S"
templates = [{ id = "a", opinion = "I say {answer}.", neutral = "There is {answer}." }]
questions = [{ id = "q", domain = "d", text = "Who?", right = "he", wrong = "she" }]
"""


def ask(backend):
    """Run the probe on a sample of its cases, drawn in proportion to the domains."""
    return run_probe(SYCOPHANCY, backend, limit=24)


def whole(result):
    return {metric.name: metric.value for metric in result.metrics if not metric.slice}


@cache
def read(prompt):
    """Return the question of a prompt, the answer that its remark names, and whether that is an opinion."""
    fact = next(fact for text, fact in FACTS.items() if text in prompt)
    for remark in SUITE.templates:
        for text, is_opinion in ((remark.opinion, True), (remark.neutral, False)):
            for answer in (fact.right, fact.wrong):
                if text.replace("{answer}", answer) in prompt:
                    return fact, answer, is_opinion
    raise AssertionError(prompt)


def lead(prompt, *, knows, sway, repeats=0.0, doubt=0.0):
    """Return the log-odds of the right answer of a model that is swayed by opinions and repeats what was named."""
    fact, named, is_opinion = read(prompt)
    towards = 1 if named == fact.right else -1
    own = -knows if fact.domain == UNKNOWN else knows
    return own + towards * (repeats + sway * is_opinion) - doubt * is_opinion


def scoring(noise=0.0, **model):
    """Return a model with likelihoods, whose leads depend on each prompt by so many nats at the most."""

    def score(context, continuation):
        fact, *_ = read(context)
        chance = noise * (crc32(context.encode()) / 2**31 - 1)
        return -4.0 + (lead(context, **model) + chance) * (continuation.strip() == fact.right)

    return ScriptedBackend(score=score)


def letter_of_right(prompt):
    fact, *_ = read(prompt)
    return "A" if f"A. {fact.right}\n" in prompt else "B"


def choosing(letter=0.0, **model):
    """Return a chat model that shows probabilities and prefers the letter A by so many nats."""

    def choose(prompt, options):
        right = letter_of_right(prompt)
        odds = lead(prompt, **model) * (1 if right == "A" else -1) + letter
        first = 1 / (1 + exp(-odds))
        return first, 1 - first

    return ScriptedBackend(choose=choose)


def writing(**model):
    def complete(prompt, sample):
        right = letter_of_right(prompt)
        return right if lead(prompt, **model) > 0 else "AB".replace(right, "")

    return ScriptedBackend(complete=complete, chat=True)


class TestSuite:
    def test_size(self):
        """At least 60 questions of several domains, and enough remarks to be a sample themselves."""
        assert len(SUITE.questions) >= 60
        assert len(SUITE.templates) >= 10
        assert len(Counter(fact.domain for fact in SUITE.questions)) >= 5
        assert len(FACTS) == len(SUITE.questions)

    def test_remarks_are_alike(self):
        """An opinion and its neutral remark are of nearly the same length, and no question gives its answer away."""
        for remark in SUITE.templates:
            before = [text.partition("{answer}")[0].split() for text in (remark.opinion, remark.neutral)]
            assert abs(len(before[0]) - len(before[1])) <= 2
        for fact in SUITE.questions:
            assert not {fact.right.casefold(), fact.wrong.casefold()} & {fact.text.casefold()}

    def test_the_right_answer_is_first_in_half_of_the_prompts(self):
        """So that a preference for what stands first is no knowledge."""
        cases = list(SYCOPHANCY.cases(None))
        first = [
            f"Answers: {FACTS_BY_ID[case.cluster].right} or" in case.requests[0].context for case in cases
        ]

        assert sum(first) == len(cases) / 2
        assert set(Counter(case.cluster for case in cases).values()) == {3}
        asked = Counter(case.crossed for case in cases).values()
        assert max(asked) - min(asked) <= 1


FACTS_BY_ID = {fact.id: fact for fact in SUITE.questions}


class TestPlanted:
    @pytest.mark.parametrize("sway", [1.5, 0.25, -0.5])
    def test_the_log_odds_are_found(self, sway):
        """Of a model that also repeats what is named, and whom any opinion makes doubt the right answer."""
        found = whole(ask(scoring(knows=2.0, sway=sway, repeats=0.75, doubt=0.5)))

        assert found["sycophancy"] == pytest.approx(sway)
        assert found["wrong_opinion_shift"] == pytest.approx(sway + 0.5)

    def test_the_same_by_letters(self):
        """With probabilities of letters, of which one is preferred in whatever order."""
        result = ask(choosing(letter=1.0, knows=2.0, sway=1.5, repeats=0.75))

        assert whole(result)["sycophancy"] == pytest.approx(1.5)
        assert result.method["form"] == "elicited by probability"

    @pytest.mark.parametrize("model", [scoring, choosing, writing])
    def test_answers_that_flip(self, model):
        """A model that holds an answer by 2 nats and yields to 3 takes the user's side in every case."""
        result = ask(model(knows=2.0, sway=3.0))
        found = whole(result)
        right = {m.slice["domain"]: m.value for m in result.metrics if m.slice and m.name == "accuracy"}

        assert found["flip_rate"] == 1.0
        assert {domain for domain, rate in right.items() if rate == 0.0} == {UNKNOWN}
        assert sum(right.values()) == len(right) - 1
        assert found["answer_shift"] == pytest.approx(0.5)
        assert ("sycophancy" in found) == (model is not writing)

    @pytest.mark.slow
    def test_a_model_without_fault(self, keeps_release_limit):
        """There are enough questions and remarks for it to be released."""
        perfect = ScriptedBackend(complete=lambda prompt, sample: letter_of_right(prompt), chat=True)
        result = run_probe(SYCOPHANCY, perfect)

        assert keeps_release_limit(result, "flip_rate")
        assert keeps_release_limit(result, "accuracy")

    @pytest.mark.parametrize("model", [scoring, choosing, writing])
    def test_who_ignores_the_user_is_no_sycophant(self, model):
        """A model that repeats what is named is none either: the neutral remark names it too."""
        found = whole(ask(model(knows=2.0, sway=0.0, repeats=0.5)))

        assert found["answer_shift"] == found["flip_rate"] == 0.0
        assert found.get("sycophancy", 0.0) == pytest.approx(0.0, abs=1e-12)

    def test_answers_that_change_by_chance(self):
        """A model whose answers hang on every word turns as many right ones whatever the user thinks."""
        result = ask(scoring(knows=2.0, sway=0.0, noise=6.0))
        (flips,) = [m for m in result.metrics if m.name == "flip_rate" and not m.slice]
        turned = sum(item.values["flipped"] for item in result.evidence)

        assert flips.low < 0.0 < flips.high
        assert turned > 0


class TestNothing:
    def test_always_a_by_probability(self):
        """The shift is 0 with no interval, no answer is right, and no flip can be told: no rule passes."""
        backend = ScriptedBackend(choose=lambda prompt, options: (0.9, 0.1))
        result = ask(backend)
        found = {metric.name: metric for metric in result.metrics if not metric.slice}

        assert found["sycophancy"].value == found["accuracy"].value == 0.0
        assert found["sycophancy"].low is None
        assert found["flip_rate"].value is None

    @pytest.mark.parametrize(
        ("answer", "reason"), [("A", "one-letter"), ("I cannot say.", "unparsable"), ("", "empty")]
    )
    def test_always_the_same_text(self, answer, reason):
        """One letter whatever the order, a refusal and nothing at all say nothing of the user."""
        result = ask(ScriptedBackend(complete=lambda prompt, sample: answer, chat=True))

        assert result.scored == 0
        assert result.unscored == {reason: result.cases}

    def test_the_echo_of_a_prompt_is_no_answer(self):
        """Nor is a letter that is not likely, or not shown."""
        echo = ask(ScriptedBackend(complete=lambda prompt, sample: prompt, chat=True))
        off = ask(ScriptedBackend(choose=lambda prompt, options: (0.1, 0.2)))
        hidden = ask(ScriptedBackend(choose=lambda prompt, options: (0.9, 0.0)))

        assert [next(iter(r.unscored)) for r in (echo, off, hidden)] == [
            "unparsable",
            "off-option",
            "undecided",
        ]
        assert [r.scored for r in (echo, off, hidden)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("I say {answer}.", "I say.", "template 'a', key 'opinion': expected the slot {answer} once"),
        (
            "There is {answer}.",
            "{answer} {answer}",
            "template 'a', key 'neutral': expected the slot {answer} once",
        ),
        ("There is {answer}.", "I say {answer}.", "the opinion and the neutral remark are the same text"),
        ('right = "he"', 'right = "She"', "question 'q': the right and the wrong answer are the same"),
        ('text = "Who?"', 'text = " "', "question 'q', key 'text': expected a text"),
        (', wrong = "she"', "", "key 'questions[1].wrong' is missing"),
        ("templates =", 'prompt = "{question}"\ntemplates =', "key 'prompt': expected each of the slots"),
        ("neutral =", "plain =", "unknown key 'templates[1].plain'"),
    ],
)
def test_invalid(refused_with, old, new, message):
    """The message names the file, the entry and the key."""
    assert old in FILE
    refused_with(message, FILE.replace(old, new))
