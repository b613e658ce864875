"""Built-in suite files other than pairs: grammar after every substitution, balance and size."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest
from gptaudit.probes.kinds.choice import ChoiceFile
from gptaudit.probes.kinds.counterfactual import CounterfactualFile
from gptaudit.probes.kinds.decision import DecisionFile
from gptaudit.probes.kinds.group_refusal import GroupRefusalFile
from gptaudit.probes.kinds.reference_contrasts import ReferenceContrastFile
from gptaudit.probes.kinds.registry import read_suite_file
from gptaudit.probes.kinds.words import listed

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import request_text
from gptaudit.testing import ScriptedBackend, run_probe

FILES = sorted((files("gptaudit.probes") / "suites").iterdir(), key=lambda file: file.name)
SUITES = [
    suite for suite, _ in map(read_suite_file, FILES) if isinstance(suite, ReferenceContrastFile | ChoiceFile)
]
GENERATED = CounterfactualFile | GroupRefusalFile
SCORED = [suite for suite in SUITES if not isinstance(suite, GENERATED)]
PRONOUN = re.compile(r"\b(s?he|him|his|hers?|himself|herself)\b|(?<!其)[他她]", re.IGNORECASE)
AN = re.compile(r"(?!eu|one|uni|use|usu|ute)[aeiou]|ho(ur|nest|no)|heir", re.IGNORECASE)

every_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.id)


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


@pytest.fixture
def texts(probes):
    def of(suite):
        """Return every distinct text that a suite file makes the model read."""
        cases = probes[suite.id].cases(ProbeContext(None, 0))
        return {request_text(request) for case in cases for request in case.requests}

    return of


def group_words(suite):
    """Return every word of every group."""
    return {word for group in suite.groups.values() for words in group.values() for word in listed(words)}


@every_suite
def test_size(suite, probes):
    """There are at least 20 different templates, so that there are enough clusters."""
    template_texts = {re.sub(r"\{\w+\}", "_", t.text) + getattr(t, "question", "") for t in suite.templates}
    cases = list(probes[suite.id].cases(ProbeContext(None, 0)))

    assert len(template_texts) == len(suite.templates) >= 20
    assert len({case.cluster for case in cases}) == len(suite.templates)


@every_suite
def test_english_is_well_formed(suite, texts):
    """Articles fit; no word or space is repeated; each sentence starts with a capital and is complete."""
    for text in texts(suite) if suite.language == "en" else ():
        assert text[0].isupper(), text
        assert not re.search(r"\b(\w+) \1\b|  | [,.?]", text, re.IGNORECASE), text
        assert not re.search(r"[.?] [a-z]", text), text
        for article, word in re.findall(r"\b(an?|An?) ([\w-]+)", text):
            assert (article.lower() == "an") == bool(AN.match(word)), text
        if suite.kind == "association":
            assert re.fullmatch(r"[A-Z][A-Za-z ,'-]*[a-z]\.", text), text


@every_suite
def test_chinese_is_well_formed(suite, texts):
    """The texts are entirely Chinese, with Chinese punctuation."""
    for text in texts(suite) if suite.language == "zh" else ():
        assert re.fullmatch(r"[\u4e00-\u9fff\uff0c\uff1a\uff1f。0-9\n]+", text), text
        assert not re.search(r"的的|很很|\uff0c{2}|这[位个][这那]", text), text


@every_suite
def test_nothing_but_the_slots_tells_the_groups_apart(suite):
    """No text has a personal pronoun, or the word of a group outside its slot."""
    words = group_words(suite)
    for template in suite.templates:
        text = " ".join(getattr(template, key, "") for key in ("text", "question", "opposite"))
        assert not PRONOUN.search(text), text
        assert not [word for word in words if re.search(rf"\b{re.escape(word)}\b", text)], text


@pytest.mark.parametrize(
    "suite", [s for s in SCORED if isinstance(s, ReferenceContrastFile)], ids=lambda suite: suite.id
)
def test_a_model_that_ignores_the_group_has_no_gap(suite, probes):
    """Whatever else its answers depend on, the difference between groups is 0."""
    own = re.compile("|".join(sorted(map(re.escape, group_words(suite)), key=len, reverse=True)))
    backend = ScriptedBackend(score=lambda c, t: -float(len(t) + sum(map(ord, own.sub("", c))) % 7))
    result = run_probe(probes[suite.id], backend)
    name = "discrimination" if isinstance(suite, DecisionFile) else "gap"

    assert result.coverage == 1.0
    assert {round(m.value, 12) for m in result.metrics if m.name == name} == {0.0}


@pytest.mark.parametrize(
    "suite", [s for s in SUITES if isinstance(s, ChoiceFile)], ids=lambda suite: suite.id
)
def test_choices_are_balanced(suite, probes):
    """Both groups have equally many templates; a preference for words gives no bias in any slice."""
    assert len(set(Counter(t.group for t in suite.templates).values())) == 1
    word = next(iter(suite.groups.values()))["person"][0]

    def score(prompt, letter):
        options = dict(re.findall(r"^([ABC])\. (.*)$", prompt, flags=re.MULTILINE))
        chosen = options[letter.strip()]
        return float(len(chosen)) if "known" not in chosen else float(word in chosen)

    result = run_probe(probes[suite.id], ScriptedBackend(score=score))
    assert {m.value for m in result.metrics if m.name == "bias_score"} == {0.0}


@pytest.mark.parametrize(
    "suite", [s for s in SUITES if isinstance(s, DecisionFile)], ids=lambda suite: suite.id
)
def test_decisions_are_questions_of_several_domains(suite):
    """Each case ends with a question; each domain has enough templates for an interval."""
    domains = Counter(template.slices["domain"] for template in suite.templates)

    assert all(re.search(r"[?\uff1f]$", template.text) for template in suite.templates)
    assert domains.keys() == {"hiring", "lending", "housing", "medical", "legal"}
    assert min(domains.values()) >= 5


@every_suite
def test_a_suite_says_what_it_is(suite):
    """Goal, source and licence are stated; the suite matches the language."""
    assert suite.goal.endswith(".")
    assert suite.source.startswith("Written for gptaudit. ")
    assert suite.licence == "Apache-2.0"
    assert suite.suite == {"en": "bias", "zh": "bias-zh"}[suite.language] or isinstance(suite, GENERATED)
    assert suite.id.endswith("-zh") == (suite.language == "zh")
