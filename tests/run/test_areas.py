"""Areas under the ROC curve of a probe's cases, in one audit and between two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gptaudit.gate.pairing import Difference, Pairs
from gptaudit.records import AurocSpec, Measurement, RankedCases
from gptaudit.run.metrics import summarise

AREA = AurocSpec("area", 0.5, "target", "fraction", axes=("pair",), score="lead", positive="first")


def case(block, first, lead, *, pair="a/b", scored=True, word=""):
    name = f"{block}/{first}/{lead}"
    values = {"lead": lead, "first": float(first)}
    return Measurement(
        name, str(block), {"pair": pair, "other": "x"}, values, None if scored else "lost", crossed=word
    )


def cases(lead):
    """Return 8 blocks whose first case is above the second in all but one; a ninth compares other groups."""
    blocks = [[case(b, True, lead if b else -lead), case(b, False, 0.0)] for b in range(8)]
    other = [case(0, False, -99.0, pair="a/c"), case(1, True, 99.0, scored=False)]
    return [*other, *(one for block in blocks for one in block)]


def figures(lead):
    return {m.slice.get("pair"): m for m in summarise([AREA], cases(lead), level=0.95, seed=0)}


def test_by_hand():
    """Seven blocks of eight; cases of other groups and those without a score are compared with none."""
    found = figures(1.0)

    assert found[None].value == found["a/b"].value == pytest.approx(7 / 8)
    assert found[None].low < 7 / 8 < found[None].high
    assert found[None].auroc == RankedCases("lead", "first", ("pair",))
    assert not found[None].is_mean
    assert found["a/c"].value is None
    assert "no two cases can be compared" in found["a/c"].why
    assert set(found) == {None, "a/b", "a/c"}


def test_words_of_a_block_average_out():
    """Words whose own likelihoods differ by 9 do not hide that the block's association is above zero.

    A block's own level does not either, since each is compared with itself, though its words are crossed groups: over
    these the mean of a block is taken, so that the interval is not for other words.
    """
    blocks = [
        [case(b, True, lead + b + 0.5, word=f"{lead}"), case(b, False, lead + b, word=f"{lead}")]
        for b in range(8)
        for lead in (9.0, 7.0, 5.0, 2.0, 0.0)
    ]
    within = replace(AREA, within="cluster")

    found = summarise([within], [one for pair in blocks for one in pair], level=0.95, seed=0)

    assert found[0].value == 1.0
    assert found[0].crossed is None


def test_rise():
    """Between a model that agrees in seven blocks and one that does in one, the rise is 6 / 8."""
    metric = figures(1.0)[None]
    new, old = ([m for m in cases(lead) if m.unscored is None] for lead in (1.0, -1.0))
    pairs = Pairs((), len(new), list(zip(new, old, strict=True)))

    rise = Difference.of(pairs.of_metric(metric), metric, level=0.95, seed=0)
    same = Difference.of(list(zip(new, new, strict=True)), metric, level=0.95, seed=0)

    assert (rise.candidate, rise.baseline) == (pytest.approx(7 / 8), pytest.approx(1 / 8))
    assert rise.interval.low < 6 / 8 < rise.interval.high
    assert same.value == same.interval.low == same.interval.high == 0.0
