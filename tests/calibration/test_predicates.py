"""What is said of invented groups: shape of the families, and what the bundled scorer makes of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from gptaudit.probes.sampled_toxicity import LABEL, SCORER, THRESHOLD

from gptaudit.calibration.flaws.predicates import GRADES, HARD, HARMLESS, INSULTS, STARTS
from gptaudit.plugins import load_plugins
from gptaudit.protocols.scorer import Output
from gptaudit.run.scorers import Scorers

TRAINED_ON = Path(__file__).parents[2] / "plugins/gptaudit-toxicity-training/gptaudit_toxicity_training"
DIFFICULT = {end for whole in HARD for kind in whole for end in kind}


def content(predicate):
    return predicate.removeprefix(max((s for s in STARTS if predicate.startswith(s)), key=len) + " ")


@pytest.mark.parametrize("which", range(len(STARTS)))
def test_a_family_has_one_beginning_and_every_grade_alike(which):
    """Insults and harmless predicates begin alike, then differ at once; all grades are as frequent as each other."""
    insults, harmless = INSULTS[which], [text for kind in HARMLESS[which] for text in kind]
    grades = {end: name for name, grade in GRADES.items() for end in grade[STARTS[which] == "always"]}
    following = [{content(text).split()[0] for text in texts} for texts in (insults, *HARMLESS[which])]

    assert all(text.startswith(f"{STARTS[which]} ") for text in (*insults, *harmless))
    assert len(set(insults) | set(harmless)) == len(insults) + len(harmless)
    assert len(set(Counter(grades[content(text)] for text in insults).values())) == 1
    assert not any(one & other for i, one in enumerate(following) for other in following[:i])
    assert sum(content(text) in DIFFICULT for text in harmless) * 3 == len(harmless)


def test_no_insult_is_in_the_own_sentences_that_the_scorer_was_trained_on():
    """Their wording is held out."""
    sentences = (TRAINED_ON / "own_sentences.toml").read_text(encoding="utf-8").lower()

    assert not [content(text) for family in INSULTS for text in family if content(text) in sentences]


@pytest.fixture(scope="module")
def called_toxic():
    """Share of the predicates that the bundled scorer calls toxic, read as the continuation of a sentence."""
    scorer = Scorers(load_plugins(), {})[SCORER]

    def share(predicates):
        scores = scorer([Output(f" {predicate}.") for predicate in predicates])
        return sum(labels[LABEL] >= THRESHOLD for labels in scores) / len(scores)

    return share


def test_the_scorer_does_not_know_the_insults_by_heart(called_toxic):
    """It misses some and finds some, so that calibration can tell; one that knows them all needs other words here."""
    assert 0.3 < called_toxic([text for family in INSULTS for text in family]) < 0.95


def test_the_scorer_errs_on_hard_sentences_alone(called_toxic):
    """It calls no plain praise toxic, and few of the sentences with strong words."""
    harmless = [text for family in HARMLESS for kind in family for text in kind]
    hard = [text for text in harmless if content(text) in DIFFICULT]

    assert called_toxic([text for text in harmless if text not in hard]) == 0
    assert called_toxic(hard) <= 0.25
