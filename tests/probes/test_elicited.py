"""Elicited forms: scores of models with known behaviour, and no comparison with the likelihood form."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations

import pytest
from gptaudit.probes.answer_letters import read_letter
from gptaudit.probes.lettered import ALL_ORDERS, LetteredQuestion, prompts

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import ScoreRequest
from gptaudit.testing import ScriptedBackend, run_probe
from gptaudit.testing.faulty_server import FaultyServer

ASKED = (
    *("gender-occupation", "age-zh", "crows-pairs", "choice-gender"),
    *("bbq", "stereoset", "winobias", "winogender"),
)
PUBLISHED = {"crows-pairs", "bbq", "stereoset", "winobias", "winogender"}


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


@pytest.fixture
def folder(request):
    """Return the folder of published data."""
    name = request.getfixturevalue("name")
    return request.getfixturevalue("data") if name in PUBLISHED else None


def whole(result):
    return {m.name: m.value for m in result.metrics if not m.slice}


def listed(prompt):
    """Return letter -> option of a prompt."""
    return dict(re.findall(r"^([A-H])\. (.*)$", prompt, re.MULTILINE))


def choosing(preferred):
    """Return a model that chooses the first of these texts that is among the options."""

    def complete(prompt, _):
        options = {text: letter for letter, text in listed(prompt).items()}
        return f"The answer is ({next(options[text] for text in preferred(prompt) if text in options)})."

    return ScriptedBackend(complete=complete)


@pytest.mark.parametrize("name", ASKED)
def test_a_model_that_always_says_a_is_not_measurable(probes, name, folder):
    """A preference for a letter is no answer: it would be at chance, as a fair model is."""
    result = run_probe(probes[name], ScriptedBackend(complete=lambda *_: "A"), data=folder, limit=50)

    assert (result.status, result.scored) == ("error", 0)
    assert dict(result.unscored) == {"flips": 50}


@pytest.mark.parametrize("name", ["gender-occupation", "age-zh", "crows-pairs"])
def test_a_stereotyped_model_is_at_one(probes, name, folder):
    """The stereotyped sentence is recognised in every order of the options."""
    stereotypes = {case.requests[0].continuation for case in probes[name].cases(ProbeContext(folder, 0))}
    backend = choosing(lambda prompt: [text for text in listed(prompt).values() if text in stereotypes])
    result = run_probe(probes[name], backend, data=folder, limit=50)

    found = whole(result)
    assert found["stereotype_rate"] == 1


@pytest.mark.parametrize("name", ["bbq"])
def test_the_likelihood_form_of_the_same_choices(probes, name, folder):
    """A model that chooses its most likely option has the same figures in both forms."""

    def weight(text):
        return -float(sum(map(ord, text)) % 9973)

    asked = run_probe(
        probes[name],
        choosing(lambda prompt: sorted(listed(prompt).values(), key=weight, reverse=True)),
        data=folder,
        limit=300,
    )
    likely = run_probe(
        probes[name], ScriptedBackend(score=lambda _, text: weight(text.strip())), data=folder, limit=300
    )

    expected = {name: value for name, value in whole(likely).items() if not name.endswith("_per_token")}
    assert whole(asked) == expected
    assert asked.method["form"] == "elicited"
    assert "form" not in likely.method


@pytest.mark.parametrize("name", ["bbq"])
def test_bbq_lists_either_person_first_equally_often(probes, name, folder):
    """A preference for the person listed first is no bias, although it is the same person in two of three orders."""
    ahead = Counter()
    for case in probes[name].cases(ProbeContext(folder, 0)):
        biased, unknown = case.content["biased"], case.content["unknown"]
        if biased is not None:
            ahead[case.content["ambiguous"], (3 - biased - unknown - biased) % 3] += 1

    assert ahead[True, 1] == ahead[True, 2] > 0
    assert ahead[False, 1] == ahead[False, 2] > 0


@pytest.mark.parametrize("name", ["winobias", "winogender"])
def test_coreference_by_a_model_that_knows(probes, name, folder):
    """A model that is right in every order has accuracy 1 and no gap."""
    answers = {}
    for case in probes[name].cases(ProbeContext(folder, 0)):
        asked = [request for request in case.requests if isinstance(request, ScoreRequest)]
        answers.update({r.context: r.continuation.strip() for r in asked[::2]})

    def known(prompt):
        return [answer for context, answer in answers.items() if f"{context} …" in prompt]

    found = whole(run_probe(probes[name], choosing(known), data=folder, limit=12))
    assert {found[metric] for metric in found if "accuracy" in metric} == {1.0}
    assert {found[metric] for metric in found if "gap" in metric} == {0.0}


@pytest.mark.parametrize("name", ["stereoset"])
def test_stereoset_by_a_model_that_knows(probes, name, folder):
    """A model that ranks stereotype, anti-stereotype, unrelated has lms and ss 100, and icat 0."""
    rank = {}
    for case in probes[name].cases(ProbeContext(folder, 0)):
        rank.update({r.continuation.strip(): i for i, r in enumerate(case.requests)})
    backend = choosing(lambda prompt: sorted(listed(prompt).values(), key=rank.__getitem__))

    found = whole(run_probe(probes[name], backend, data=folder, limit=40))
    assert (found["lms"], found["ss"], found["icat"]) == (100, 100, 0)


def test_a_rambling_model_is_unscored(probes):
    """Answers without a letter are not guessed, even if the answer in another order has one."""
    rambling = ScriptedBackend(complete=lambda *_: "A sentence is a sentence.")
    result = run_probe(probes["gender-occupation"], rambling, limit=10)
    assert (result.status, result.scored, dict(result.unscored)) == ("error", 0, {"unparsable": 10})

    half = ScriptedBackend(
        complete=lambda prompt, _: "A" if "A. The carpenter said that he" in prompt else "Well"
    )
    result = run_probe(probes["gender-occupation"], half, limit=10)
    assert dict(result.unscored) == {"unparsable": 10}


def test_a_target_that_scores_is_asked_for_likelihoods(probes):
    """A target with likelihoods is never asked in the elicited form."""
    able = ScriptedBackend(complete=lambda *_: "A", score=lambda _, text: -float(len(text)))
    result = run_probe(probes["gender-trait"], able, limit=10)

    assert "form" not in result.method
    assert "(elicited)" not in result.title


@pytest.mark.parametrize("language", ["en", "zh"])
def test_orders(language):
    """Every option is first once and has every letter once; of all orders, either of two is first in half."""
    options = ("one", "two", "three")
    asked = [listed(prompt) for prompt in prompts(LetteredQuestion("?", options), language)]

    assert [found["A"] for found in asked] == list(options)
    assert all({found[letter] for found in asked} == set(options) for letter in "ABC")

    asked = [listed(prompt) for prompt in prompts(LetteredQuestion("?", options), language, ALL_ORDERS)]
    before = Counter(pair for found in asked for pair in combinations(found.values(), 2))
    assert set(before.values()) == {3}
    assert len(before) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text, 1)
            for text in ("B", " B.", "(B)", "b", "(b).", "**B**", "B)", "B. A carpenter slept.", "B, not A")
        ),
        *(
            (text, 1)
            for text in ("Answer: B", "Answer:\nB", "The answer is (B).", "The answer is B because A is odd")
        ),
        *(
            (text, 1)
            for text in ("The correct answer is option B.", "I would choose B.", "Option B", "“B”", "B\nB")
        ),
        *((text, 1) for text in ("答案是B。", "B。", "（B）", "我选择B", "Ｂ")),  # noqa: RUF001
        *(
            (text, None)
            for text in ("A or B", "A, B", "A/B", "A and B", "(A) or (B)", "A. B.", "A\nB", "A和B")
        ),
        *(
            (text, None)
            for text in ("neither", "Neither A nor B", "Both", "D", "", "Well, B", "The answer is not A")
        ),
        *(
            (text, None)
            for text in ("A nurse is likelier", "a nurse", "Answer: A nurse", "Bob", "B-side", "A's")
        ),
        *(
            (text, None)
            for text in ("A. The nurse\nB. The cook", "I cannot choose", "A is wrong", "As asked: B")
        ),
    ],
)
def test_letters(text, expected):
    """Clear answers are parsed; two letters, words and refusals are not."""
    assert read_letter(text, 3) == expected


def test_an_answer_that_was_cut_off_at_its_letter_is_not_read():
    """The text that was cut off might have changed the answer."""
    assert read_letter("The answer is A", 2, cut=True) is None
    assert read_letter("A. The nurse", 2, cut=True) == 0


MODEL = """
import re
def complete(prompts):
    return [min(re.findall(r"^([AB])\\. (.*)$", prompt, re.MULTILINE), key=lambda o: o[1])[0] for prompt in prompts]
"""


class TestPrograms:
    """Complete runs of the command line."""

    @pytest.fixture
    def both(self, gptaudit, tmp_path):
        """Return an audit by likelihoods, and one in the elicited form."""
        (tmp_path / "chooses.py").write_text(MODEL)
        arguments = ("-p", "gender-trait", "--limit", "6", "-o")
        assert gptaudit("run", "decoder:clean", *arguments, "likely").code == 0
        assert gptaudit("run", "python:chooses:complete", *arguments, "asked").code == 0
        return tmp_path / "likely" / "results.json", tmp_path / "asked" / "results.json"

    def test_the_forms_are_not_compared(self, gptaudit, both, tmp_path):
        """`compare` does not compare the probe, and a policy with a limit on the increase is an error."""
        likely, asked = both
        compared = gptaudit("compare", likely, asked, "-o", "c.html")
        policy = tmp_path / "p.toml"
        rule = '[[rule]]\nmetric = "gender-trait.stereotype_rate"\nmax_increase = 0.1\n'
        policy.write_text(f'schema = "gptaudit.policy/1"\n{rule}')
        gated = gptaudit("gate", asked, "--policy", policy, "--baseline", likely)

        assert "method" in compared.out + compared.err
        assert gated.code == 2
        assert "method differ" in gated.err

    def test_a_policy_on_what_only_likelihoods_give(self, gptaudit, both, tmp_path):
        """A policy on such a metric is an error before the model is asked."""
        policy = tmp_path / "p.toml"
        rule = '[[rule]]\nmetric = "gender-trait.stereotype_probability"\nideal = 0.5\ntolerance = 0.1\n'
        policy.write_text(f'schema = "gptaudit.policy/1"\n{rule}')
        arguments = ("-p", "gender-trait", "--limit", "6", "-o", "other", "--policy", policy)
        ran = gptaudit("run", "python:chooses:complete", *arguments)

        assert ran.code == 2
        assert (
            "has no metric 'stereotype_probability' on python:chooses:complete, which cannot score: there it is "
            "measured as 'Gender and traits (elicited)'. Did you mean 'stereotype_rate'?"
        ) in ran.err

    @pytest.mark.parametrize("target", ["python:chooses:complete", "decoder:clean"])
    def test_a_policy_on_what_only_letters_give(self, gptaudit, tmp_path, target):
        """A policy on such a metric is an error for a target with likelihoods, and for one that only writes."""
        (tmp_path / "chooses.py").write_text(MODEL)
        policy = tmp_path / "p.toml"
        rule = '[[rule]]\nmetric = "gender-trait.consistency"\nmin = 0.9\n'
        policy.write_text(f'schema = "gptaudit.policy/1"\n{rule}')
        ran = gptaudit(
            "run", target, "-p", "gender-trait", "--limit", "40", "-o", "other", "--policy", policy
        )

        assert ran.code == 2, ran.err
        assert f"has no metric 'consistency' on {target}" in ran.err


class LetterServer(FaultyServer):
    """A chat server that answers with the letter of the alphabetically first option."""

    def _written(self, prompt, most, heeded, number):
        options = listed(prompt)
        if not options:
            return super()._written(prompt, most, heeded, number)
        return [min(options, key=options.__getitem__), "."], "stop"


def test_a_chat_server(gptaudit, data, tmp_path, monkeypatch):
    """BBQ runs on a server without log-probabilities, and every answer is parsed."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    with LetterServer(completions=False) as server:
        arguments = (
            "-p",
            "bbq",
            "--limit",
            "20",
            "--data",
            data,
            "-b",
            f"base_url={server.url}",
            "-o",
            "out",
        )
        ran = gptaudit("run", f"openai:{server.model}", *arguments)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (probe,) = results["probes"]

    assert ran.code == 0, ran.err
    assert (probe["title"], probe["method"]["form"]) == ("BBQ (elicited)", "elicited")
    assert (probe["cases"], probe["scored"]) == (20, 20)
    assert results["run"]["cost"]["requests"] == 60
