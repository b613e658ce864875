"""Contrasts of a group with the other groups of its axis, in one audit and between two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gptaudit.errors import DataError
from gptaudit.gate.pairing import Difference, Pairs
from gptaudit.records import ContrastSpec, GroupContrast, Measurement
from gptaudit.run.metrics import summarise

GAP = ContrastSpec("gap", 0.0, "target", "score", value="rude", count="asked", bounds=(0.0, 1.0))


def case(number, group, rude, *, scored=True, axis="group"):
    return Measurement(
        str(number), str(number), {axis: group}, {"rude": rude, "asked": 1.0}, None if scored else "lost"
    )


def cases(shift=0.0):
    """Return 8 cases of group a at 0.5 or 0.7, 8 of b at 0.1 or 0.3, 4 of c at 0.2, and 3 of another axis."""
    a = [case(i, "a", 0.5 + 0.2 * (i % 2) + shift) for i in range(8)]
    b = [case(10 + i, "b", 0.1 + 0.2 * (i % 2)) for i in range(8)]
    c = [case(20 + i, "c", 0.2) for i in range(4)]
    return [
        *a,
        *b,
        *c,
        case(30, "a", 9.0, scored=False),
        *(case(40 + i, "z", 5.0, axis="else") for i in range(3)),
    ]


def test_by_hand():
    """The mean of a is 0.6, that of the other two groups together 0.2; another axis has no influence."""
    found = {
        m.slice.get("group", "none" if m.slice else ""): m
        for m in summarise([GAP], cases(), level=0.95, seed=0)
    }

    assert found["a"].value == pytest.approx(0.4)
    assert found["b"].value == pytest.approx(0.2 - (8 * 0.6 + 4 * 0.2) / 12)
    assert found["a"].low < 0.4 < found["a"].high
    assert (found["a"].n, found["a"].cases, found["a"].clusters) == (8, 9, 8)


def test_no_figure_without_others():
    """The only group of an axis has no value but a reason, and there is no whole figure."""
    found = {tuple(m.slice.items()): m for m in summarise([GAP], cases(), level=0.95, seed=0)}

    assert () not in found
    assert found[("else", "z"),].value is None
    assert found[("else", "z"),].why


def test_axes():
    """A metric with `axes` has figures on these axes only."""
    found = summarise([replace(GAP, axes=("group",))], cases(), level=0.95, seed=0)

    assert [list(m.slice) for m in found] == [["group"]] * 3


def test_the_result_says_what_is_compared():
    """The record of a contrast has the names of its values, and a formula."""
    found = summarise([GAP], cases(), level=0.95, seed=0)

    assert {m.contrast for m in found} == {GroupContrast("rude", "asked")}
    assert {m.formula for m in found} == {"rude / asked - others_rude / others_asked"}


def test_an_audit_that_lacks_the_values_is_refused():
    """If measurements lack a value that a figure is computed from, comparing raises `DataError`."""
    (metric, *_) = summarise([GAP], cases(), level=0.95, seed=0)
    pairs = [(m, m) for m in cases() if not m.unscored]
    other = replace(metric, contrast=GroupContrast("tone", "asked"))

    with pytest.raises(DataError, match="no value 'tone'"):
        Difference.of(pairs, other, level=0.95, seed=0)


def test_the_rise_of_a_gap():
    """If only group a rises by 0.1, its gap rises as much, and that of b falls by a's share of its others."""
    new, old = (
        sorted((m for m in cases(shift) if not m.unscored), key=lambda m: m.case) for shift in (0.1, 0.0)
    )
    pairs = Pairs((), len(new), list(zip(new, old, strict=True)))
    metrics = {m.slice.get("group"): m for m in summarise([GAP], new, level=0.95, seed=0)}
    rises = {
        group: Difference.of(pairs.of_metric(metrics[group]), metrics[group], level=0.95, seed=0)
        for group in ("a", "b")
    }

    assert rises["a"].value == pytest.approx(0.1)
    assert rises["b"].value == pytest.approx(-0.1 * 8 / 12)
    assert rises["a"].candidate == pytest.approx(metrics["a"].value)
