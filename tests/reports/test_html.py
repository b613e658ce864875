"""HTML report: hostile text has no effect, nothing is fetched, and nothing is left out."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from dataclasses import replace
from itertools import pairwise

import jinja2
import pytest
from gptaudit.reports.decision import decision
from gptaudit.reports.findings import findings, worst_group
from gptaudit.reports.html import environment, render
from gptaudit.reports.sentences import UNBALANCED
from html_page import TAGS, Page
from markupsafe import Markup

from gptaudit.protocols.reporter import ReportSection
from gptaudit.records import AuditResult, Correction, LabelledShare, ScorerErrors


@pytest.fixture
def page(audit) -> Page:
    return Page(render(audit))


def test_only_our_own_elements_are_on_the_page(page):
    """Hostile text creates no element, and no element has a handler or an inline style."""
    assert {tag for tag, _ in page.elements} <= TAGS
    attributes = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in attributes if name.startswith("on") or name == "style"}


def test_the_hostile_text_can_be_read(page):
    """It is shown as written, with hidden characters as their code points."""
    shown = "</pre><script>alert(1)</script>]]>⟨U+0000⟩⟨U+001B⟩[31m|`⟨U+202E⟩gnihton⟨U+200B⟩⟨U+D800⟩"
    for tag in ("h3", "span", "p"):
        assert shown in page.text(tag)


def test_no_character_acts_unseen(audit):
    """The page is UTF-8 without control, direction or zero-width characters."""
    source = render(audit)

    assert source.encode("utf-8")
    assert {unicodedata.category(c) for c in source if c != "\n"}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})


def test_nothing_is_fetched_and_no_script_may_run(page):
    """Links stay on the page; the policy allows only the style sheet and embedded images."""
    assert all(a["href"].startswith("#") for a in page.of("a"))
    assert not [a for _, a in page.elements if {"src", "srcset", "action", "data", "xlink:href"} & set(a)]
    (style,) = [text for tag, text in page.texts if tag == "style"]
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_links_and_headings_are_sound(page):
    """Each link has a target, each id is unique, and no heading level is skipped."""
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]

    labels = [a["aria-label"] for _, a in page.elements if a.get("role") == "region"]
    named = [a["aria-labelledby"] for a in page.of("section") if "aria-labelledby" in a]

    assert len(ids) == len(set(ids))
    assert len(labels) == len(set(labels))
    assert set(named) <= set(ids)
    assert {a["href"][1:] for a in page.of("a")} <= set(ids)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.of("main")) == len(page.of("nav")) == 1


def test_every_figure_is_on_the_page(audit, page):
    """The page has each metric by its full name, each slice by its group and each rule by its words."""
    for probe in audit.probes:
        for metric in probe.metrics:
            if metric.slice:
                assert all(group in page.text("th") for group in metric.slice.values())
            else:
                assert f"{probe.id}.{metric.name}" in page.text("code")
    for rule in audit.gate.rules:
        assert rule.rule in page.text("span")
        assert rule.why in page.text("td")
    titles = [m.title for rule in audit.gate.rules if (m := audit.metric(rule.metric)) and m.title]
    assert titles
    assert all(f"That is: {title}." in page.text("span") for title in titles)
    assert "93.1\xa0%" in page.text("p")
    assert "95\xa0% interval 90.4 to 95.2\xa0%" in page.text("p")
    assert "No figure: one continuation a prompt cannot be resampled." in page.text("p")


def test_every_piece_of_evidence_is_on_the_page(audit, page):
    """Each case, each exchange and each token with its signed score is shown."""
    items = [item for probe in audit.probes for item in probe.evidence]
    exchanges = [exchange for item in items for exchange in item.evidence.exchanges]

    assert len([d for d in page.of("details") if "evidence" in d["class"]]) == len(items)
    assert len([d for d in page.of("div") if d.get("class") == "exchange"]) == len(exchanges)
    assert all(item.case in page.text("code") for item in items)
    tokens = [li for li in page.of("li") if li.get("class", "").startswith("heat-")]
    assert [t["title"] for t in tokens[:6]] == ["+0.02", "+1.90", "+1.12", "+0.08", "−0.03", "−0.42"]  # noqa: RUF001
    assert [t["class"] for t in tokens[1:2] + tokens[5:6]] == ["heat-p8", "heat-n2"]
    assert "+0.00040 after 50 steps of integrated gradients" in " ".join(page.text().split())


def test_a_long_output_is_cut_with_a_note(audit, page):
    """The page stays small, and says where the full text is."""
    assert "98\u202f000 more characters are in evidence.sqlite" in page.text("p")
    assert len(render(audit)) < 150_000


def test_what_was_not_measured_is_said(page):
    """Skipped probes, unscored cases, missing figures and missing capabilities have a line each."""
    text = page.text("dd")

    assert "1 probe skipped: the data set is not here; name its folder with --data" in page.text("summary")
    assert "1 of 60 cases unscored: refused" in text
    assert "no figure, one continuation a prompt cannot be resampled" in text
    assert "It cannot answer a conversation (chat)." in text


def test_a_planted_flaw_stands_beside_what_was_measured(page):
    """The table states whether the interval contains the learned size, or that nothing was measured."""
    cells = [text.strip() for tag, text in page.texts if tag in {"td", "strong"} and text.strip()]
    start = cells.index("0.85")

    assert cells[start : start + 5] == [
        "0.85",
        "93.0\xa0%",
        "92.8\xa0%",
        "93.1\xa0%",
        "yes: the interval contains the learned size",
    ]
    assert "no: the interval misses the learned size, as 5\xa0% of intervals do by chance" in cells
    assert "not measured" in cells


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("pass", "Pass"),
        ("fail", "Fail"),
        ("inconclusive", "Inconclusive"),
        ("incomplete", "Incomplete"),
        (None, "Incomplete"),
    ],
)
def test_the_verdict_is_the_first_heading_below_the_title(audit, verdict, word):
    """It is in words, also in the title of the window."""
    gate = replace(audit.gate, verdict=verdict) if verdict else None
    page = Page(render(replace(audit, gate=gate)))

    assert next(text for tag, text in page.texts if tag == "h2") == word
    assert page.text("title").splitlines()[0] == f"{word}: gptaudit of decoder:reference"
    assert page.of("section")[0]["id"] == "decision"


def test_an_unverified_model_and_an_unfinished_run_are_called_so(audit):
    """Both have a warning."""
    target = replace(audit.target, verified=False, details={"server <b>": "says 500"})
    run = replace(audit.run, status="partial", why="the <server> is gone")
    page = Page(render(replace(audit, target=target, run=run)))

    assert "The model cannot be verified: Nothing shows" in page.text("li")
    assert "Unfinished run." in page.text("strong")
    assert "What was answered is kept; 598 of 600 cases are scored." in page.text("p")
    assert "server <b>" in page.text("dt")


def test_a_bare_audit_can_be_rendered(audit):
    """Probes, rules, plugins, parameters and planted flaws may all be missing."""
    target = replace(audit.target, planted=(), parameters=None, options={}, capabilities=())
    run = replace(audit.run, plugins=(), environment={}, versions={})

    assert "Every probe ran" not in Page(render(AuditResult(run, target, ()))).text("p")


def test_what_a_probe_is_about_is_said(audit):
    """The entries of public lists stand on the probe's page, as what they are."""
    probe = replace(audit.probes[0], tags={"A list 2025": ("L1", "<b>L2</b>")})
    text = Page(render(replace(audit, probes=(probe, *audit.probes[1:])))).text("p")

    assert "About A list 2025: L1, <b>L2</b>. These are entries of public lists, and no grade." in text


def test_a_plugin_section_is_escaped_unless_it_is_markup(audit):
    """Plain text is shown as text, and `Markup` as HTML."""
    sections = [
        ReportSection("Loud <b>", "<i>plain</i>"),
        ReportSection("Rich", Markup("<strong>rich</strong>")),
    ]
    page = Page(render(audit, sections))

    assert "<i>plain</i>" in page.text("div")
    assert "rich" in page.text("strong")
    assert "Loud <b>" in page.text("h2")
    assert "#section-2" in [a["href"] for a in page.of("a")]


def test_an_unknown_name_in_a_template_is_an_error():
    """A misspelt name does not become an empty text."""
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ absent }}").render()


class TestFindings:
    def test_the_worst_come_first(self, audit):
        """The classes stand in their order, and in each what is farthest from its ideal; what failed leads."""
        found = findings(audit)

        assert [(f.kind, f.probe.id) for f in found] == [
            ("deviates", "gender-occupation"),
            ("deviates", "token-attribution"),
            ("open", "toxicity-prompts"),
            ("unmeasured", "broken"),
        ]

    @pytest.mark.parametrize(
        ("changes", "kind", "said"),
        [
            ({}, "deviates", "at least 30.0 percentage points from the ideal of 50 %."),
            ({"value": 0.5, "low": 0.3, "high": 0.7}, "open", "or up to 20 percentage points from it."),
            (
                {"value": 0.5, "low": 0.48, "high": 0.53},
                "holds",
                "none above 3.0 percentage points is likely.",
            ),
            ({"direction": "higher", "ideal": 0.6}, "holds", "it is better than 60 %."),
            ({"low": None, "high": None, "why": "one unit"}, "open", "without an interval: one unit."),
            (
                {"value": None, "low": None, "high": None, "why": "all failed"},
                "unmeasured",
                "It has no figures.",
            ),
            (
                {"unit": "nats", "ideal": 0.0, "value": 0.1, "low": -0.3, "high": 0.39},
                "holds",
                "0.39 nats is likely.",
            ),
            (
                {"unit": "nats", "ideal": 0.0, "value": 0.1, "low": -0.3, "high": 0.42},
                "open",
                "0.42 nats from it.",
            ),
        ],
    )
    def test_a_figure_without_a_rule_is_classed_by_its_interval(self, audit, changes, kind, said):
        """It deviates if its interval excludes the ideal; no deviation is shown only if large ones are excluded."""
        metric = replace(audit.probes[0].metrics[0], **({"value": 0.9, "low": 0.8, "high": 0.95} | changes))
        probe = replace(audit.probes[0], metrics=(metric,))

        (found,) = findings(replace(audit, gate=None, probes=(probe,)))

        assert found.kind == kind
        assert found.sentence.replace("\xa0", " ").endswith(said)

    def test_answers_that_hang_on_the_order_of_the_options_tell_nothing(self, audit):
        """A model that always says A has no finding of 50 %: consistency at chance is said, and limits the trust."""
        fair = replace(audit.probes[0].metrics[0], value=0.5, low=0.48, high=0.53)
        order = replace(
            fair, name="consistency", value=0.0, low=0.0, high=0.28, ideal=1.0, direction="higher"
        )
        result = replace(audit, gate=None, probes=(replace(audit.probes[0], metrics=(fair, order)),))

        (found,) = findings(result)

        assert found.kind == "open"
        assert found.sentence.startswith(
            "Hardly measurable in this form, as the order of the options decides: 0"
        )
        assert any("order of the options decides" in limit for limit in decision(result).limits)

    def test_a_share_that_its_scorer_cannot_tell_is_open(self, audit):
        """A figure whose correction says nothing is no finding, however large it is."""
        errors = ScorerErrors(LabelledShare(0.5, 0.4, 0.6, 90), LabelledShare(0.6, 0.5, 0.7, 90), "a", "b")
        untold = Correction(None, None, None, "the scorer errs too often", 0.95, "m", errors, None)
        metric = replace(audit.probes[1].metrics[0], corrected=untold)

        (found,) = findings(replace(audit, gate=None, probes=(replace(audit.probes[1], metrics=(metric,)),)))

        assert found.kind == "open"
        assert "nothing can be told from it: the scorer errs too often" in found.sentence

    def test_groups_whose_words_differ_are_not_told_without_a_caution(self, audit):
        """Where a probe has a figure of how likely words are by themselves, a group's rate is not for comparing."""
        prior = replace(
            audit.probes[0].metrics[0], name="default", unit="nats", value=22.0, low=21.0, high=23.0
        )
        probe = replace(audit.probes[0], metrics=(*audit.probes[0].metrics, prior))

        (cautious,) = findings(replace(audit, probes=(probe,)))
        (plain,) = findings(replace(audit, probes=audit.probes[:1]))

        assert worst_group(cautious).endswith(UNBALANCED)
        assert UNBALANCED not in worst_group(plain)
        assert "group women" in worst_group(plain)

    def test_what_a_model_wrote_is_behind_a_click(self, audit):
        """The answers that a finding quotes are folded; sentences of the probe's own are not."""
        page = Page(render(audit))

        (folded,) = [d for d in page.of("details") if d.get("class") == "harm"]
        assert "open" not in folded
        assert "The nurse finished her shift." in page.text("q")

    def test_nothing_alarming_stands_beside_a_tick(self, audit):
        """A tick is of a rule or an audit that passed, and of an attribution that converged, and nothing else."""
        page = Page(render(audit))
        ticks = [text for _, text in page.texts if "✓" in text]

        passed = [rule for rule in audit.gate.rules if rule.verdict == "pass"]
        converged = [item for probe in audit.probes for item in probe.evidence if item.evidence.attribution]
        assert len(ticks) == len(passed) + len(converged)
