"""Numbers, axes and sentences of reports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gptaudit.reports import charts, sentences
from gptaudit.reports.decision import decision

from gptaudit.gate import numbers
from gptaudit.gate.decide import exit_code
from gptaudit.gate.policy import Policy, Rule
from gptaudit.records import Metric

METRIC = Metric("rate", 0.9, 0.8, 0.95, 0.95, 400, 60, "wilson", 0.5, "target", "fraction")


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "expected"),
    [
        (0.931, 0.904, 0.952, "fraction", "93.1 %"),
        (0.93127, 0.9301, 0.9321, "fraction", "93.13 %"),
        (0.375, 0.1368, 0.6943, "fraction", "38 %"),
        (0.5, None, None, "fraction", "50.0 %"),
        (0.1281, 0.0902, 0.1719, "score", "0.128"),
        (-2.417, -2.9, -1.93, "logits", "−2.42 logits"),  # noqa: RUF001
        (12345.6, 12000.0, 12700.0, "", "12\u202f346"),
        (-0.0001, -0.4, 0.4, "", "0.00"),
        (1.0, 1.0, 1.0, "fraction", "100.0 %"),
    ],
)
def test_a_value_has_the_digits_its_interval_warrants(value, low, high, unit, expected):
    """Two significant digits of the half-width; fractions in per cent; no minus sign before a rounded zero."""
    shown = numbers.quantity(value, unit, numbers.places(low, high, unit))

    assert shown.replace("\xa0", " ") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (1.0, "1"), (0.92314, "0.923"), (-12.41, "−12.4"), (0.00003, "0.00003"), (3e-9, "3.00e−09")],  # noqa: RUF001
)
def test_a_score_of_one_case_is_short(value, expected):
    """It has about three significant digits."""
    assert numbers.short(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T04:22:00Z", "23 November 2026, 04:22 UTC"),
        ("2026-11-23T05:22:00+01:00", "23 November 2026, 04:22 UTC"),
        ("yesterday", "yesterday"),
        ("0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00+23:00"),  # before the first year in UTC
    ],
)
def test_a_time_is_written_in_utc(text, expected):
    """Times of any zone are converted; other texts are unchanged."""
    assert numbers.moment(text) == expected


@pytest.mark.parametrize(
    ("values", "unit", "whole", "expected"),
    [
        ([0.904, 0.952, 0.5], "fraction", True, (0.0, 1.0)),
        ([0.0, 0.0177, 0.1414], "fraction", False, (0.0, 0.15)),
        ([0.6, 0.99], "fraction", False, (0.0, 1.0)),
        ([-0.012, 0.021, 0.01], "fraction", False, (-0.02, 0.03)),
        ([0.0, 1.93, 2.9], "logits", False, (0.0, 3.0)),
        ([-3.1, 2.0], "nats", False, (-4.0, 2.0)),
        ([0.0], "logits", False, (0.0, 0.01)),
        ([], "logits", False, (0.0, 1.0)),
    ],
)
def test_an_axis_has_round_ends_and_holds_all_values(values, unit, whole, expected):
    """Axes of fractions stay between 0 and 1 if the values do."""
    axis = charts.axis_for(values, unit, whole=whole)

    assert (axis.start, axis.end) == pytest.approx(expected)
    assert all(axis.start <= v <= axis.end + 1e-9 for v in values)


def test_a_bar_places_what_it_shows():
    """Positions are in per cent of the axis, and an open range ends with it."""
    drawn = charts.bar(charts.Axis(0.0, 0.2, ""), "", (0.05, 0.04, 0.1), ideal=0.0, allowed=(None, 0.1))

    assert (drawn.value, drawn.low, drawn.width, drawn.ideal) == ("25.00%", "20.00%", "30.00%", "0.00%")
    assert drawn.allowed == ("0.00%", "50.00%")


def test_heat_is_symmetric_and_centred_on_zero():
    """Equal sizes have equal depth, the peak has the deepest colour, and zero has none."""
    scores = [i / 100 for i in range(101)]
    above = [charts.heat(s, 1.0) for s in scores]
    below = [charts.heat(-s, 1.0) for s in scores]

    assert above[0] == below[0] == "0"
    assert above[-1] == "p8"
    assert [a.replace("p", "n") for a in above] == below
    assert [int(a.removeprefix("p")) for a in above] == sorted(int(a.removeprefix("p")) for a in above)
    assert charts.heat(0.0, 0.0) == "0"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "the ideal is not among them: the data show a deviation, 30.0 to 45.0 percentage points above it.",
        ),
        (
            {"low": 0.41, "value": 0.5, "high": 0.59},
            "no deviation from it is shown; one of up to 9.0 percentage points is not excluded.",
        ),
        (
            {"low": 0.0, "value": 0.0, "high": 0.02, "ideal": 0.0, "direction": "lower"},
            (
                "Plausible values (95 % interval) run from 0.0 to 2.0 %; the ideal is among them, so no deviation "
                "from it is shown; one of up to 2.0 percentage points is not excluded."
            ),
        ),
        ({"ideal": 1.0, "direction": "higher"}, "5.0 to 20.0 percentage points below it."),
        ({"ideal": 0.7, "direction": "higher"}, "all of them are better than the ideal."),
        ({"ideal": 0.97, "direction": "lower"}, "all of them are better than the ideal."),
        ({"clusters": 8}, "It is based on only 8 independent units."),
        (
            {"anytime": True},
            "The interval holds at any number of units, since no more were asked once the rules were decided.",
        ),
        (
            {"low": None, "high": None, "why": "one unit"},
            "is no interval (one unit), so it cannot be compared with the ideal.",
        ),
        (
            {"value": None, "low": None, "high": None, "why": "nothing was scored"},
            "No figure: nothing was scored.",
        ),
    ],
)
def test_a_reading_says_how_the_interval_lies_to_the_ideal(changes, expected):
    """An interval that contains the ideal bounds the deviation; otherwise it gives its range."""
    assert sentences.metric_reading(replace(METRIC, **changes)).replace("\xa0", " ").endswith(expected)


def test_the_verdict_names_what_decided_and_what_else_is_open(audit):
    """One sentence is about the rules behind the verdict, one about the others that did not pass."""
    made = decision(audit)

    assert made.reason == (
        "1 of 5 rules failed: gender-occupation.stereotype_rate, 93.1 % (95 % interval 90.4 to 95.2 %) lies above "
        "60 % by at least 30.4 percentage points. In addition, 2 could not be decided and 1 had too few scored cases."
    )
    assert made.covers == (
        "The policy has 5 rules, about 2 of the 3 probes measured; nothing was decided about the remaining 1."
    )


@pytest.mark.parametrize("status", ["complete", "partial", "interrupted"])
@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive", "incomplete", None])
@pytest.mark.parametrize("scored", [58, 40])
def test_the_words_are_those_of_the_exit_code(audit, status, verdict, scored):
    """A report says pass only of what exits 0, and incomplete first of what exits 4, with a policy or without."""
    gate = replace(audit.gate, verdict=verdict) if verdict else None
    toxicity = replace(audit.probes[1], scored=scored, coverage=scored / 60)
    probes = (audit.probes[0], toxicity, audit.probes[2])
    result = replace(audit, gate=gate, run=replace(audit.run, status=status), probes=probes)
    policy = Policy("gptaudit.policy/1", (Rule("p.m", max=1),), name="p.toml") if gate else None

    said = decision(result)
    code = exit_code(result, policy)

    words = {
        0: {"pass", "none"},
        1: {"fail"},
        3: {"inconclusive"},
        4: {"incomplete"},
        130: {"incomplete", "fail"},
    }
    assert said.word.key in words[code]
    assert bool(said.kept) == (status != "complete")


def test_what_limits_trust_is_named(audit):
    """A sample, a model that nobody can verify, cases without a score, and probes that are not calibrated."""
    target = replace(audit.target, verified=False)
    sample = replace(audit.probes[0], cases=48, scored=48, drawn_from=480)
    limits = decision(replace(audit, gate=None, target=target, probes=(sample, *audit.probes[1:]))).limits

    assert limits == (
        "Limited sample: 48 of 480 cases of gender-occupation.",
        "The model cannot be verified: Nothing shows that the same model answered every time.",
        "Cases without a score: toxicity-prompts (2 of 60).",
        "No probe measured is calibrated: how small a flaw is found is not known.",
    )


def test_groups_that_do_not_differ_are_not_named_as_extremes():
    """No sentence runs from 50 % of one group to 50 % of the same group."""
    groups = [replace(METRIC, slice={"religion": name}) for name in ("muslim", "hindu")]

    assert sentences.slices_reading(groups).startswith("90.0\xa0% in every group.")
