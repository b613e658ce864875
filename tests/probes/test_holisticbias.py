"""HolisticBias: test lists against scipy and values computed by hand, and the published lists."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from types import MappingProxyType

import numpy as np
import pytest
from gptaudit.probes.holisticbias_data import read_holisticbias
from scipy import stats

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext
from gptaudit.records import Case, Completion, GenerateRequest, Likelihood, ScoreRequest
from gptaudit.run.sampling import sample
from gptaudit.testing import ScriptedBackend, run_probe

FILES = {
    "nouns": {"female": [["aunt", "aunts"]] * 1, "male": [["uncle", "uncles"], ["boy", "boys"]]},
    "sentence_templates": {
        "I'm {noun_phrase}.": {},
        "I like {plural_noun_phrase}.": {"must_be_noun": True},
    },
    "descriptors": {
        "height": {
            "short": ["tiny", {"descriptor": "hourly tall", "article": "an"}],
            "long": [{"descriptor": "lanky", "gender": "male"}, {"descriptor": "gangly", "gender": "male"}],
        },
        "taste": {"all": ["odd"]},
    },
    "standalone_noun_phrases": {
        "taste": [
            "a gourmet",
            {"noun_phrase": "{article} {noun} with taste", "plural_noun_phrase": "{noun} with tastes"},
        ]
    },
}


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


def write(folder, **changed):
    """Write the four files; `changed` replaces the text of some of them."""
    (folder / "holisticbias" / "v1.1").mkdir(parents=True)
    for name, value in FILES.items():
        text = changed.get(name, json.dumps(value))
        path = folder / "holisticbias" / "v1.1" / f"{name}.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def noise(text):
    """Return a pseudo-random number from 0 to 1."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


class TestSentences:
    def test_every_noun_and_template(self, tmp_path):
        """Phrases have the article, the plural, the noun before the term, or no noun if the template allows."""
        lists = read_holisticbias(write(tmp_path))
        one, many = lists.templates
        by_name = {descriptor.name: descriptor for descriptor in lists.descriptors}

        assert lists.sentences(by_name["hourly tall"], one) == {
            "": "I'm hourly tall.",
            "aunt": "I'm an hourly tall aunt.",
            "uncle": "I'm an hourly tall uncle.",
            "boy": "I'm an hourly tall boy.",
        }
        assert lists.sentences(by_name["lanky"], many) == {
            "uncle": "I like lanky uncles.",
            "boy": "I like lanky boys.",
        }
        assert lists.sentences(by_name["with taste"], one)["aunt"] == "I'm an aunt with taste."
        assert lists.sentences(by_name["with taste"], many)["boy"] == "I like boys with tastes."
        assert lists.sentences(by_name["a gourmet"], one) == {"": "I'm a gourmet."}
        assert lists.sentences(by_name["a gourmet"], many) == {}

    def test_pairs(self, tmp_path):
        """Each descriptor is in one pair of its axis, with the nouns common to both; pairs depend on the seed."""
        lists = read_holisticbias(write(tmp_path))
        height, taste = lists.pairs(0, 2)

        assert {frozenset(pair.names) for pair in height} == {
            frozenset(("lanky", "gangly")),
            frozenset(("tiny", "hourly tall")),
        }
        assert len(height) == 4
        assert {len(pair.sentences[0]) for pair in height} == {2, 3, 4}
        assert {frozenset(pair.names) for pair in taste} == {frozenset(("odd", "with taste"))}
        assert "" not in taste[0].nouns


class TestLikelihood:
    def test_against_scipy(self, probes, data):
        """Significance equals that of scipy's test on the mean log-probabilities, with and without correction."""

        def score(_, text):
            return -len(text) * (1 + 0.2 * noise(text))

        result = run_probe(probes["holisticbias"], ScriptedBackend(score=score), data=data, limit=60)
        cases = list(probes["holisticbias"].cases(ProbeContext(data, 0)))
        found = []
        for case in sample(cases, 60, seed=0).of(cases):
            sums = [score("", request.continuation) for request in case.requests]
            half = len(sums) // 2
            found.append((stats.mannwhitneyu(sums[:half], sums[half:]).pvalue, case.content["tests"]))
        whole = {m.name: m.value for m in result.metrics if not m.slice}

        assert whole["likelihood_bias"] == np.mean([p < 0.05 for p, _ in found])
        assert whole["likelihood_bias_corrected"] == np.mean([p < 0.05 / tests for p, tests in found])
        assert 0 < whole["likelihood_bias_corrected"] < whole["likelihood_bias"] < 1

    @pytest.mark.slow
    def test_no_difference(self, probes, data):
        """Without an effect of the descriptor about 5 % of the pairs are significant, and none after correction."""
        backend = ScriptedBackend(score=lambda _, t: -1 - noise(t))
        result = run_probe(probes["holisticbias"], backend, data=data, limit=600)
        whole = {m.name: m for m in result.metrics if not m.slice}

        assert whole["likelihood_bias"].low <= 0.05 <= whole["likelihood_bias"].high
        assert whole["likelihood_bias_corrected"].value < 0.01

    @pytest.mark.parametrize(("apart", "error", "is_open"), [(9, 1, False), (1.5, 1, True), (1.5, 0, False)])
    def test_rough_sums(self, probes, apart, error, is_open):
        """Cases are asked again if errors could change their significance."""
        sums = [*np.linspace(0, 1, 20), *(np.linspace(0, 1, 20) + apart)]
        answers = tuple(Likelihood((-1.0,), -float(x), 0, float(error)) for x in sums)
        requests = tuple(ScoreRequest("", str(i)) for i in range(40))
        case = Case("1", "1", requests, content={"names": ["a", "b"], "tests": 3})

        assert probes["holisticbias"].is_open(Answered(case, answers)) == is_open


class TestGeneration:
    def test_half_the_product_of_two_differences(self, probes):
        """Even and odd nouns are the two halves: differences 0.4 and 0.2 give 0.04."""
        toxicity = [0.5, 0.3, 0.5, 0.3, 0.1, 0.1, 0.1, 0.1]
        sentiment = [{"positive": 0.0, "negative": 0.5}] * 4 + [{"positive": 0.5, "negative": 0.0}] * 4
        scores = {"toxicity": tuple({"toxicity": t} for t in toxicity), "sentiment": tuple(sentiment)}
        requests = tuple(GenerateRequest(str(i)) for i in range(8))
        answered = Answered(
            Case("1", "1", requests), tuple(Completion("b", "stop") for _ in range(8)), scores
        )
        values = probes["holisticbias-generation"].measure(answered).values

        assert values == {
            "toxicity_variance": pytest.approx(0.4 * 0.2 / 2),
            "sentiment_variance": pytest.approx(0.5),
        }

    def test_it_estimates_the_variance(self, probes, data, monkeypatch):
        """A variance of 1/12 between descriptors is recovered despite noise of the same size."""

        class Rated:
            name, labels, identity = (
                "",
                ("toxicity", "positive", "negative"),
                MappingProxyType({"model": "a"}),
            )

            def __call__(self, outputs):
                return [
                    {"toxicity": float(o.text.split()[-1]), "positive": 0.0, "negative": 0.0} for o in outputs
                ]

        monkeypatch.setattr("gptaudit.scorers.builtin.open_toxicity", lambda *_: Rated())
        monkeypatch.setattr("gptaudit.scorers.builtin.open_sentiment", lambda _: Rated())
        probe = probes["holisticbias-generation"]
        names = {
            request.prompt: f"{case.slices['axis']} {case.content['names'][i >= len(case.requests) // 2]}"
            for case in probe.cases(ProbeContext(data, 0))
            for i, request in enumerate(case.requests)
        }

        def complete(prompt, _):
            return f"so {(noise(names[prompt]) + noise(prompt)) / 2}"

        whole = {
            m.name: m
            for m in run_probe(probe, ScriptedBackend(complete=complete), data=data).metrics
            if not m.slice
        }

        assert whole["toxicity_variance"].low < 1 / 12 / 4 < whole["toxicity_variance"].high
        assert whole["toxicity_variance"].low > 0
        assert whole["sentiment_variance"].value == 0.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nouns", '{"other": [["a", "b"]]}', "key 'other': expected one of female, male, neutral"),
        ("nouns", '{"female": [["a"]]}', "key 'female': expected a noun and its plural, found ['a']"),
        ("sentence_templates", '{"I am here.": {}}', "key 'I am here.': expected one of {noun_phrase} and"),
        (
            "descriptors",
            '{"a": {"b": ["c", "c"]}}',
            "key 'a', 'b': the descriptor 'c' appears twice; remove one",
        ),
        (
            "descriptors",
            '{"a": {"b": [{"name": "c"}]}}',
            "key 'a', 'b': expected a text, or an object with the key",
        ),
        (
            "descriptors",
            '{"a": {"b": [{"descriptor": "c", "gender": "x"}]}}',
            "'c': key 'gender': expected female",
        ),
        ("descriptors", '{"a": ["b"]}', "Input should be a valid dictionary"),
        (
            "standalone_noun_phrases",
            '{"a": [""]}',
            "key 'a': expected a text, or an object with the key 'noun_phrase'",
        ),
        ("nouns", b"\xff", "expected UTF-8, found byte 0xff"),
        ("nouns", "", "line 1, column 1: expected JSON"),
        ("nouns", "{}", "expected at least one noun, found none"),
        ("nouns", '{"male": [["a", "b"], ["a", "c"]]}', "the noun 'a' appears twice"),
        ("sentence_templates", "{}", "expected at least one template, found none"),
        ("sentence_templates", '{"I am {noun_phrase} {x}.": {}}', "and no other slot; fix the template"),
        ("sentence_templates", '{"I am {noun_phrase} {.": {}}', "fix the braces"),
        ("sentence_templates", '{"I am {noun_phrase}.": {"noun": true}}', "must_be_noun and first_turn_only"),
        ("descriptors", "{}", "expected at least one axis, found none"),
        ("standalone_noun_phrases", '{"a": ["{noun} in {z}"]}', "expected no slots but {article} and {noun}"),
        (
            "standalone_noun_phrases",
            '{"a": ["{noun} in red", "{noun} in red"]}',
            "the phrase '{noun} in red' appears twice",
        ),
    ],
)
def test_broken_file(tmp_path, name, text, said):
    """Errors name the file and the key."""
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        read_holisticbias(write(tmp_path, **{name: text}))

    assert f"{name}.json" in str(raised.value)


def test_published_lists(probes, data):
    """775 entries on 13 axes with 26 templates give half a million sentences; each descriptor is in one pair."""
    lists = read_holisticbias(data)
    cases = list(probes["holisticbias"].cases(ProbeContext(data, 0)))
    of_cluster = Counter(case.cluster for case in cases)

    assert (len(lists.descriptors), len({d.axis for d in lists.descriptors}), len(lists.templates)) == (
        775,
        13,
        26,
    )
    assert sum(len(lists.sentences(d, t)) for d in lists.descriptors for t in lists.templates) == 565_793
    assert (len(cases), set(of_cluster.values())) == (666, {2})
    assert len({case.id for case in cases}) == len(cases)
    assert len({case.slices["axis"] for case in cases[:13]}) == 13
    assert probes["holisticbias"].source(ProbeContext(data, 0)).name == "holisticbias"
