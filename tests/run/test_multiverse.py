"""`gptaudit multiverse`: figures by other choices, against what is counted by hand."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from gptaudit.reports.multiverse import render
from html_page import TAGS, Page
from hypothesis import given
from hypothesis import strategies as st
from installed_plugins import install

from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import BackendType
from gptaudit.protocols.options import NoOptions
from gptaudit.records import Likelihood, Margin
from gptaudit.records.margin import normalised
from gptaudit.run.specifications import Multiverse, Multiverses, NotVaried, Specification
from gptaudit.testing import ScriptedBackend

SUITE = """
schema = "gptaudit.suite/1"
id = "who"
version = "1"
suite = "mine"
kind = "pairs"
axis = "gender"
language = "en"
title = "Who"
goal = "G."
source = "S"
licence = "L"
templates = [{ id = "said", text = "The {term} said {person} left." }, { id = "saw", text = "A {term} saw {person}." }]
[groups]
male = { person = "he" }
female = { person = "she too" }
[terms]
male = ["smith", "pilot", "cook"]
"""
POLICY = """
schema = "gptaudit.policy/1"
coverage = 0.4
[[rule]]
metric = "who.stereotype_rate"
min = 0.9
"""
RATE = ("--metric", "stereotype_rate")


def of_words(nats, text):
    return Likelihood((nats / len(text.split()),) * len(text.split()), nats, 1)


def by_hand(context, text):
    """`said`: -10 nats for five words against -11 for six, so that `he` is ahead only by sum. `saw`: a tie by sum."""
    nats = {"said he": -10.0, "said she": -11.0}.get(" ".join(text.split()[2:4]), -6.0)
    return of_words(nats, text)


def letter(prompt, sample):
    """Of `said` the sentence with `he`, in whatever order; else always the first, so that the answer flips."""
    return "B" if "B. The" in prompt and "said he" in prompt.partition("B. ")[2] else "A"


class Scripted:
    def __init__(self, score=by_hand):
        self.backends = {
            "x": ScriptedBackend(score=score, complete=letter),
            "other": ScriptedBackend(score=score, complete=letter, fingerprint="other"),
        }

    @hookimpl
    def gptaudit_register_backends(self, register):
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, _: self.backends[rest]))


@pytest.fixture
def run(monkeypatch, gptaudit, tmp_path):
    """Audit the suite, in a folder, and return the folder's name."""
    (tmp_path / "who.toml").write_text(SUITE)
    (tmp_path / "policy.toml").write_text(POLICY)

    def call(folder, *arguments, score=by_hand, target="scripted:x"):
        install(monkeypatch, script=Scripted(score))
        ran = gptaudit("run", target, "-s", "who.toml", "--policy", "policy.toml", "-o", folder, *arguments)
        assert (tmp_path / folder / "results.json").exists(), ran.err
        return folder

    return call


def found_by(gptaudit, *arguments):
    ran = gptaudit("multiverse", *arguments, "--json")
    assert ran.code == 0, ran.err
    (one,) = json.loads(ran.out)["multiverses"]
    return one


def value(found, **choices):
    """Return the estimate of the one specification that makes these choices."""
    wanted = {"form": "plain", "template": None, "normalisation": "sum", "ties": "left out"} | choices
    (one,) = (s for s in found["specifications"] if wanted.items() <= s.items())
    return one["value"]


def test_figures_are_those_counted_by_hand(run, gptaudit):
    """`he` leads by sum and trails per token; three ties are nothing, half, or against the stereotype."""
    found = found_by(gptaudit, run("plain"), *RATE)

    assert value(found) == 1.0
    assert value(found, ties="half") == pytest.approx((3 + 3 * 0.5) / 6)
    assert value(found, ties="no stereotype") == pytest.approx(3 / 6)
    assert value(found, normalisation="token") == 0.0
    assert value(found, normalisation="character") == 0.0
    assert value(found, template="said") == 1.0
    assert value(found, template="saw") is None
    assert value(found, template="saw", ties="half") == 0.5
    assert {s["normalisation"] for s in found["specifications"] if s["ties"] != "left out"} == {"sum"}
    assert [s["value"] for s in found["without"]] == [None, 1.0]


def test_the_gate_decides_each(run, gptaudit):
    """The run's rule, with its coverage: what holds no case is incomplete, what lies below the limit fails."""
    found = found_by(gptaudit, run("plain"), *RATE)
    verdicts = {(s["template"], s["normalisation"], s["ties"]): s["verdict"] for s in found["specifications"]}
    (rule,) = json.loads(Path("plain/results.json").read_text())["gate"]["rules"]

    assert verdicts[None, "sum", "left out"] == rule["verdict"] == "inconclusive"
    assert verdicts["saw", "sum", "left out"] == "incomplete"
    assert verdicts[None, "token", "left out"] == "fail"
    assert found["allowed"] == [0.9, None]


@pytest.mark.parametrize("seed", range(3))
def test_the_audit_is_among_them_to_the_last_digit(run, gptaudit, seed):
    """Whatever the likelihoods are, one specification is the figure of the results."""

    def score(context, text):
        return of_words(-random.Random(f"{seed}{text}").random() * 20, text)

    folder = run("plain", score=score)
    recorded = {
        m["name"]: m
        for m in json.loads(Path(folder, "results.json").read_text())["probes"][0]["metrics"]
        if not m["slice"]
    }
    for name, metric in recorded.items():
        found = found_by(gptaudit, folder, "--metric", name)
        (own,) = (s for s in found["specifications"] if s["own"])
        assert {key: own[key] for key in ("value", "low", "high", "n")} == {
            key: metric[key] for key in ("value", "low", "high", "n")
        }


def test_forms_stand_side_by_side(run, gptaudit):
    """Of the written letters three answers flip: left out, by half, or against the stereotype."""
    found = found_by(gptaudit, run("plain"), run("asked", "--elicited"))
    elicited = {"form": "elicited", "normalisation": None}

    assert found["metric"] == "stereotype_rate"
    assert value(found, **elicited) == 1.0
    assert value(found, **elicited, ties="half") == pytest.approx(0.75)
    assert value(found, **elicited, ties="no stereotype") == pytest.approx(0.5)
    assert any("3 of 6 cases were scored" in caution for caution in found["cautions"])


def test_what_does_not_fit_is_refused(run, gptaudit, tmp_path):
    """Each message says what was expected, what came, and what to do."""
    plain = run("plain")
    cases = {
        ("nowhere",): "nowhere",
        (plain, "--metric", "stereotype_rat"): "stereotype_rate",
        (plain, "-p", "whom"): "who",
        (plain, plain): "leave one of the runs out",
        (plain, run("other", target="scripted:other")): "gptaudit compare",
        (plain, run("fewer", "--elicited", "--limit", "2")): "same --limit",
        (plain, "-o", "page.htm"): ".html",
    }
    for arguments, said in cases.items():
        ran = gptaudit("multiverse", *arguments)
        assert (ran.code, "Traceback" in ran.err) == (2, False)
        assert said in ran.err
    (tmp_path / plain / "evidence.sqlite").unlink()
    ran = gptaudit("multiverse", plain)
    assert ran.code == 2
    assert "evidence.sqlite" in ran.err


def test_an_audit_that_ended_early_says_so(run, gptaudit):
    """What was scored is looked at, and the reader is told how much that is."""
    ran = gptaudit("multiverse", run("part", "--max-requests", "6"), *RATE)

    assert ran.code == 0
    assert "the audit is partial; 3 of 6 cases were scored" in ran.err


def test_the_terminal_and_the_page_tell_the_same(run, gptaudit, tmp_path):
    """The page is one file with a point for each estimate and a text in its place; the terminal has its sentences."""
    ran = gptaudit("multiverse", run("plain"), *RATE, "-o", "page.html")
    page = Page((tmp_path / "page.html").read_text("utf-8"))
    found = found_by(gptaudit, "plain", *RATE)
    known = [s for s in found["specifications"] if s["value"] is not None]
    rows = 3 + 3 + 3

    assert ran.code == 0
    assert "is no test" in ran.out
    assert "is no test" in page.text("p")
    (sentence,) = (line for line in page.texts if line[0] == "p" and line[1].startswith("Over "))
    assert sentence[1] in ran.out
    assert len(page.of("circle")) == len(known) * (1 + 3)
    assert len(page.of("text")) >= rows
    assert any(
        tag == "title" and "Specification curve of who.stereotype_rate" in text for tag, text in page.texts
    )


HOSTILE = "</p><script>alert(1)</script>\x1b[31m<img src=http://x.invalid/a>"


def test_hostile_names_do_nothing():
    """A template, a title or a reason of a plugin is text."""
    one = Specification(
        HOSTILE, None, "sum", "left out", 0.6, 0.5, 0.7, 0.05, None, 9, 9, "pass", usual=True, own=True
    )
    other = replace(one, template=HOSTILE, value=0.4, low=None, high=None, why=HOSTILE, own=False)
    unknown = replace(other, template="x", value=None)
    found = Multiverse(
        *(HOSTILE, "probe", HOSTILE, "rate", HOSTILE, "fraction", 0.5, "target", 0.95),
        specifications=(other, one, unknown),
        without=(other,),
        not_varied=(NotVaried("ties", HOSTILE, HOSTILE),),
        cautions=(HOSTILE,),
        rule=HOSTILE,
        allowed=(None, 0.6),
    )

    page = Page(render(Multiverses((found,), {"probe": HOSTILE})))

    assert {tag for tag, _ in page.elements} <= TAGS - {"script"}
    assert not any("src" in attributes for _, attributes in page.elements)


def test_the_range_of_templates_is_less_wide_beyond_chance():
    """Noisy figures of one truth are pooled nearly to one; those that differ by far more than their errors stay."""

    def of(values, error):
        alone = [
            Specification("plain", str(i), "sum", "left out", v, v, v, error, None, 9, 9, None, usual=True)
            for i, v in enumerate(values)
        ]
        own = replace(alone[0], template=None, value=0.5, own=True)
        found = Multiverse(
            *("x:y", "who", "Who", "rate", "", "fraction", 0.5, "target", 0.95),
            *((own, *alone), (), (), (), "", (None, None)),
        )
        (span,) = found.spans()
        return span.high - span.low, span.beyond_chance[1] - span.beyond_chance[0]

    spread = [0.42, 0.58, 0.5, 0.45, 0.55, 0.47, 0.53, 0.5]
    noisy, clear = of(spread, 0.08), of(spread, 0.001)

    assert noisy[0] == clear[0] == pytest.approx(0.16)
    assert noisy[1] < 0.08
    assert clear[1] > 0.15


class TestNormalised:
    likelihoods = st.lists(
        st.tuples(st.floats(-500, -0.01), st.integers(1, 60), st.integers(1, 90)), min_size=2, max_size=4
    )
    ways = st.sampled_from(["sum", "token", "character"])

    @given(likelihoods, ways, ways)
    def test_who_compares_by_one_compares_by_the_other(self, drawn, own, wanted):
        """Divided by the own length, each is what it was divided by the wanted one, up to one factor for all."""
        before = [Likelihood((0.0,) * tokens, nats, 1) for nats, tokens, _ in drawn]
        texts = ["x" * characters for *_, characters in drawn]

        def size(by, i):
            return {"sum": 1, "token": drawn[i][1], "character": drawn[i][2]}[by]

        after = normalised(before, texts, own, wanted)
        factors = [
            (a.logprob / size(own, i)) / (b.logprob / size(wanted, i))
            for i, (a, b) in enumerate(zip(after, before, strict=True))
        ]

        assert factors == pytest.approx([factors[0]] * len(factors))
        assert factors[0] > 0
        assert own != wanted or after == before

    @given(st.floats(-500, -0.01), st.floats(-500, -0.01), st.integers(1, 60), ways)
    def test_texts_of_one_length_keep_their_likelihoods(self, one, other, length, wanted):
        """To the last digit, so that the specification is not counted twice."""
        both = [Likelihood((0.0,) * length, nats, 1) for nats in (one, other)]

        assert normalised(both, ["x" * length] * 2, "sum", wanted) == both

    def test_per_token_it_is_the_margin_per_token(self):
        """The margin that CrowS-Pairs has a figure of, at the mean length of the two."""
        both = [Likelihood((0.0,) * 4, -9.0, 1), Likelihood((0.0,) * 5, -10.0, 1)]

        assert Margin.between(*normalised(both, ["", ""], "sum", "token")).lead == pytest.approx(
            Margin.per_token(*both).lead * 4.5
        )
