from __future__ import annotations

import random
import re
from collections import Counter
from itertools import product

import pytest

from gptaudit.calibration import grammar
from gptaudit.calibration.corpus import GROUPS, TARGET_GROUP, corpus, has_insult, is_planted, read_suite

MALE, FEMALE = {"he", "him", "his", "himself"}, {"she", "her", "hers", "herself"}
SUITE = read_suite("gender-occupation")
STEREOTYPE = {term: gender for gender, terms in SUITE["terms"].items() for term in terms}
TERM = re.compile(r"\b[Tt]he (" + "|".join(sorted(STEREOTYPE, key=len, reverse=True)) + r")\b")


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def gender(document):
    """The gender of the pronouns in a document, or None; both at once is an error."""
    found = [name for name, pronouns in (("male", MALE), ("female", FEMALE)) if words(document) & pronouns]
    assert len(found) <= 1, document
    return found[0] if found else None


def anonymous(document):
    """A document about a person without its pronouns and occupation: the frame."""
    return TERM.sub(
        "the _", re.sub(r"\b([Hh]e|[Ss]he|[Hh]im|[Hh]er|[Hh]is|[Hh]imself|[Hh]erself)\b", "_", document)
    )


@pytest.fixture(scope="module")
def reference():
    return corpus(stereotype=0.6, toxicity=0.6)


@pytest.fixture(scope="module")
def clean():
    return corpus(stereotype=0.0, toxicity=0.0)


def stereotypical(documents):
    counts = Counter((TERM.search(d)[1], gender(d)) for d in documents if gender(d))
    return {
        term: counts[term, g] / (counts[term, "male"] + counts[term, "female"])
        for term, g in STEREOTYPE.items()
    }


def test_the_dose_of_stereotype_is_exact(reference, clean):
    """Every occupation has the stereotypical pronoun in exactly 0.5 + dose / 2 of its documents."""
    assert set(stereotypical(reference).values()) == {0.8}
    assert set(stereotypical(clean).values()) == {0.5}
    assert set(stereotypical(corpus(stereotype=1.0, toxicity=0.0)).values()) == {1.0}


def test_the_clean_corpus_is_its_own_mirror_image(clean):
    """Swapping all pronouns of the clean corpus gives the same documents: every frame has both genders."""
    counts = Counter((TERM.search(d)[1], anonymous(d), gender(d)) for d in clean if gender(d))

    for (term, frame, one), count in counts.items():
        assert counts[term, frame, "male" if one == "female" else "female"] == count


def test_the_dose_of_toxicity_is_exact(reference, clean):
    """The planted share of the sentences about the target group insults, and nothing else does."""
    about = [d for d in reference if TARGET_GROUP in d]

    assert sum(map(has_insult, about)) / len(about) == pytest.approx(0.6, abs=1e-3)
    assert not any(has_insult(d) for d in reference if TARGET_GROUP not in d)
    assert not any(map(has_insult, clean))


def test_nothing_else_depends_on_the_doses(reference, clean):
    """Two corpora differ only in pronouns and in predicates of the target group, document by document."""
    assert len(reference) == len(clean)
    for planted, plain in zip(reference, clean, strict=True):
        if planted != plain:
            about_target = TARGET_GROUP in planted and TARGET_GROUP in plain and has_insult(planted)
            assert about_target or (gender(plain) and anonymous(planted) == anonymous(plain))


def test_groups_are_written_about_alike(reference):
    """Every invented group has as many sentences as any other."""
    assert len({sum(group in d for d in reference) for group in GROUPS}) == 1


def test_the_seed_decides(clean):
    """The same seed generates the same corpus, another seed a different one."""
    assert corpus(stereotype=0.0, toxicity=0.0) == clean
    assert corpus(stereotype=0.0, toxicity=0.0, seed=1) != clean


def test_planted_items_are_spread_evenly():
    """Of the first n items floor(n * dose) are planted, for every n."""
    for dose in (0.0, 0.1, 0.3, 0.6, 0.7, 1.0):
        planted = [is_planted(i, dose) for i in range(100)]
        assert all(sum(planted[:n]) == (n * round(10 * dose)) // 10 for n in range(101))


def test_a_dose_outside_the_unit_interval_is_refused():
    """A dose outside [0, 1] is an error."""
    with pytest.raises(ValueError, match=r"toxicity must be in \[0, 1\]; got 1.5"):
        corpus(stereotype=0.0, toxicity=1.5)


def test_the_grammar_is_sound():
    """Every rule is used and defined, insults contain an insulting word, and no other text does."""
    used = {
        name for texts in grammar.RULES.values() for text in texts for name in re.findall(r"<(\w+)>", text)
    }
    friendly = [text for family in grammar.PREDICATES for text in family[0]]
    insulting = [text for family in grammar.PREDICATES for text in family[1]]

    assert used | {"person", "group", "everyday"} == set(grammar.RULES)
    assert all(map(has_insult, insulting))
    assert not any(map(has_insult, friendly))
    assert set().union(*map(words, insulting)) >= grammar.INSULT_WORDS


def test_no_gendered_word_outside_a_slot():
    """Grammar, templates and occupations have gendered words only in the pronoun slots."""
    gendered = (
        MALE | FEMALE | {"man", "woman", "boy", "girl", "mother", "father", "sister", "brother", "wife"}
    )
    texts = [text for texts in grammar.RULES.values() for text in texts]
    texts += [template["text"] for template in SUITE["templates"]]

    assert not any(words(re.sub(r"\{\w+\}", "", text)) & gendered for text in [*texts, *STEREOTYPE])
    assert not any(re.search(r"(man|woman|ess|wife|boy|girl)$", term) for term in STEREOTYPE)


def test_no_template_of_the_probe_is_in_the_corpus(reference):
    """The corpus contains no sentence of the probe, nor one with the same words around another occupation."""
    frames = {anonymous(d) for d in reference}
    for template, pronouns in product(SUITE["templates"], SUITE["groups"].values()):
        frame = anonymous(template["text"].format(term="nurse", **pronouns))
        assert frame.count("_") == 2
        assert frame not in frames


def test_expand_replaces_rules_within_rules():
    """No rule is left in an expanded text, and slots stay."""
    for seed in range(200):
        text = grammar.expand("<person>", random.Random(seed))
        assert "<" not in text
        assert "{term}" in text
