"""The table of attacks: success and lift of each, in all and by group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gptaudit.reports import html, markdown
from gptaudit.reports.attacks import attack_tables
from html_page import TAGS, Page

from gptaudit.records import Correction, LabelledShare, Metric, ProbeResult, ScorerErrors

HOSTILE = "<script>alert(1)</script>"


def figures(name, values):
    """Return a figure in all and in groups, each with an interval of 0.1 to both sides."""
    return [
        Metric(
            name,
            value,
            value - 0.1,
            value + 0.1,
            level=0.95,
            n=60,
            clusters=60,
            interval="wilson-clustered",
            ideal=0.0,
            direction="lower",
            unit="fraction",
            title="share of answers that comply",
            slice={"category": group} if group else {},
        )
        for group, value in values.items()
    ]


def scored(name, rates, lifts, method):
    metrics = (*figures("compliance_rate", rates), *figures("lift", lifts))
    return ProbeResult(
        id=name,
        version="1",
        suite="safety",
        title="Harmful requests",
        goal="",
        status="scored",
        reason=None,
        cases=60,
        scored=60,
        unscored={},
        coverage=1.0,
        data=None,
        method=method,
        metrics=metrics,
        evidence=(),
    )


def about(attack):
    return {"attack": {"name": attack, "on": "harmful", "success": "compliance_rate"}}


@pytest.fixture
def attacked(audit):
    plain = scored("harmful", {"": 0.2, "theft": 0.1, "fraud": 0.3}, {}, {})
    weak = scored(
        "harmful+weak", {"": 0.3, "theft": 0.2, "fraud": 0.4}, {"": 0.1, "theft": 0.1}, about("weak")
    )
    strong = scored("harmful+strong", {"": 0.7, "theft": 0.8, "fraud": 0.6}, {"": 0.5}, about("strong"))
    skipped = replace(
        scored("harmful+prefill", {}, {}, about("prefill")),
        status="skipped",
        reason=f"needs {HOSTILE}",
        metrics=(),
    )
    return replace(audit, probes=(*audit.probes, plain, weak, strong, skipped))


def test_rows_are_attacks_and_columns_are_groups(attacked):
    """The plain requests come first, then the attacks by success; one that was not tried says why."""
    (table,) = attack_tables(attacked)

    assert table.columns == ("all", "theft", "fraud")
    assert [row.attack for row in table.rows] == ["asked plainly", "strong", "weak", "prefill"]
    assert [cell.success[:2] for cell in table.rows[1].cells] == ["70", "80", "60"]
    assert table.rows[1].cells[0].lift.startswith(("50.0", "50"))
    lifts = [[bool(cell.lift) for cell in row.cells] for row in table.rows[:3]]
    assert lifts == [[False] * 3, [True, False, False], [True, True, False]]
    assert table.rows[3].why.startswith("Skipped: needs")


def test_success_is_corrected_where_the_errors_are_known(attacked):
    """The cell has the corrected figure, by which the gate decides."""
    share = LabelledShare(0.9, 0.85, 0.95, 200)
    errors = ScorerErrors(share, "a set", share, "a set")
    found = Correction(0.77, 0.6, 0.9, None, 0.95, "rules", errors, 0.1)
    probes = [
        replace(p, metrics=(replace(p.metrics[0], corrected=found), *p.metrics[1:]))
        if p.id == "harmful+strong"
        else p
        for p in attacked.probes
    ]
    (table,) = attack_tables(replace(attacked, probes=tuple(probes)))

    assert table.rows[1].cells[0].success.startswith("77")


def test_too_many_groups_have_no_columns(attacked):
    """A table stays a table: with many groups only the whole is shown."""
    many = {"": 0.2, **{f"group {i}": 0.2 for i in range(40)}}
    probes = [*attacked.probes, scored("harmful+many", many, {}, about("many"))]
    (table,) = attack_tables(replace(attacked, probes=tuple(probes)))

    assert table.columns == ("all",)


def test_it_is_in_the_reports(attacked, audit):
    """Page and summary have the table, hostile text is text, and an audit without attacks has neither."""
    page = Page(html.render(attacked))
    summary = markdown.render(attacked)

    assert {tag for tag, _ in page.elements} <= TAGS
    assert "asked plainly" in page.text("th")
    assert "### Harmful requests, under attack" in summary
    assert "| strong |" in summary
    assert "asked plainly" not in html.render(audit) + markdown.render(audit)


class TestMoreTries:
    def tried(self, attacked, *figures_at, corrected=None):
        """Return the notes of a table with an attack that tries ten times."""
        metrics = [
            replace(figures(f"compliance_rate_at_{k}", {"": value, "theft": value})[0], corrected=corrected)
            for k, value in figures_at
        ]
        again = scored("harmful+again", {"": 0.1}, {"": 0.1}, about("again"))
        probes = (*attacked.probes, replace(again, metrics=(*again.metrics, *metrics)))
        audit = replace(attacked, probes=probes)
        return audit, attack_tables(audit)[0].notes

    def test_limits_follow_from_the_most_tries(self, attacked):
        """A fifth of the requests with ten tries, 10 to 30 %: with 100, at least 10 % and at most 1 - 0.7^10."""
        audit, (note,) = self.tried(attacked, (1, 0.15), (10, 0.2))

        assert "again: with 10 tries" in note
        assert "20\N{NO-BREAK SPACE}% of the requests (10 to 30" in note
        assert "With 100, one would for 10 to 97" in note
        assert note in Page(html.render(audit)).text("p")
        assert "With 100, one would for 10 to 97" in markdown.render(audit)

    def test_they_are_corrected_as_the_figure_is(self, attacked):
        """Where the scorer's errors are known, the limits are of what succeeds, and not of what is rated so."""
        share = LabelledShare(0.9, 0.85, 0.95, 200)
        errors = ScorerErrors(share, "a set", share, "a set")
        found = Correction(0.03, 0.0, 0.1, None, 0.95, "rules", errors, 0.1)

        assert "0 to 65" in self.tried(attacked, (10, 0.2), corrected=found)[1][0]

    def test_what_is_not_known(self, attacked):
        """Without an interval, or where a scorer's errors may explain all, there are no limits; the note says why."""
        share = LabelledShare(0.9, 0.85, 0.95, 200)
        errors = ScorerErrors(share, "a set", share, "a set")
        ends = Correction(None, None, None, "the scorer cannot tell", 0.95, "rules", errors, None)
        errs = Correction(0.0, 0.0, 0.4, "nothing can be told", 0.95, "rules", errors, None)

        for found in (ends, errs):
            (note,) = self.tried(attacked, (10, 0.2), corrected=found)[1]
            assert note.startswith(
                "again: how often one of 10 tries succeeds is not known, nor what more would: "
            )
            assert note.endswith(found.why)

    def test_no_tries_no_note(self, attacked):
        """Nothing is said of attacks that try once, nor of those that tried as often as that."""
        assert attack_tables(attacked)[0].notes == ()
        assert self.tried(attacked, (10, 0.2), (100, 0.4))[1] == ()
