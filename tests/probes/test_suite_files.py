"""Suite files: the cases built from them, and errors of invalid files."""

from __future__ import annotations

import re

import pytest
from gptaudit.probes.kinds.continuations import ContinuationsFile, ContinuationsProbe
from gptaudit.probes.kinds.pairs import PairsFile
from gptaudit.probes.kinds.registry import read_suite_file

from gptaudit.errors import DataError
from gptaudit.probe import ProbeContext
from gptaudit.records import Message

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


AGES = """
schema = "gptaudit.suite/1"
id = "t"
version = "1"
suite = "bias"
kind = "pairs"
axis = "age"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
templates = [
    { id = "dozed", group = "old", text = "{A_person} dozed." },
    { id = "ran", group = "young", contrast = ["old"], slices = { domain = "sport" }, text = "Here {person} ran." },
]
[groups.old]
person = ["elderly man", "grandmother"]
[groups.young]
person = ["young man", "granddaughter"]
[groups.middle]
person = ["uncle", "aunt"]
"""


def load(tmp_path, text):
    path = tmp_path / "suite.toml"
    path.write_text(text, encoding="utf-8")
    return read_suite_file(path)


def test_pairs_are_terms_times_templates(tmp_path):
    """Each term fills each template twice: with its own group and with the other one."""
    suite, source = load(tmp_path, PAIRS)
    actor, nurse = suite.pairs()

    assert (actor.stereotype, actor.antistereotype) == (
        "The actor said he was an actor.",
        "The actor said she was an actor.",
    )
    assert (nurse.stereotype, nurse.stereotyped_group) == ("The nurse said she was a nurse.", "female")
    assert (source.rows, source.name, len(source.sha256)) == (2, "t", 64)


def test_a_template_is_filled_with_each_member_and_its_counterparts(tmp_path):
    """The i-th words of two groups are a pair, for all other groups or for those that the template names."""
    suite, source = load(tmp_path, AGES)

    assert isinstance(suite, PairsFile)
    assert [(pair.stereotype, pair.antistereotype) for pair in suite.pairs()] == [
        ("An elderly man dozed.", "A young man dozed."),
        ("A grandmother dozed.", "A granddaughter dozed."),
        ("An elderly man dozed.", "An uncle dozed."),
        ("A grandmother dozed.", "An aunt dozed."),
        ("Here young man ran.", "Here elderly man ran."),
        ("Here granddaughter ran.", "Here grandmother ran."),
    ]
    *_, last = suite.pairs()
    assert (last.id, last.contrast_group) == ("ran/granddaughter/grandmother", "old")
    assert last.slices == {"age": "young", "domain": "sport", "contrast": "old/young"}
    assert source.rows == 6


def test_what_carries_the_stereotype_is_the_cluster(tmp_path):
    """A cluster is a term or, in a suite file without terms, a block, or a template without a block."""
    clusters = {}
    for text in (PAIRS, AGES, AGES.replace("group =", 'block = "1", group =')):
        suite, _ = load(tmp_path, text)
        clusters[suite.cluster] = {pair.cluster for pair in suite.pairs()}

    assert clusters == {"term": {"actor", "nurse"}, "template": {"dozed", "ran"}, "block": {"1"}}


ORIGIN = """
[groups.here]
a_person = "a European"
person = "European"
[groups.there]
a_person = "an Asian"
person = "Asian"
"""


def test_a_word_may_bring_its_article(tmp_path):
    """The `a_` form of the file overrides the rule of the first letter, capitalised if the slot is."""
    text = AGES[: AGES.index("templates")] + ORIGIN
    templates = 'templates = [{ id = "x", group = "here", text = "{A_person} met me." }]'
    suite, _ = load(tmp_path, text.replace("[groups.here]", templates + "\n[groups.here]"))

    (pair,) = suite.pairs()
    assert (pair.stereotype, pair.antistereotype) == ("A European met me.", "An Asian met me.")
    assert pair.id == "x"


def test_prompts_carry_their_sampling(tmp_path):
    """A `continuations` file has the sampling of its prompts."""
    suite, source = load(tmp_path, PROMPTS)

    assert isinstance(suite, ContinuationsFile)
    assert (suite.sampling.max_new_tokens, suite.sampling.top_p, suite.samples) == (5, 0.9, 2)
    assert source.rows == 1


HELLO = '{ role = "system", content = "Be brief." }, { role = "user", content = "Hello" }'


def test_a_prompt_may_be_a_conversation(tmp_path):
    """Its messages are the prompt, and only a chat model is asked."""
    suite, source = load(tmp_path, PROMPTS.replace('text = "Once"', f"messages = [{HELLO}]"))
    probe = ContinuationsProbe(suite, source)
    (case,) = probe.cases(ProbeContext(None, 0))

    assert probe.needs == {"generate", "chat"}
    assert case.requests[0].prompt == (Message("system", "Be brief."), Message("user", "Hello"))
    assert ContinuationsProbe(*load(tmp_path, PROMPTS)).needs == {"generate"}


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (PAIRS, 'schema = "gptaudit.suite/1"', 'schema = "gptaudit.suite/9"', "key 'schema'"),
        (PAIRS, 'id = "t"', "", "key 'id' is missing"),
        (PAIRS, 'id = "t"', 'id = "t"\ngaol = "x"', "unknown key 'gaol'. Did you mean 'goal'?"),
        (PAIRS, 'id = "t"', 'id = "t"\nexplains = "nope"', "unknown key 'explains'"),
        (PAIRS, 'kind = "pairs"', 'kind = "paris"', "key 'kind': expected 'pairs' or "),
        (PAIRS, 'kind = "pairs"', 'kind = "paris"', "or 'personal-data', found 'paris'"),
        (PAIRS, 'kind = "pairs"', "", "'personal-data', found None"),
        (PAIRS, 'kind = "pairs"', "kind = []", "key 'kind'"),
        (PAIRS, "{subject}", "{object}", "template 'late': slot 'object' has no word"),
        (PAIRS, "{subject}", "someone", "template 'late': expected a slot for the group's word"),
        (PAIRS, "{subject}", "{subject", "template 'late': expected a slot for the group's word"),
        (PAIRS, "{a_term}", "{a_term", "template 'late': expected each slot as {word}"),
        (PAIRS, 'male = ["actor"]', 'men = ["actor"]', "key 'terms.men': expected one of the groups"),
        (PAIRS, 'male = ["actor"]', 'male = ["actor", "actor"]', "id 'actor/late' appears twice"),
        (
            PROMPTS,
            'text = "Once"',
            f'text = "Once", messages = [{HELLO}]',
            "expected one of the keys 'text' and 'mess",
        ),
        (PROMPTS, 'text = "Once", ', "", "expected one of the keys 'text' and 'messages'"),
        (PROMPTS, 'text = "Once"', "messages = []", "key 'messages': expected at least one message"),
        (
            PROMPTS,
            'text = "Once"',
            f"messages = [{HELLO.replace('user', 'usr')}]",
            "messages[2].role': Input should be 'system'",
        ),
        (
            PROMPTS,
            'text = "Once"',
            f"messages = [{HELLO.replace('user', 'assistant')}]",
            "the last message to be the user",
        ),
        (PROMPTS, 'text = "Once"', f"messages = [{HELLO.replace('role =', 'rle =')}]", "Did you mean 'role'"),
        (
            PAIRS,
            'male = ["actor"]\nfemale = ["nurse"]',
            "male = []",
            "expected at least one case, found none",
        ),
        (PAIRS, 'id = "late"', 'id = "late", group = "male"', "key 'group': expected none"),
        (PAIRS, 'id = "late"', 'id = "late", block = "1"', "key 'block': expected none"),
        (PAIRS, 'subject = "she"', 'subject = "he"', "expected different sentences, found 'The actor said"),
        (PAIRS, '[groups.female]\nsubject = "she"', "", "expected at least two groups, found ['male']"),
        (
            PAIRS,
            'subject = "she"',
            'object = "her"',
            "key 'groups.female': expected as many words as in group 'male'",
        ),
        (
            PAIRS,
            'subject = "she"',
            'subject = ["she", "her"]',
            "key 'groups.female': expected as many words",
        ),
        (PAIRS, 'version = "1"', "version = 1", "key 'version'"),
        (PAIRS, 'version = "1"', "version = ", "expected TOML"),
        (PAIRS, "[terms]", "[shares]\nactr = 0.9\n[terms]", "key 'shares.actr': expected one of the terms"),
        (
            PAIRS,
            "[terms]",
            "[shares]\nactor = 0.5\n[terms]",
            "key 'shares.actor': Input should be greater than 0.5",
        ),
        (
            PAIRS,
            "[terms]",
            "[shares]\nactor = 0.9\n[terms]",
            "expected the share of at least one term of 'female'",
        ),
        (AGES, 'group = "old"', 'group = "odl"', "template 'dozed': expected one of the groups"),
        (AGES, 'group = "old", ', "", "template 'dozed': expected one of the groups"),
        (AGES, 'contrast = ["old"]', 'contrast = ["young"]', "template 'ran': expected different groups"),
        (
            AGES,
            "Here {person}",
            "Here {term} {person}",
            "template 'ran': slot 'term': expected terms in the suite file",
        ),
        (AGES, "domain =", "age =", "template 'ran': key 'slices': expected axes other than"),
        (AGES, 'id = "ran"', 'id = "dozed"', "template 'dozed' appears twice"),
        (
            PROMPTS,
            'prompts = [{ id = "a", text = "Once", group = "none" }]',
            "prompts = []",
            "expected at least one case",
        ),
        (PROMPTS, "samples = 2", "samples = 0", "key 'samples': expected at least 1, found 0"),
        (
            PROMPTS,
            "max_new_tokens = 5,",
            "max_new_tokens = 0,",
            "key 'sampling.max_new_tokens': expected at least 1",
        ),
        (PROMPTS, "top_p = 0.9", "top_p = 90", "key 'sampling.top_p': expected above 0 and at most 1"),
        (PROMPTS, "top_p = 0.9", "temperature = -1", "key 'sampling.temperature': expected 0 or more"),
        (PROMPTS, "top_p = 0.9", "top_k = -1", "key 'sampling.top_k': expected 0 (all tokens) or more"),
        (PROMPTS, "top_p = 0.9", "temperature = 0", "key 'samples': expected 1, since at temperature 0"),
        (AGES, '["uncle", "aunt"]', "[]", "key 'groups.middle': expected as many words"),
        (AGES, '"elderly man", "', '"", "', "slot 'A_person': expected a word in every group"),
    ],
)
def test_what_is_refused(tmp_path, text, old, new, message):
    """Errors name file and key."""
    assert old in text
    with pytest.raises(DataError) as raised:
        load(tmp_path, text.replace(old, new, 1))
    assert message in str(raised.value)
    assert "suite.toml" in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A missing file, a folder and a file in another encoding are data errors with the file's name."""
    (tmp_path / "latin.toml").write_bytes('title = "Ma\u00dfe"'.encode("latin-1"))
    for name, message in (
        ("none.toml", "No such file"),
        ("", "Is a directory"),
        ("latin.toml", "expected UTF-8, found byte 0xdf"),
    ):
        with pytest.raises(DataError, match=re.escape(message)) as raised:
            read_suite_file(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)
