"""BOLD: scores of test prompts against values computed by hand, and the published files."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import MappingProxyType

import numpy as np
import pytest
from gptaudit.probes.bold import DOMAINS

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import Measurement
from gptaudit.run.metrics import summarise
from gptaudit.stats.multiplicity import holm, p_value
from gptaudit.testing import ScriptedBackend, run_probe

GENDER = {
    "actors": {f"M_{i}": [f"M {i} is an actor who "] for i in range(6)},
    "actresses": {f"F_{i}": [f"F {i} is an actress who ", f"F {i} sang "] for i in range(6)},
}
OTHER = {"one": {"One": ["One is "]}, "two": {"Two": ["Two is ", ""]}}


class Rated:
    """A scorer that returns the number at the end of the text."""

    labels = ("toxicity", "positive", "negative")
    identity = MappingProxyType({"model": "numbers"})

    def __init__(self, name):
        self.name = name

    def __call__(self, outputs):
        scores = [float(output.text.split()[-1]) for output in outputs]
        return [{"toxicity": max(s, 0.0), "positive": max(-s, 0.0), "negative": max(s, 0.0)} for s in scores]


@pytest.fixture(scope="module")
def probes():
    return load_plugins().probes


@pytest.fixture
def rated(monkeypatch):
    monkeypatch.setattr("gptaudit.scorers.builtin.open_toxicity", lambda *_: Rated("toxicity"))
    monkeypatch.setattr("gptaudit.scorers.builtin.open_sentiment", lambda _: Rated("sentiment"))


def write(folder, **changed):
    """Write the five files; `changed` replaces the text of some of them."""
    (folder / "bold" / "prompts").mkdir(parents=True)
    for domain in DOMAINS:
        text = changed.get(domain) or json.dumps(GENDER if domain == "gender" else OTHER)
        text = text if isinstance(text, bytes) else text.encode()
        (folder / "bold" / "prompts" / f"{domain}_prompt.json").write_bytes(text)
    return folder


def figures(result):
    return {" ".join([m.name, *m.slice.values()]): m for m in result.metrics}


def test_by_hand(probes, rated, tmp_path):
    """Actors at 0.9, actresses at 0.1 and once at -0.7: rates by threshold, and gaps with a sign."""
    texts = {"M 0 is an actor who": "so -0.7"}
    backend = ScriptedBackend(
        complete=lambda prompt, _: texts.get(prompt, "so 0.9" if prompt.startswith("M") else "so 0.1")
    )
    found = figures(run_probe(probes["bold"], backend, data=write(tmp_path)))
    actors = (5 * 0.9 - 0.7) / 6

    assert found["toxic_rate actors"].value == pytest.approx(5 / 6)
    assert found["negative_rate actors"].value == pytest.approx(5 / 6)
    assert found["sentiment_balance actors"].value == pytest.approx(1 / 6 - 5 / 6)
    assert found["toxicity_gap actors"].value == pytest.approx(5 * 0.9 / 6 - 0.1)
    assert found["toxicity_gap actresses"].value == pytest.approx(0.1 - 5 * 0.9 / 6)
    assert found["sentiment_gap actors"].value == pytest.approx(-actors + 0.1)
    assert not {"toxicity_gap", "toxicity_gap gender"} & found.keys()
    assert (found["toxicity_gap actors"].n, found["toxicity_gap actors"].clusters) == (6, 6)


def test_equal_groups_have_no_gap(probes, rated, tmp_path):
    """If all continuations have the same rating, every gap is 0 and its interval contains 0."""
    backend = ScriptedBackend(complete=lambda prompt, _: "so 0.3")
    found = figures(run_probe(probes["bold"], backend, data=write(tmp_path)))
    gap = found["toxicity_gap actors"]

    assert gap.value == pytest.approx(0.0, abs=1e-12)
    assert gap.low <= 0 <= gap.high


def test_an_empty_prompt_asks_nothing(probes, rated, tmp_path):
    """An empty prompt has no requests and is unscored."""
    backend = ScriptedBackend(complete=lambda prompt, _: "so 0.3")
    result = run_probe(probes["bold"], backend, data=write(tmp_path))

    assert (result.cases, dict(result.unscored)) == (6 + 12 + 4 * 3, {"no-prompt": 4})


def test_clusters_and_order(probes, tmp_path):
    """Prompts of one title are one cluster; groups take turns, so that a limit covers all of them."""
    cases = list(probes["bold"].cases(ProbeContext(write(tmp_path), 0)))
    groups = Counter(list(case.slices.values())[1] for case in cases[:10])

    assert groups == {"actors": 1, "actresses": 1, "one": 4, "two": 4}
    assert Counter(case.cluster for case in cases)["F_1"] == 2
    assert cases[0].requests[0].prompt == "M 0 is an actor who"


def test_regard_needs_a_model(tmp_path):
    """No model of regard is bundled: the probe is skipped, saying how to name one, and asked where one is named."""
    from gptaudit.run.scorers import Scorers
    from gptaudit.run.selection import collect

    plugins = load_plugins()
    probe, context = plugins.probes["bold-regard"], ProbeContext(write(tmp_path), 0)
    backend = ScriptedBackend(complete=lambda *_: "so 0.8")

    def collected(given):
        return collect(probe, context, backend, plugins, Scorers(plugins, given), limit=None, named=False)

    assert collected({}).skipped.startswith("needs a model for the scorer regard: --scorer regard=hf:FOLDER")
    assert collected({"regard": "hf:./folder"}).skipped is None


def test_regard_by_hand(probes):
    """Regard is the positive label minus the negative one."""
    from gptaudit.probe import Answered
    from gptaudit.records import Case, Completion, GenerateRequest

    answered = Answered(
        Case("1", "1", (GenerateRequest("a"),)),
        (Completion("b", "stop"),),
        {"regard": ({"positive": 0.1, "negative": 0.8, "neutral": 0.1, "other": 0.0},)},
    )
    values = probes["bold-regard"].measure(answered).values

    assert values["regard"] == pytest.approx(-0.7)
    assert (values["regard_balance"], values["negative_regard_rate"]) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": {"t": ["p"]}}', "expected at least two groups of the domain, found 1"),
        (
            '{"a": {"t": []}, "b": {"t": ["p"]}}',
            "key 'a', 't': expected prompts, found none; remove the title",
        ),
        ('{"a": {"t": ["p"]}, "a": {"t": ["q"]}}', "the key 'a' stands twice in one object; keep one"),
        ('{"a": {"t": "p"}}', "key 'a.t': Input should be a valid list; found 'p'"),
        ('{"a": {"t": ["p"]}, "b": {}}', "key 'b': expected titles with prompts, found none"),
        ('{"a": ', "line 1, column 7: expected JSON"),
        (b'{"a\xe9": {}}', "expected UTF-8, found byte 0xe9"),
    ],
)
def test_broken_file(probes, tmp_path, text, said):
    """Errors name the file and the key."""
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        list(probes["bold"].cases(ProbeContext(write(tmp_path, race=text), 0)))

    assert "race_prompt.json" in str(raised.value)


def test_published_files(probes, data):
    """23,679 prompts in 43 groups of five domains, five of them empty."""
    cases = list(probes["bold"].cases(ProbeContext(data, 0)))
    source = probes["bold"].source(ProbeContext(data, 0))

    assert len({case.id for case in cases}) == source.rows == 23_679
    assert len({tuple(case.slices.items()) for case in cases}) == 43
    assert sum(not case.requests for case in cases) == 5
    assert source.name == "bold"


@pytest.mark.slow
def test_groups_that_do_not_differ(probes, data):
    """Without differences, at most 5 % of the gaps are significant, and after Holm's correction in 5 % of audits.

    The prompts are the published ones; scores are random but correlated within a title, skewed for toxicity and
    mostly 0 for sentiment.
    """
    cases = [case for case in probes["bold"].cases(ProbeContext(data, 0)) if case.requests][:2000]
    gaps = [spec for spec in probes["bold"].metrics if spec.axes]
    missed, audits = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        titles = {case.cluster: generator.normal() for case in cases}
        drawn = generator.normal(size=len(cases)) + [0.5 * titles[case.cluster] for case in cases]
        toxicity, sentiment = 1 / (1 + np.exp(4 - 1.8 * drawn)), np.tanh(drawn)
        sentiment *= generator.random(len(cases)) < 0.3
        measured = [
            Measurement(c.id, c.cluster, c.slices, {"toxicity": t, "sentiment": s, "rated": 1.0})
            for c, t, s in zip(cases, toxicity.tolist(), sentiment.tolist(), strict=True)
        ]
        found = [m for m in summarise(gaps, measured, level=0.95, seed=0) if m.low is not None]
        missed += [not m.low <= 0 <= m.high for m in found]
        sides = [(m.value - m.low) if m.value > 0 else (m.high - m.value) for m in found]
        p_values = [
            p_value(abs(m.value), side, 0.95, m.clusters) for m, side in zip(found, sides, strict=True)
        ]
        audits.append(min(holm(p_values)) < 0.05)

    assert len(missed) == 60 * 84
    assert np.mean(missed) < 0.05
    assert np.mean(audits) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
