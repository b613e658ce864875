"""Built-in probes on scripted models, against values computed by hand."""

from __future__ import annotations

import csv
import math
import re
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from gptaudit.probes.kinds.registry import probe_of_suite

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext
from gptaudit.records import Attribution
from gptaudit.testing import ScriptedBackend, run_probe

SUITES = Path(__file__).parents[2] / "probes" / "suites"
NOWHERE = ProbeContext(data=None, seed=0)


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


def values(result):
    """Return metric -> value, with slices as `name[group]`."""
    return {m.name + "".join(f"[{group}]" for group in m.slice.values()): m.value for m in result.metrics}


MALE = re.compile(r"\b(he|him|his|himself)\b")


class TestGenderOccupation:
    def test_size_and_balance(self, probes):
        """There are at least 60 occupations and 8 templates, equally many in both directions."""
        cases = list(probes["gender-occupation"].cases(NOWHERE))
        groups = [case.slices["gender"] for case in cases]

        assert len({case.cluster for case in cases}) >= 60
        assert len(cases) / len({case.cluster for case in cases}) >= 8
        assert groups.count("male") == groups.count("female")

    def test_sentences_differ_in_one_pronoun(self, probes):
        """The two sentences of a pair differ in one word, which is a pronoun."""
        pronouns = {"he", "she", "him", "her", "his", "himself", "herself"}
        for case in probes["gender-occupation"].cases(NOWHERE):
            first, second = (re.findall(r"\w+", request.continuation) for request in case.requests)
            changed = [(a, b) for a, b in zip(first, second, strict=True) if a != b]

            assert len(changed) == 1
            assert set(changed[0]) <= pronouns
            assert len(pronouns & set(first)) == 1

    def test_a_model_that_always_prefers_men(self, probes):
        """It has a default and no association, and agrees with the stereotype for male occupations alone."""
        backend = ScriptedBackend(score=lambda _, text: -1.0 if MALE.search(text) else -3.0)
        found = values(run_probe(probes["gender-occupation"], backend))
        likely = 1 / (1 + math.exp(-2))

        assert found == pytest.approx(
            {
                "association": 0.0,
                "association_auroc": 0.5,
                "default": 2.0,
                "stereotype_rate": 0.5,
                "stereotype_rate[male]": 1.0,
                "stereotype_rate[female]": 0.0,
                "stereotype_probability": 0.5,
                "stereotype_probability[male]": likely,
                "stereotype_probability[female]": 1 - likely,
            }
        )

    @pytest.mark.parametrize(("difference", "tie"), [(0.0, True), (9e-5, True), (1.1e-4, False)])
    def test_a_tie_is_not_decided_by_rounding(self, probes, difference, tie):
        """Two sentences whose difference is within rounding are a tie, and their pair is unscored."""
        backend = ScriptedBackend(score=lambda _, text: -5.0 + difference * bool(MALE.search(text)))
        result = run_probe(probes["gender-occupation"], backend, limit=20)

        assert (result.unscored, result.scored) == (({"tie": 20}, 0) if tie else ({}, 20))

    def test_huge_differences_do_not_overflow(self, probes):
        """A difference of thousands of nats gives a probability of 0 or 1."""
        backend = ScriptedBackend(score=lambda _, text: -1e4 if " he " in text else 0.0)
        found = values(run_probe(probes["gender-occupation"], backend, limit=14))

        assert 0.0 <= found["stereotype_probability"] <= 1.0

    def test_directions_are_those_of_published_statistics(self, probes, data):
        """Every occupation that Winogender has too is assigned the majority gender of its labour statistics."""
        with (data / "winogender" / "occupations-stats.tsv").open(encoding="utf-8") as file:
            share = {
                row["occupation"]: float(row["bls_pct_female"])
                for row in csv.DictReader(file, delimiter="\t")
            }
        direction = {c.cluster: c.slices["gender"] for c in probes["gender-occupation"].cases(NOWHERE)}
        shared = share.keys() & direction.keys()

        assert len(shared) >= 20
        assert {term: direction[term] for term in shared} == {
            term: "female" if share[term] > 50 else "male" for term in shared
        }


class TestToxicityPrompts:
    def test_size(self, probes):
        """There are enough prompts for a clean model to pass a limit of 5 %: the upper end for 0 of n is 3.7/n."""
        cases = list(probes["toxicity-prompts"].cases(NOWHERE))

        assert len(cases) >= 160
        assert {len(case.requests) for case in cases} == {5}
        assert len({case.requests[0].prompt for case in cases}) == len(cases)

    def test_measures_of_one_prompt(self, probes, rated):
        """Probability, expected maximum and fraction are as defined by Gehman et al., for five samples."""
        scores = [0.1, 0.5, 0.2, 0.9, 0.0]
        backend = ScriptedBackend(complete=lambda prompt, sample: f"so {scores[sample]}")
        result = run_probe(probes["toxicity-prompts"], backend, limit=10)

        found = values(result)
        assert found["toxicity_probability"] == 1.0
        assert found["expected_max_toxicity"] == pytest.approx(0.9)
        assert found["toxic_fraction"] == pytest.approx(2 / 5)
        assert result.method["scorers"] == {"toxicity": {"model": "numbers"}}

    def test_each_case_gets_its_own_scores(self, probes, rated):
        """Texts of all cases are rated in one call, and each score is assigned to its own case."""
        velmari = ScriptedBackend(complete=lambda prompt, sample: "0.7" if "Velmari" in prompt else "0.1")
        found = values(run_probe(probes["toxicity-prompts"], velmari))

        assert found["toxic_fraction[velmari]"] == 1.0
        assert found["toxic_fraction[none]"] == found["toxic_fraction[ostrani]"] == 0.0

    def test_one_empty_sample_leaves_the_case_unscored(self, probes, rated):
        """A case is scored with all of its samples or not at all."""
        backend = ScriptedBackend(
            complete=lambda prompt, sample: " " if sample == 3 and "river" in prompt else "0.1"
        )
        result = run_probe(probes["toxicity-prompts"], backend)

        assert dict(result.unscored) == {
            "empty": sum("river" in c.requests[0].prompt for c in _cases(probes))
        }
        assert values(result)["toxic_fraction"] == 0.0

    def test_an_answer_that_shows_nothing_is_empty(self, probes, rated):
        """An answer of zero-width characters is empty."""
        result = run_probe(
            probes["toxicity-prompts"],
            ScriptedBackend(complete=lambda prompt, sample: "\u200b\u2060 "),
            limit=3,
        )

        assert (result.status, dict(result.unscored)) == ("error", {"empty": 3})

    def test_a_score_that_is_no_number_is_not_innocent(self, probes, rated):
        """A case with a score that is not finite is unscored, whatever its other scores are."""
        backend = ScriptedBackend(complete=lambda prompt, sample: "0.1" if sample == 0 else "nan")
        result = run_probe(probes["toxicity-prompts"], backend, limit=3)

        assert dict(result.unscored) == {"score-not-finite": 3}


def _cases(probes):
    return list(probes["toxicity-prompts"].cases(NOWHERE))


def attribution(request, *, converged=True):
    """Return an attribution with 2 on the first word after "The", and on the last 1 of "a" and else 0.5."""
    words = [(m.start(), m.end()) for m in re.finditer(r"\w+", request.prompt)]
    last = 1.0 if "carpenter" in request.prompt else 0.5
    scores = [2.0 if i == 1 else last if i == len(words) - 1 else 0.0 for i in range(len(words))]
    if "carpenter" not in request.prompt:
        scores[1] = -1.0
    tokens = tuple(request.prompt[a:b] for a, b in words)
    return Attribution(tokens, tuple(words), tuple(scores), 1.0, 0.0, 0.0, 20, converged, "mean", "scripted")


class TestTokenAttribution:
    @pytest.fixture
    def cases(self, probes):
        return list(probes["token-attribution"].cases(NOWHERE))

    def test_one_case_a_couple_with_every_template(self, cases):
        """Each occupation is in one case, and the templates take turns."""
        templates = [case.crossed for case in cases]

        assert len({case.cluster for case in cases}) == len(cases) == 100
        assert max(map(templates.count, templates)) - min(map(templates.count, templates)) <= 1

    def test_prompts_differ_in_the_occupation(self, cases):
        """Both prompts have the same target and foil, and are one text without the places that differ."""
        for case in cases:
            first, second = case.requests
            assert (first.target, first.foil) == (second.target, second.foil)
            left = [
                request.prompt[:start] + request.prompt[end:]
                for request, ((start, end),) in zip(case.requests, case.content["places"], strict=True)
            ]
            assert left[0] == left[1]

    def test_what_differs_gets_what_lies_on_it(self, probes):
        """Of a pair the scores of the second prompt are taken from those of the first, word by word."""
        case = next(probes["token-attribution"].cases(NOWHERE))
        answered = Answered(case, tuple(map(attribution, case.requests)))
        found = probes["token-attribution"].measure(answered)
        shown = found.evidence.attribution

        assert found.values == pytest.approx({"stereotype_attribution": 3.0, "rest_attribution": 0.5})
        assert dict(zip(map(str.strip, shown.tokens), shown.scores, strict=True)) == pytest.approx(
            {"The": 0.0, "carpenter/nurse": 3.0, "said": 0.0, "that": 0.5}
        )

    def test_the_parts_of_a_case_add_up_to_its_figures(self, probes):
        """The terms count as one, by what they add in either prompt: what all terms have in common cancels."""
        case = next(probes["token-attribution"].cases(NOWHERE))
        found = probes["token-attribution"].measure(Answered(case, tuple(map(attribution, case.requests))))

        assert [(part.slot, part.word, part.score) for part in found.evidence.parts] == [
            ("other words", "The", 0.0),
            ("term", "carpenter/nurse", 3.0),
            ("other words", "said", 0.0),
            ("other words", "that", 0.5),
        ]

    def test_the_result_has_sums_by_slot_and_by_word(self, probes):
        """Of 100 cases the slots have the figures of the probe, and a word the mean over the cases that have it."""
        result = run_probe(probes["token-attribution"], ScriptedBackend(attribute=attribution))
        by_slot = {m.slice["slot"]: m for m in result.parts if "slot" in m.slice}
        by_name = {m.name: m for m in result.metrics}
        carpenter = next(m for m in result.parts if m.slice == {"term": "carpenter/nurse"})

        assert {name: (m.value, m.low, m.high, m.n) for name, m in by_slot.items()} == {
            "term": _interval(by_name["stereotype_attribution"]),
            "other words": _interval(by_name["rest_attribution"]),
        }
        assert (carpenter.value, carpenter.low, carpenter.n, carpenter.clusters) == (3.0, None, 1, 1)

    def test_what_did_not_converge_is_not_scored(self, probes):
        """An attribution with a large completeness error is unscored, with that reason."""
        backend = ScriptedBackend(attribute=lambda request: attribution(request, converged=False))
        result = run_probe(probes["token-attribution"], backend, limit=4)

        assert dict(result.unscored) == {"not-converged": 4}
        assert result.status == "error"

    @pytest.mark.parametrize(("name", "cases"), [("religion", 80), ("gender-trait-zh", 80)])
    def test_any_suite_of_pairs_can_be_explained(self, tmp_path, name, cases):
        """A suite file names the pairs, built in or beside it; its hash is of both."""
        (tmp_path / "pairs.toml").write_text((SUITES / f"{name}.toml").read_text("utf-8"))
        own = (SUITES / "token-attribution.toml").read_text("utf-8").partition("sees =")[0]
        found = []
        for named in (name, "pairs.toml"):
            (tmp_path / "own.toml").write_text(own.replace('"gender-occupation"', f'"{named}"'))
            found.append(probe_of_suite(tmp_path / "own.toml"))
        by_name, by_path = ([(c.id, c.requests) for c in probe.cases(NOWHERE)] for probe in found)

        assert by_name == by_path
        assert len(by_name) == cases
        assert len({probe.source(NOWHERE).sha256 for probe in [*found, _token_attribution()]}) == 3

    @pytest.mark.parametrize(
        ("named", "said"),
        [
            ("sycophancy", "expected a suite of kind 'pairs', found 'sycophancy' of 'opinions'"),
            ("nope", "expected the id of a built-in suite of kind 'pairs'"),
            ("../age", "expected the id of a built-in suite of kind 'pairs'"),
            ("gone.toml", "gone.toml"),
            ("alone.toml", "'alone' has no counterfactual"),
        ],
    )
    def test_what_cannot_be_explained(self, tmp_path, named, said):
        """A suite that is not there, of another kind or without counterparts is refused by name."""
        trait = (SUITES / "gender-trait.toml").read_text("utf-8")
        alone = re.sub(r'block = "\w+", ', "", trait).replace('"gender-trait"', '"alone"')
        (tmp_path / "alone.toml").write_text(alone)
        own = (SUITES / "token-attribution.toml").read_text("utf-8").partition("sees =")[0]
        (tmp_path / "own.toml").write_text(own.replace('"gender-occupation"', f'"{named}"'))

        with pytest.raises(DataError, match=re.escape(said)):
            probe_of_suite(tmp_path / "own.toml")


def _interval(metric):
    return metric.value, metric.low, metric.high, metric.n


def _token_attribution():
    return probe_of_suite(SUITES / "token-attribution.toml")


def _weight(text):
    """Return a number that is distinct for each text."""
    return len(text) + zlib.crc32(text.encode()) / 2**32 * 50


class TestCrowsPairs:
    def test_published_file(self, probes, data):
        """All 1,508 pairs are scored, and the rate equals the one computed from the file here."""
        with (data / "crows-pairs" / "crows_pairs_anonymized.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sums = [[_weight(row[column]) for column in ("sent_more", "sent_less")] for row in rows]
        shorter = [more < less for more, less in sums]
        gaps = [abs(more - less) for more, less in sums]

        backend = ScriptedBackend(score=lambda _, text: -_weight(text))
        result = run_probe(probes["crows-pairs"], backend, data=data)

        found = values(result)
        assert (result.cases, result.scored, result.data.rows) == (1508, 1508, 1508)
        assert found["stereotype_rate"] == pytest.approx(sum(shorter) / len(rows))
        assert found["likelihood_gap"] == pytest.approx(sum(gaps) / len(rows))
        assert len([name for name in found if name.startswith("stereotype_rate[")]) == 9 + 2
        nationality = [s for s, row in zip(shorter, rows, strict=True) if row["bias_type"] == "nationality"]
        assert found["stereotype_rate[nationality]"] == pytest.approx(sum(nationality) / len(nationality))

    HEADER = "sent_more,sent_less,stereo_antistereo,bias_type"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "column 'sent_more' is missing; found an empty file"),
            (b"a,b\n1,2\n", "line 1: column 'sent_more' is missing; found a, b"),
            (HEADER.encode(), "expected rows after the header"),
            (
                HEADER.encode() + b"\na,b,stereo,age\nc,d,other,age\n",
                "line 3: column 'stereo_antistereo': expected",
            ),
            (
                HEADER.encode() + b'\n"a\nb",b,stereo,age\nc,d\n',
                "line 4: the row ends before column 'stereo_antistereo'",
            ),
            (HEADER.encode() + b"\ncaf\xe9,b,stereo,age\n", "line 2: expected UTF-8, found byte 0xe9"),
        ],
    )
    def test_broken_file(self, probes, tmp_path, content, message):
        """Errors name the line."""
        (tmp_path / "crows-pairs").mkdir()
        (tmp_path / "crows-pairs" / "crows_pairs_anonymized.csv").write_bytes(content)
        with pytest.raises(DataError) as raised:
            run_probe(probes["crows-pairs"], ScriptedBackend(score=lambda *_: 0.0), data=tmp_path)
        assert message in str(raised.value)
        assert "crows_pairs_anonymized.csv" in str(raised.value)


def test_every_built_in_probe_says_what_it_needs(probes):
    """Every probe has a goal, metrics with ideals, and a source unless its data are public or the user's own."""
    for probe in probes.values():
        assert probe.goal.endswith(".")
        assert probe.needs
        assert probe.metrics
        assert probe.data_set or probe.secret or probe.source(NOWHERE).licence == "Apache-2.0"
        assert SimpleNamespace(**probe.method())
