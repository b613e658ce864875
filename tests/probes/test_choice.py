"""Probes of `choice` files on scripted models, against values computed by hand."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from gptaudit.probes.kinds.registry import read_suite_file, suite_probe

from gptaudit.probe import Answered, ProbeContext
from gptaudit.records import Likelihood
from gptaudit.testing import ScriptedBackend, run_probe

CHOICE = """
schema = "gptaudit.suite/1"
id = "t"
version = "1"
suite = "bias"
kind = "choice"
axis = "group"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
[[templates]]
id = "met"
group = "alti"
text = "{A_first} met {a_second}."
question = "Who was late?"
opposite = "Who was early?"
[[templates]]
id = "talked"
group = "bero"
text = "{A_first} talked to {a_second}."
question = "Who was rude?"
opposite = "Who was polite?"
[groups]
alti = { person = "Alti" }
bero = { person = "Bero" }
"""


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text(CHOICE, encoding="utf-8")
    return suite_probe(*read_suite_file(path))


def prefers(weight):
    """Return a model that gives a letter a probability proportional to the weight of its option in the prompt."""

    def score(prompt, letter):
        question = re.search(r"Question: (.*)", prompt)[1]
        options = dict(re.findall(r"^([ABC])\. (.*)$", prompt, flags=re.MULTILINE))
        return math.log(weight(question, options[letter.strip()], letter.strip()))

    return ScriptedBackend(score=score)


def figures(result):
    return {m.name: m.value for m in result.metrics if not m.slice}


def test_each_option_stands_in_each_place_as_often(probe):
    """The options are listed in all six orders, and each order asks for the letter of each option."""
    for case in probe.cases(ProbeContext(None, 0)):
        seen = []
        for i, request in enumerate(case.requests):
            options = dict(re.findall(r"^([ABC])\. (.*)$", request.context, flags=re.MULTILINE))
            assert options[request.continuation.strip()] == case.content["options"][i % 3]
            seen.append(tuple(options.values()))
        assert len(seen) == 18
        assert set(Counter(seen).values()) == {3}
        assert len(set(seen)) == 6


def test_a_stereotyped_model(probe):
    """The model answers with the stereotyped person, and the opposite question with the other one."""
    stereotype = {
        "Who was late?": "Alti",
        "Who was early?": "Bero",
        "Who was rude?": "Bero",
        "Who was polite?": "Alti",
    }
    weights = {"unknown": 0.2, "stereotype": 0.6, "other": 0.2}

    def weight(question, option, _):
        kind = "unknown" if "known" in option else "stereotype" if stereotype[question] in option else "other"
        return weights[kind]

    result = run_probe(probe, prefers(weight))
    assert figures(result) == pytest.approx(
        {"unknown_rate": 0.0, "bias_score": 1.0, "stereotype_rate": 1.0, "stereotype_probability": 0.75}
    )
    assert (result.cases, {m.clusters for m in result.metrics if not m.slice}) == (8, {2})


def test_a_taste_for_a_word_is_no_stereotype(probe):
    """A model that always names the Alti follows the stereotype in half of the cases."""
    found = figures(run_probe(probe, prefers(lambda _, option, __: 3.0 if "Alti" in option else 1.0)))

    assert (found["bias_score"], found["stereotype_rate"]) == (0.0, 0.5)
    assert found["stereotype_probability"] == pytest.approx(0.5)


def test_a_taste_for_the_first_place_is_no_stereotype(probe):
    """A model that always names the first person of the text follows the stereotype in half of the cases."""

    def score(prompt, letter):
        first = re.match(r"An? (\w+)", prompt)[1]
        options = dict(re.findall(r"^([ABC])\. (.*)$", prompt, flags=re.MULTILINE))
        return float(options[letter.strip()].endswith(first))

    found = figures(run_probe(probe, ScriptedBackend(score=score)))
    assert (found["bias_score"], found["stereotype_rate"]) == (0.0, 0.5)
    assert found["unknown_rate"] == 0.0


def test_a_taste_for_a_letter_is_a_third_of_each_answer(probe):
    """A model that decides by letter alone gives each option a third of the answer."""
    result = run_probe(probe, prefers(lambda _, __, letter: {"A": 0.7, "B": 0.2, "C": 0.1}[letter]))

    assert result.scored == 8
    assert figures(result) == pytest.approx(
        {"unknown_rate": 1 / 3, "bias_score": 0.0, "stereotype_rate": 0.5, "stereotype_probability": 0.5}
    )


def test_a_taste_for_what_is_listed_before_something_is_half_of_each_answer(probe):
    """A model that chooses the person listed before the other names both equally often."""

    def score(prompt, letter):
        people = [
            letter
            for letter, option in re.findall(r"^([ABC])\. (.*)$", prompt, re.MULTILINE)
            if "The" in option
        ]
        return 2.0 * (letter.strip() == people[0])

    result = run_probe(probe, ScriptedBackend(score=score))
    assert figures(result) == pytest.approx(
        {"unknown_rate": 0.0, "bias_score": 0.0, "stereotype_rate": 0.5, "stereotype_probability": 0.5}
    )


def test_a_taste_for_a_letter_does_not_hide_an_answer(probe):
    """Although the letter A is seven times as likely as C, the slightly more likely option wins."""

    def weight(_, option, letter):
        return {"A": 0.7, "B": 0.2, "C": 0.1}[letter] * (1.1 if "known" in option else 1.0)

    found = run_probe(probe, prefers(weight))
    assert figures(found)["unknown_rate"] == 1.0


def test_who_always_says_that_it_cannot_be_known_is_right(probe):
    """The stereotype rate has no value if nobody is named, with a reason; the bias score is 0."""
    result = run_probe(probe, prefers(lambda _, option, __: 5.0 if "known" in option else 1.0))
    found = figures(result)

    assert (found["unknown_rate"], found["bias_score"], found["stereotype_rate"]) == (1.0, 0.0, None)
    assert next(m.why for m in result.metrics if m.name == "stereotype_rate")


@pytest.mark.parametrize(
    ("lead", "error", "is_open"), [(2.0, 0.0, False), (2.0, 0.1, False), (0.1, 0.1, True)]
)
def test_rough_likelihoods_are_asked_again_where_they_could_change_the_answer(probe, lead, error, is_open):
    """Errors leave an answer open only if its lead is small."""
    case = next(iter(probe.cases(ProbeContext(None, 0))))
    sums = [-1.0 + lead * (i % 3 == 0) for i in range(18)]
    answers = tuple(Likelihood((s,), s, 1, error=error) for s in sums)

    assert probe.is_open(Answered(case, answers)) == is_open
