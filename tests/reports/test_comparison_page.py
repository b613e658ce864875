"""HTML page of a comparison: hostile text has no effect, and every figure and case is shown."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from gptaudit.reports.comparison import render
from html_page import TAGS, Page

from gptaudit.gate.comparison import Change, ChangedCase, ComparedAudit, Comparison, ProbeComparison
from gptaudit.records import Evidence, Exchange

HOSTILE = "</pre><script>alert(1)</script>\x00\x1b[31m\u202e<img src=http://x.invalid/a>"


def a_change(**other) -> Change:
    fields = {
        "metric": f"probe.{HOSTILE}",
        "title": "share of pairs",
        "unit": "fraction",
        "slice": {},
        "ideal": 0.5,
        "direction": "target",
        "baseline": 0.501,
        "candidate": 0.914,
        "difference": 0.413,
        "low": 0.39,
        "high": 0.43,
        "n": 2800,
        "clusters": 200,
        "rose": 1275,
        "fell": 137,
        "test": "sign-flips",
        "p_value": 0.00001,
        "adjusted": 0.00002,
        "reading": "worse",
    }
    return Change(**fields | other)


@pytest.fixture
def comparison() -> Comparison:
    side = ComparedAudit(HOSTILE, "sha256:ab", "run", "2026-01-02T03:04:05Z")
    evidence = Evidence((Exchange("label", HOSTILE, "output"),))
    case = ChangedCase("case", HOSTILE, {"axis": HOSTILE}, 0.0, 1.0, evidence, None)
    changes = (
        a_change(),
        a_change(low=None, high=None, why="too few clusters", reading="not shown", adjusted=0.4),
        a_change(slice={"group": HOSTILE}, reading="better", difference=-0.2, low=-0.3, high=-0.1),
        a_change(unit="nats", reading="crossed", test="mcnemar", difference=0.0, low=0.0, high=0.0),
    )
    compared = ProbeComparison("probe", HOSTILE, None, changes, (case,))
    left_out = ProbeComparison("other", "Other", HOSTILE)
    return Comparison(side, replace(side, fingerprint="sha256:cd"), 0.95, (compared, left_out))


def test_hostile_text_is_shown_and_does_nothing(comparison):
    """There are no foreign elements, handlers, fetched resources or invisible characters."""
    source = render(comparison)
    page = Page(source)

    assert {tag for tag, _ in page.elements} <= TAGS
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in attributes if name.startswith("on") or name in {"style", "src"}}
    assert {unicodedata.category(c) for c in source if c != "\n"}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    for tag in ("h2", "code", "span", "p"):
        assert "<script>alert(1)</script>" in page.text(tag)


def test_every_figure_is_on_the_page(comparison):
    """The page has the difference with its interval or a reason, the corrected p, and the changed cases."""
    text = " ".join(Page(render(comparison)).text().split())

    for words in (
        "Of 3 figures: 1 worse, 1 crossed, 1 no change shown.",
        "Of 1 slice: 1 better.",
        "+41.3",
        "(+39.0 to +43.0)",
        "too few clusters",
        "p below 0.0001, corrected; sign changes of clusters",
        "McNemar's test",
        "1 275 of 2 800 cases rose, 137 fell; 200 clusters",
        "Not compared: ",
    ):
        assert words in text, words


def test_two_audits_of_one_model_are_called_so(comparison):
    """A warning says that both audits are of the same model."""
    warning = "Both audits are of the same model"

    assert warning not in Page(render(comparison)).text("p")
    assert warning in Page(render(replace(comparison, candidate=comparison.baseline))).text("p")
