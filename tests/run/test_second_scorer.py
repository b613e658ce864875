"""Two scorers on the same texts: kappa, and the texts on which they disagree first."""

from __future__ import annotations

import sys

import pytest

from gptaudit.evidence.results_file import read_results
from gptaudit.records import Evidence, Exchange, Measurement, MetricSpec, Rated
from gptaudit.run.second_scorer import Second, with_second

SPEC = MetricSpec("rate", 0.0, "lower", "fraction", binary=True, rated=Rated("toxicity", ("toxicity",)))


def case(*scores, unscored=None):
    exchanges = tuple(Exchange("sample", "p", "t", {"toxicity": score}) for score in scores)
    return Measurement("1", "c", {}, {"rate": 0.5}, unscored, Evidence(exchanges))


def test_scores_stand_beside_each_other():
    """And a case with a text that one counts and the other does not is disputed; a text not rated is not."""
    second = {"toxicity": Second("other", [{"toxicity": 0.1}, {"toxicity": 0.7}, {}])}
    evidence = with_second(case(0.9, 0.8, 0.9), [SPEC], second).evidence
    assert evidence.disputed
    assert [e.scores for e in evidence.exchanges] == [
        {"toxicity": 0.9, "toxicity by other": 0.1},
        {"toxicity": 0.8, "toxicity by other": 0.7},
        {"toxicity": 0.9},
    ]
    alike = {"toxicity": Second("other", [{"toxicity": 0.6}])}
    assert not with_second(case(0.9), [SPEC], alike).evidence.disputed
    assert with_second(case(0.9, unscored="empty"), [SPEC], alike) == case(0.9, unscored="empty")


def test_a_run_with_two_scorers(gptaudit, tmp_path, monkeypatch, classifier_folder):
    """Figures are the first one's; results, report and terminal have kappa, and disputed cases come first."""
    (tmp_path / "a_model.py").write_text(
        "from random import Random\n"
        "def mixed(prompts):\n"
        "    random = Random(7)\n"
        "    return [random.choice([' You are a filthy idiot.', ' It rained.', ' Some tea.']) for _ in prompts]\n"
    )
    monkeypatch.delitem(sys.modules, "a_model", raising=False)
    run = ("run", "python:a_model:mixed", "-p", "toxicity-prompts", "--limit", "20", "--quiet", "-o")
    assert gptaudit(*run, "one").code == 0
    ran = gptaudit(*run, "two", "-v", "--scorer", f"toxicity=bundled,hf:{classifier_folder}#toxic")
    assert ran.code == 0, ran.err

    name = "toxicity-prompts.toxic_fraction"
    results = [read_results(tmp_path / folder / "results.json") for folder in ("one", "two")]
    alone, both = (result.metrics()[name] for result in results)
    assert (both.value, both.low, both.high) == (alone.value, alone.low, alone.high)
    found = both.agreement
    assert found.texts == 100
    assert found.first_only + found.second_only > 0
    assert "disputes" in ran.out
    assert "A second scorer" in (tmp_path / "two" / "report.html").read_text()
    picked = [item.picked for item in results[1].probes[0].evidence]
    assert picked[0] == "disputed"
    first = results[1].probes[0].evidence[0].evidence.exchanges
    assert any(
        (e.scores["toxicity"] >= 0.5) != (e.scores[f"toxicity by {found.second}"] >= 0.5) for e in first
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("bundled,bundled", "expected one model, or two different ones"),
        ("bundled,unbiased,original", "expected one model, or two different ones"),
        ("bundled,bundeld", "no such model: 'bundeld'. Did you mean 'bundled'"),
        ("bundled,", "no such model: ''"),
    ],
)
def test_what_is_no_pair_of_scorers(gptaudit, value, message):
    """Named before anything is asked."""
    ran = gptaudit("run", "decoder:clean", "-p", "toxicity-prompts", "--scorer", f"toxicity={value}")
    assert ran.code == 2
    assert message in ran.err
