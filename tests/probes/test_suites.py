"""Built-in suite files of kind `pairs`: grammar after every substitution, balance and size."""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from importlib.resources import files

import gptaudit.probes
import pytest
from gptaudit.probes.kinds import registry
from gptaudit.probes.kinds.pairs import PairsFile
from gptaudit.probes.kinds.registry import read_suite_file
from gptaudit.probes.kinds.words import listed

from gptaudit.plugins import load_plugins
from gptaudit.testing import ScriptedBackend, run_probe

FILES = sorted((files("gptaudit.probes") / "suites").iterdir(), key=lambda file: file.name)
SUITES = [suite for suite, _ in map(read_suite_file, FILES) if isinstance(suite, PairsFile)]
ENGLISH = [suite for suite in SUITES if suite.language == "en"]
CHINESE = [suite for suite in SUITES if suite.language == "zh"]

AXES = {
    "en": {
        "gender", "nationality", "religion", "age", "disability", "sexual_orientation", "socioeconomic_status",
        "appearance", "name", "gender_and_age",
    },
    "zh": {"gender", "age", "region", "socioeconomic_status"},
}  # fmt: skip

VOWEL_SOUND = re.compile(r"(?!eu|one|uni|use|usu|ute)[aeiou]|ho(ur|nest|no)|heir", re.IGNORECASE)
"""Words of these suite files that take "an"."""

every_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.id)


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


def sentences(suite):
    return {text for pair in suite.pairs() for text in (pair.stereotype, pair.antistereotype)}


def test_every_file_is_a_probe(probes):
    """Each file in the folder is registered under its id, which is its file name, without any code."""
    for file in FILES:
        suite, source = read_suite_file(file)
        assert file.name == f"{suite.id}.toml"
        assert probes[suite.id].suite == suite.suite
        assert probes[suite.id].source(None) == source


def test_size():
    """There are over 2,000 distinct pairs besides gender-occupation, and 20 templates per axis in both languages."""
    pairs = {frozenset((p.stereotype, p.antistereotype)) for suite in SUITES for p in suite.pairs()}
    templates = defaultdict(set)
    for suite in SUITES:
        templates[suite.language, suite.axis] |= {template.text for template in suite.templates}

    first = next(suite for suite in SUITES if suite.id == "gender-occupation")
    assert len(pairs) - len(list(first.pairs())) >= 2000
    assert templates.keys() == {(language, axis) for language, axes in AXES.items() for axis in axes}
    assert all(len(texts) >= 20 for texts in templates.values())


def test_no_pair_and_no_template_stands_twice():
    """Over all suite files each pair appears once, in one direction, and each template once."""
    pairs = Counter(frozenset((p.stereotype, p.antistereotype)) for suite in SUITES for p in suite.pairs())
    templates = Counter(re.sub(r"\{\w+\}", "_", t.text) for suite in SUITES for t in suite.templates)

    assert max(pairs.values()) == 1
    assert [text for text, count in templates.items() if count > 1] == []


@every_suite
def test_directions_are_balanced_in_every_block(suite):
    """Any two words are paired equally often in both directions within a block.

    A suite file with terms is balanced as a whole, since occupations carry the stereotype.
    """
    directed = Counter(
        ("" if suite.terms else p.cluster, p.stereotyped_group, p.contrast_group, *words(suite, p))
        for p in suite.pairs()
    )
    for (block, one, two, first, second), count in directed.items():
        assert directed[block, two, one, second, first] == count


def words(suite, pair):
    """Return the two words of a pair from its id; a suite file with terms has one word per group and slot."""
    return ("", "") if suite.terms else pair.id.split("/")[1:]


@every_suite
def test_a_model_that_prefers_some_words_is_at_one_half(suite, probes):
    """With balanced directions a preference for words gives a stereotype rate of 1/2."""
    vocabulary = sorted({word for text in sentences(suite) for word in units(text)})
    rank = {word: place for place, word in enumerate(vocabulary)}
    backend = ScriptedBackend(score=lambda _, text: -float(sum(rank[word] for word in units(text))))
    result = run_probe(probes[suite.id], backend)

    (overall,) = (m for m in result.metrics if m.name == "stereotype_rate" and not m.slice)
    (association,) = (m for m in result.metrics if m.name == "association" and not m.slice)
    assert overall.value == 0.5
    assert association.value == pytest.approx(0, abs=1e-9)
    assert overall.clusters == len({pair.cluster for pair in suite.pairs()}) >= 20


def units(text):
    """Split English into words, and Chinese into characters."""
    return re.findall(r"[\w'-]+", text) if text.isascii() else list(text)


@every_suite
def test_each_slice_has_enough_clusters(suite):
    """Each group has at least three clusters."""
    clusters = defaultdict(set)
    for pair in suite.pairs():
        clusters[pair.stereotyped_group].add(pair.cluster)

    assert clusters.keys() == suite.groups.keys()
    assert min(map(len, clusters.values())) >= 3


@every_suite
def test_the_sentences_of_a_pair_differ_in_the_slot_alone(suite):
    """Each template has one slot for the group, and the text around it is the same in both sentences."""
    templates = {template.id: template.text for template in suite.templates}
    for pair in suite.pairs():
        text = templates[pair.template].replace("{term}", pair.term).replace("{a_term}", pair.term)
        before, after = re.split(r"\{\w+\}", text)
        words = [
            sentence[len(before) : len(sentence) - len(after)]
            for sentence in (pair.stereotype, pair.antistereotype)
        ]
        assert [before + word + after for word in words] == [pair.stereotype, pair.antistereotype]
        assert words[0] != words[1]
        assert all(words)


@pytest.mark.parametrize("suite", ENGLISH, ids=lambda suite: suite.id)
def test_english_is_well_formed(suite):
    """Sentences start with a capital and end with a full stop; articles fit; no word or space is repeated."""
    for text in sentences(suite):
        assert re.fullmatch(r"[A-Z][A-Za-z ,'-]*[a-z]\.", text), text
        assert not re.search(r"\b(\w+) \1\b|  | ,", text, re.IGNORECASE), text
        for article, word in re.findall(r"\b(an?|An?) ([\w-]+)", text):
            assert (article.lower() == "an") == bool(VOWEL_SOUND.match(word)), text


@pytest.mark.parametrize("suite", CHINESE, ids=lambda suite: suite.id)
def test_chinese_is_well_formed(suite):
    """Sentences are entirely Chinese, with Chinese punctuation and a full stop at the end."""
    for text in sentences(suite):
        assert re.fullmatch(r"[\u4e00-\u9fff\uff0c]+。", text), text
        assert not re.search(r"的的|\uff0c{2}|这[位个][这那]", text), text


@every_suite
def test_a_suite_says_what_it_is(suite):
    """Goal, source and licence are stated; the suite matches the language."""
    assert suite.goal.endswith(".")
    assert suite.source.startswith("Written for gptaudit. ")
    assert suite.licence == "Apache-2.0"
    assert suite.suite == {"en": "bias", "zh": "bias-zh"}[suite.language]
    assert suite.id.endswith("-zh") == (suite.language == "zh")


@every_suite
def test_no_template_repeats_what_tells_the_groups_apart(suite):
    """The words that distinguish two groups appear only in the slot; elsewhere they would favour one group."""
    telling = set()
    for pair in suite.pairs():
        one, two = (set(units(sentence.lower())) for sentence in (pair.stereotype, pair.antistereotype))
        telling |= (one ^ two) if suite.language == "en" else set(words(suite, pair))
    for template in suite.templates:
        fixed = re.sub(r"\{\w+\}", "_", template.text).lower()
        found = (
            telling & set(units(fixed))
            if suite.language == "en"
            else {w for w in telling if w and w in fixed}
        )
        assert not found, fixed


PITFALLS = {
    r"\b(hearing|sighted|able-bodied|non-\w+)\b": "a marked word for people whom nobody marks",
    r"\b(straight|plain) ": "a word with another common meaning",
    r"\b(young gentleman|old lady)\b": "an expression that hardly occurs in the other group",
}
"""Faults of group words that Blodgett et al. 2021 (ACL, "Stereotyping Norwegian Salmon") found in published pairs."""


@pytest.mark.parametrize("suite", ENGLISH, ids=lambda suite: suite.id)
def test_group_words_have_no_known_pitfall(suite):
    """No word is marked, ambiguous or lopsided; where age is asked about, none names a relation."""
    pitfalls = PITFALLS | ({r"\bgrand": "kinship implies the age"} if "age" in suite.axis.split("_") else {})
    told = [word for group in suite.groups.values() for words in group.values() for word in listed(words)]
    for pattern, why in pitfalls.items():
        assert not [word for word in told if re.search(pattern, word)], why


def test_nationalities_are_not_asked_about_customs():
    """Dishes, drinks and customs are knowledge of a country and no stereotype of its people."""
    customs = r"pasta|tea|wine|vodka|spice|bow|flag|samba|siesta|beach|sushi|beer|kilt|chopsticks|medita"
    suite = next(suite for suite in SUITES if suite.id == "nationality")
    for template in suite.templates:
        assert not re.search(rf"\b({customs})", template.text), template.text


@every_suite
def test_pronouns_never_give_the_group_away(suite):
    """Pronouns outside the slot have no gender, so that the rest of a sentence fits both groups."""
    for template in suite.templates:
        fixed = re.sub(r"\{\w+\}", "_", template.text)
        assert not re.search(r"\b(he|him|his|she|her|hers|himself|herself)\b|[他她]", fixed), fixed


def test_names_are_scored_by_decision(probes):
    """The suite file of names has a slice per kind of decision, with equally many pairs each."""
    result = run_probe(probes["names-hiring"], ScriptedBackend(score=lambda _, text: -float(len(text))))
    domains = {m.slice["domain"]: m.cases for m in result.metrics if "domain" in m.slice}

    assert domains == dict.fromkeys(["hiring", "lending", "medical", "legal"], 120)


@pytest.mark.parametrize(
    ("name", "names", "metric"),
    [("names-hiring", 12, "association"), ("decisions-names", 8, "discrimination")],
)
def test_names_are_a_sample(probes, name, names, metric):
    """The interval is for other names too, and not for other templates alone."""
    backend = ScriptedBackend(score=lambda context, text: -zlib.crc32((context + text).encode()) / 2**29)

    (found,) = (m for m in run_probe(probes[name], backend).metrics if m.name == metric and not m.slice)

    assert found.crossed.groups == names
    assert "two-way" in found.interval


def test_a_file_is_enough(tmp_path, monkeypatch):
    """A suite file that is added to the folder becomes a probe of its kind."""
    folder = tmp_path / "suites"
    folder.mkdir()
    for file in FILES:
        (folder / file.name).write_bytes(file.read_bytes())
    mine = (folder / "age.toml").read_text(encoding="utf-8").replace('id = "age"', 'id = "mine"', 1)
    (folder / "mine.toml").write_text(mine, encoding="utf-8")
    (folder / "notes.txt").write_text("No suite.")
    monkeypatch.setattr(registry, "files", lambda _: tmp_path)
    monkeypatch.setattr(registry, "built_in_suites", registry.built_in_suites.__wrapped__)
    found = {}

    gptaudit.probes.gptaudit_register_probes(lambda probe: found.setdefault(probe.id, probe))
    assert {"mine", "age", "toxicity-prompts"} <= found.keys()
    assert type(found["mine"]) is type(found["age"])
