"""Prompts with their counterparts: what they have in common with the pairs of a suite."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from gptaudit.probes.counterparts import counterparts
from gptaudit.probes.kinds.pair_prompts import couples

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext

PROBES = load_plugins().probes
CONTEXT = ProbeContext(None, 0)


def own(name):
    return list(PROBES[name].counterfactuals(CONTEXT, len))


@pytest.mark.parametrize("name", ["gender-occupation", "gender-trait", "religion", "gender-occupation-zh"])
def test_both_prompts_and_continuations_make_sentences_of_the_suite(name):
    """Target and foil after either prompt are what the suite compares, and nothing else."""
    sentences = {request.continuation for case in PROBES[name].cases(CONTEXT) for request in case.requests}
    found = own(name)

    assert len({case.id for case in found}) == len(found) >= 60
    for case in found:
        for prompt in (case.first, case.second):
            for end in (case.target, case.foil):
                assert prompt + end + case.rest in sentences


@pytest.mark.parametrize("name", ["gender-occupation", "gender-trait"])
def test_the_prompts_differ_in_the_slot_alone(name):
    """Without the slot's places, both prompts are the same text."""
    for case in own(name):
        left = [
            "".join(prompt[:start] + prompt[end:])
            for prompt, ((start, end),) in zip((case.first, case.second), case.places, strict=True)
        ]
        assert left[0] == left[1]


def test_couples_are_of_equal_length_where_they_can_be():
    """Each term is used at most once, and those without a term of their length come last."""
    found = couples(["aa", "b", "cccc"], ["d", "ee", "fff", "g"], lambda text: len(text.strip()))

    assert found == [("aa", "ee"), ("b", "d"), ("cccc", "fff")]


def test_probes_of_other_kinds_have_none():
    """Nothing is claimed to be a counterpart where a probe does not say so."""
    assert own("stereoset") == own("toxicity-prompts") == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "A poor man came late.",
            "A rich man came late.",
            ("A poor", "A rich", " man came late.", "poor", "rich"),
        ),
        ("Old men nap.", "The young men nap.", ("Old", "The young", " men nap.", "Old", "The young")),
        ("He said he slept.", "She said she slept.", None),
        ("Men came late.", "Men came early.", None),
        ("Men came late .", "Men came early .", None),
        ("The same.", "The same.", None),
        ("Men men slept.", "Men slept.", None),
    ],
)
def test_sentences_are_cut_behind_what_differs(first, second, expected):
    """The prompts end with the words that differ, and both sentences go on with the target."""
    found = counterparts("1", first, second, "group")
    if expected is None:
        assert found is None
        return
    slots = [
        prompt[slice(*place)]
        for prompt, (place,) in zip((found.first, found.second), found.places, strict=True)
    ]

    assert (found.first, found.second, found.target, *slots) == expected
    assert (found.first + found.target, found.second + found.target) == (first, second)


@pytest.mark.skipif(
    "GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA, a folder of data sets, is not set"
)
@pytest.mark.parametrize(("name", "cases"), [("winobias", 1584), ("winogender", 240)])
def test_published_sentences_differ_in_the_pronoun(name, cases):
    """The prompts are equally long but for slips in the files, and differ in the places of their pronouns alone."""
    data = Path(os.environ["GPTAUDIT_DATA"])
    found = list(PROBES[name].counterfactuals(ProbeContext(data, 0), len))

    def exact(case):
        words = [re.findall(r"\w+", prompt) for prompt in (case.first, case.second)]
        differing = sum(a != b for a, b in zip(*words, strict=False))
        return len(words[0]) == len(words[1]) and differing == len(case.places[0]) == len(case.places[1]) >= 2

    assert len(found) == cases
    assert sum(map(exact, found)) >= 0.98 * cases
