"""A person's labels of an audit's texts, from the prompt on the terminal to the verdict of the gate."""

from __future__ import annotations

import json
import sys

import pytest

from gptaudit.evidence.results_file import read_results
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.numbers import places, quantity
from gptaudit.records import Evidence, Exchange, Measurement, Rated, RatioSpec
from gptaudit.run.labelling import chosen_metric, drawn, rated_texts
from gptaudit.run.metrics import summarise

FIGURE = "toxicity-prompts.toxic_fraction"
MODEL = """
from random import Random
def mixed(prompts):
    random = Random(7)
    return [random.choice([" You are a filthy idiot.", " It rained.", " They sang.", " Some tea."]) for _ in prompts]
"""
POLICY = f'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "{FIGURE}"\nmax = 0.5\n'


@pytest.fixture
def audit(gptaudit, tmp_path, monkeypatch):
    """Run an audit whose model insults a quarter of the time, and return its folder."""
    (tmp_path / "a_model.py").write_text(MODEL)
    monkeypatch.delitem(sys.modules, "a_model", raising=False)
    run = ("run", "python:a_model:mixed", "-p", "toxicity-prompts", "--limit", "12", "-o", "out", "--quiet")
    assert gptaudit(*run).code == 0
    return tmp_path / "out"


@pytest.fixture
def answer(monkeypatch):
    """Type answers to the questions that follow."""

    def typed(*answers):
        left = iter(answers)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: next(left))

    return typed


def texts_of(folder, sample):
    result = read_results(folder / "results.json")
    _, metric = chosen_metric(result, "toxicity-prompts", None)
    texts = rated_texts(metric, StoredMeasurements(folder)["toxicity-prompts"])
    return texts, drawn(texts, sample, result.run.seed)


def labelled(folder):
    (metric,) = [m for m in read_results(folder / "results.json").metrics().items() if m[0] == FIGURE]
    return metric[1].labelled


def test_a_sample_tells_nothing_and_grows():
    """Half of it counts, the order does not tell which, and a larger sample holds the smaller one."""
    from gptaudit.run.labelling import RatedText

    texts = [RatedText(str(i), 0, str(i), "", str(i), counted=i < 40) for i in range(400)]
    small, large = drawn(texts, 20, 1), drawn(texts, 60, 1)
    assert sum(t.counted for t in small) == 10
    assert sum(t.counted for t in large) == 30
    assert set(small) < set(large)
    firsts = [sum(t.counted for t in drawn(texts, 60, seed)[:30]) for seed in range(40)]
    assert 13 < sum(firsts) / len(firsts) < 17
    assert sum(t.counted for t in drawn(texts, 200, 1)) == 40
    assert len(drawn(texts, 1000, 1)) == 400


def test_a_share_of_some_cases_is_of_their_texts_alone():
    """Of a probe with cases of two kinds, those that add nothing to a figure's totals are not labelled for it."""
    spec = RatioSpec("rate", 0.0, "lower", "fraction", formula="rated / asked", rated=Rated("s", ("bad",)))

    def case(name, asked, bad):
        shown = Evidence((Exchange("sample", "p", name, {"bad": bad}),))
        return Measurement(name, name, {}, {"rated": asked * bad, "asked": asked}, None, shown)

    cases = [case("a", 1.0, 1.0), case("b", 1.0, 0.0), case("other", 0.0, 1.0)]
    (metric,) = summarise([spec], cases, level=0.95, seed=0)

    assert [(text.text, text.counted) for text in rated_texts(metric, cases)] == [("a", True), ("b", False)]


def test_the_rate_is_that_of_the_labels(gptaudit, audit, answer):
    """The scorer counts insults; a person who counts rain has another rate, which results, report and gate show."""
    texts, sample = texts_of(audit, 30)
    answer(*("y" if "rained" in text.text else "n" for text in sample))
    ran = gptaudit("label", audit, "-p", "toxicity-prompts", "--sample", "30")
    assert ran.code == 0
    for text in sample:
        assert text.text.strip() in ran.err

    def share(part):
        own = [t for t in sample if t.counted is part]
        return sum("rained" in t.text for t in own) / len(own)

    counted = sum(t.counted for t in texts) / len(texts)
    found = labelled(audit)
    assert found.value == pytest.approx(counted * share(True) + (1 - counted) * share(False))
    assert (found.labels, found.texts) == (30, len(texts))
    shown = quantity(found.value, "fraction", places(found.low, found.high, "fraction"))
    assert f"{FIGURE}  by 30 labels {shown}" in ran.out
    assert "By 30 labels of a person" in (audit / "report.html").read_text()

    (audit / "policy.toml").write_text(POLICY)
    gated = gptaudit("gate", audit / "results.json", "--policy", audit / "policy.toml")
    assert f"It is by 30 labels of a person; as rated it is {counted:.1%}.".replace("%", "\xa0%") in gated.out


def test_labels_are_kept_one_by_one(gptaudit, audit, answer):
    """What was answered before the end is kept, asked no more, and survives another run in the same folder."""
    _, sample = texts_of(audit, 20)
    answer("y", "b", "n", "y", "q")
    assert gptaudit("label", audit, "-p", "toxicity-prompts", "--sample", "20").code == 0
    (kept,) = json.loads((audit / "labels.json").read_text())["figures"]
    assert [(one["case"], one["positive"]) for one in kept["labels"]] == [
        (sample[0].case, False),
        (sample[1].case, True),
    ]
    answer(*["n"] * 18)
    assert gptaudit("label", audit, "-p", "toxicity-prompts", "--sample", "20").code == 0
    assert labelled(audit).labels == 20

    run = ("run", "python:a_model:mixed", "-p", "toxicity-prompts", "--limit", "12", "-o", "out", "--quiet")
    assert gptaudit(*run).code == 0
    assert labelled(audit).labels == 20


def test_labels_of_other_texts_or_another_scorer_do_not_count(gptaudit, audit, answer):
    """They are no random sample of what the figure rests on; labelling again puts others in their places."""
    answer(*["n"] * 10)
    gptaudit("label", audit, "-p", "toxicity-prompts", "--sample", "10")
    path = audit / "labels.json"
    kept = json.loads(path.read_text())
    (figure,) = kept["figures"]
    run = ("run", "python:a_model:mixed", "-p", "toxicity-prompts", "--limit", "12", "-o", "out", "--quiet")

    path.write_text(json.dumps({**kept, "figures": [{**figure, "scorer": {"model": "another"}}]}))
    assert gptaudit(*run).code == 0
    assert labelled(audit) is None

    changed = [{**figure["labels"][0], "sha256": "0"}, *figure["labels"][1:]]
    path.write_text(json.dumps({**kept, "figures": [{**figure, "labels": changed}]}))
    assert gptaudit(*run).code == 0
    assert labelled(audit).value is None
    assert labelled(audit).why == "1 of 10 labels are of texts that are no longer here; label again"
    answer("n")
    gptaudit("label", audit, "-p", "toxicity-prompts", "--sample", "10")
    assert labelled(audit).labels == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-p", "toxicity-promts"), "no such probe. Did you mean 'toxicity-prompts'?"),
        (("-p", "toxicity-prompts", "--metric", "toxicity_probability"), "expected a share of texts"),
        (("-p", "toxicity-prompts", "--sample", "0"), "0 is not in the range"),
    ],
)
def test_what_cannot_be_labelled(gptaudit, audit, arguments, message):
    """A probe or a metric that is none, named before anything is asked."""
    ran = gptaudit("label", audit, *arguments)
    assert ran.code == 2
    assert message in ran.err


def test_folders_and_files_at_fault(gptaudit, audit, tmp_path):
    """A folder without an audit, and labels that are not what they should be."""
    (tmp_path / "empty").mkdir()
    assert "results.json" in gptaudit("label", tmp_path / "empty", "-p", "toxicity-prompts").err
    (audit / "labels.json").write_text('{"schema": "gptaudit.labels/1", "figures": [{"probe": 3}]}')
    ran = gptaudit("label", audit, "-p", "toxicity-prompts")
    assert ran.code == 2
    assert "labels.json" in ran.err
    assert "key" in ran.err

    (tmp_path / "unasked.py").write_text("def complete(prompts): raise AssertionError('asked')")
    again = gptaudit("run", "python:unasked:complete", "-p", "toxicity-prompts", "--fresh", "-o", audit)
    assert again.code == 2
    assert "labels.json" in again.err
