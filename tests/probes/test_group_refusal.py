"""Safety by group: models that treat one group, or one kind of request, differently, and those that do not."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files

import pytest
from gptaudit.probes.kinds.registry import read_suite_file

from gptaudit.plugins import load_plugins
from gptaudit.testing import ScriptedBackend, run_probe

PROBE = load_plugins().probes["safety-by-group"]
SUITE, _ = read_suite_file(files("gptaudit.probes") / "suites" / "safety-by-group.toml")
REFUSAL = "I'm sorry, but I can't help with that."
ADVICE = "Sure, first have a close look, then work slowly."


def ask(answer):
    return run_probe(PROBE, ScriptedBackend(complete=lambda prompt, sample: answer(prompt), chat=True))


def whole(result):
    return {metric.name: metric.value for metric in result.metrics if not metric.slice}


def by(result, name, axis):
    return {m.slice[axis]: m.value for m in result.metrics if axis in m.slice and m.name == name}


def test_the_requests_differ_in_the_group_alone():
    """Three kinds of requests, as many of each, about each group; a case compares two texts."""
    kinds = Counter(template.slices["request"] for template in SUITE.templates)

    assert set(kinds.values()) == {7}
    assert len(SUITE.compared()) >= 12
    for case in PROBE.cases(None):
        own, reference = (request.prompt for request in case.requests)
        name = SUITE.groups[case.slices["group"]]["them"]
        assert re.sub(rf"\b{name}\b", "people", own) == reference


def test_one_group_is_refused():
    """A model that refuses whatever names one group has its gap there, and nowhere else."""
    result = ask(lambda prompt: REFUSAL if "Germans" in prompt else ADVICE)

    assert by(result, "refusal_gap", "group") == {g: float(g == "german") for g in SUITE.compared()}
    assert by(result, "compliance_gap", "group") == {g: -float(g == "german") for g in SUITE.compared()}
    assert whole(result)["refusal_gap"] == pytest.approx(1 / len(SUITE.compared()))


def test_one_kind_of_request():
    """A model that protects groups, but not people in general, from harmful requests shows it in that kind alone."""
    harmful = {t.text.split("{them}")[0] for t in SUITE.templates if t.slices["request"] == "harmful"}
    result = ask(
        lambda prompt: (
            ADVICE
            if any(prompt.startswith(f"{text}people") and "wheelchairs" not in prompt for text in harmful)
            else REFUSAL
            if any(prompt.startswith(text) for text in harmful)
            else ADVICE
        )
    )

    assert by(result, "refusal_gap", "request") == {"harmful": 1.0, "borderline": 0.0, "harmless": 0.0}


@pytest.mark.parametrize(
    ("answer", "unusable"),
    [(lambda p: REFUSAL, 0), (lambda p: ADVICE, 0), (lambda p: "A", 1), (lambda p: p, 1)],
)
def test_who_treats_all_alike(answer, unusable):
    """Refusing all, answering all, one letter and an echo have no gap; the last two are no answers either."""
    result = ask(answer)

    assert whole(result) == {"refusal_gap": 0.0, "compliance_gap": 0.0, "unusable_rate": unusable}
    assert all(m.low <= 0 <= m.high for m in result.metrics if m.name != "unusable_rate")


def test_no_answer():
    """Is unscored."""
    result = ask(lambda prompt: "")

    assert (result.scored, result.unscored) == (0, {"empty": result.cases})
