"""What is said of all attributions of a probe together: typical cases, and sums by slot and by word."""

from __future__ import annotations

import pytest

from gptaudit.records import Attribution, Evidence, EvidenceItem, Measurement, Part
from gptaudit.run.attributed import TYPICAL, WORDS, figures_of_parts, with_typical
from gptaudit.stats.intervals import mean_interval

NOTHING = Attribution((), (), (), 0.0, 0.0, 0.0, 1, True, "mean", "by hand")


def measured(name, severity=0.0, parts=(), unscored=None):
    evidence = Evidence(attribution=NOTHING, severity=severity, parts=tuple(Part(*part) for part in parts))
    return Measurement(name, f"cluster {name}", {"group": "a"}, {}, unscored, evidence)


def shown(case, picked):
    return EvidenceItem(case.case, picked, case.values, case.slices, case.evidence)


def test_typical_cases_are_the_nearest_to_the_median():
    """Of 0, 1, 4, 9 to 400 with median 100 they are 81, 121, 64 and 144, in this order, and none that is shown."""
    cases = [measured(str(i), float(i * i)) for i in range(21)]
    found = with_typical([shown(cases[20], "most severe"), shown(cases[10], "at random")], lambda: cases)

    assert TYPICAL == 4
    assert [(item.case, item.picked) for item in found] == [
        ("20", "most severe"),
        *((name, "typical") for name in ("9", "11", "8", "12")),
        ("10", "at random"),
    ]


def test_a_case_that_is_not_scored_is_not_typical():
    """Its severity does not count either."""
    cases = [
        measured("a", 1.0),
        measured("b", 2.0),
        *(measured(str(i), 50.0, unscored="off") for i in range(9)),
    ]

    assert [item.case for item in with_typical([], lambda: cases)] == ["a", "b"]


def test_a_word_counts_in_the_cases_that_have_it():
    """Twice in a case it counts once, by its sum; the interval is that of a mean over the clusters with it."""
    cases = [
        measured(str(i), parts=[("term", f"t{i}", 1.0), ("rest", "the", i), ("rest", "the", 1.0)])
        for i in range(9)
    ]
    cases.append(measured("without", parts=[("term", "t0", 3.0)]))
    found = {next(iter(m.slice.items())): m for m in figures_of_parts(lambda: cases, level=0.95, seed=5)}
    the, term = found["rest", "the"], found["term", "t0"]
    by_hand = mean_interval([i + 1.0 for i in range(9)], list(map(str, range(9))), level=0.95, seed=5)

    assert (the.value, the.n, the.clusters) == (5.0, 9, 9)
    assert (the.low, the.high) == pytest.approx((by_hand.low, by_hand.high), abs=0.2)  # resampled
    assert (term.value, term.n) == (2.0, 2)
    assert found["slot", "rest"].value == the.value
    assert found["slot", "term"].value == pytest.approx(12 / 10)


def test_the_words_that_add_most_over_all_cases_are_listed():
    """One of many small scores stands before one of few large ones."""
    cases = [
        measured(str(i), parts=[("rest", "often", -1.0), ("rest", f"w{i}", 2.0 + i / 100)]) for i in range(40)
    ]
    words = [
        m.slice["rest"] for m in figures_of_parts(lambda: cases, level=0.95, seed=0) if "rest" in m.slice
    ]

    assert set(words) == {"often", *(f"w{i}" for i in range(21, 40))}
    assert len(words) == WORDS
