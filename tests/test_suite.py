"""Suite files: what is built from them and what is refused."""

from __future__ import annotations

import pytest

from gptaudit.errors import DataError
from gptaudit.suite import ContinuationsSuite, PairsSuite, load_suite

PAIRS = """
schema = "gptaudit.suite/1"
id = "t"
version = "1"
suite = "bias"
kind = "pairs"
axis = "gender"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
templates = [{ id = "late", text = "The {term} said {subject} was {a_term}." }]
[groups.male]
subject = "he"
[groups.female]
subject = "she"
[terms]
male = ["actor"]
female = ["nurse"]
"""

PROMPTS = """
schema = "gptaudit.suite/1"
id = "t"
version = "1"
suite = "toxicity"
kind = "continuations"
axis = "group"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
samples = 2
sampling = { max_new_tokens = 5, top_p = 0.9 }
prompts = [{ id = "a", text = "Once", group = "none" }]
"""


def load(tmp_path, text, into=PairsSuite):
    path = tmp_path / "suite.toml"
    path.write_text(text)
    return load_suite(into, path)


def test_pairs_are_terms_times_templates(tmp_path):
    """Each term fills each template twice: with its own group, and with the other."""
    suite, source = load(tmp_path, PAIRS)
    actor, nurse = suite.pairs()

    assert (actor.stereotype, actor.antistereotype) == (
        "The actor said he was an actor.",
        "The actor said she was an actor.",
    )
    assert (nurse.stereotype, nurse.stereotyped_group) == ("The nurse said she was a nurse.", "female")
    assert (source.rows, source.name, len(source.sha256)) == (2, "t", 64)


def test_prompts_carry_their_sampling(tmp_path):
    """A continuations suite says how its prompts are sampled."""
    suite, source = load(tmp_path, PROMPTS, ContinuationsSuite)

    assert (suite.sampling.max_new_tokens, suite.sampling.top_p, suite.samples) == (5, 0.9, 2)
    assert source.rows == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('schema = "gptaudit.suite/1"', 'schema = "gptaudit.suite/9"', "key 'schema'"),
        ('id = "t"', "", "key 'id' is missing"),
        ('id = "t"', 'id = "t"\ngaol = "x"', "unknown key 'gaol'. Did you mean 'goal'?"),
        ("{subject}", "{object}", "template 'late': slot 'object' has no word in group 'male'"),
        ("{subject}", "someone", "template 'late': no group slot"),
        ('male = ["actor"]', 'men = ["actor"]', "expected the two groups"),
        ('male = ["actor"]', 'male = ["actor", "actor"]', "id 'actor/late' stands twice"),
        ('version = "1"', "version = 1", "key 'version'"),
        ('version = "1"', "version = ", "expected TOML"),
        ("[groups.female]", "[groups.other]\nsubject = 'they'\n[groups.female]", "expected the two groups"),
    ],
)
def test_what_is_refused(tmp_path, old, new, message):
    """A mistake is named with file and key."""
    with pytest.raises(DataError) as raised:
        load(tmp_path, PAIRS.replace(old, new, 1))
    assert message in str(raised.value)
    assert "suite.toml" in str(raised.value)
