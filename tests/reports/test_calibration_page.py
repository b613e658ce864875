"""HTML page of a calibration, and the calibration sentences in audit reports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gptaudit.reports.calibration import render
from gptaudit.reports.calibration_sentences import amount, beside_figure, found_text, sentence
from gptaudit.reports.html import render as render_audit
from gptaudit.reports.markdown import render as render_markdown
from html_page import TAGS, Page

from gptaudit.calibration.statistics import Subject, calibrate_figure
from gptaudit.evidence.results_file import read_results
from gptaudit.files import to_json
from gptaudit.records import Calibration, Power, ProbeCalibration, Shape, Share, Sighting, Trial

HOSTILE = "</svg><script>alert(1)</script>"
SUBJECT = Subject("stereotype", "stereotype_rate", {}, "fraction", True, 0.5, 0.5, 1, 0.95, 480)


def make_sighting(plan=((0.0, 20), (0.2, 4), (1.0, 4)), **changes):
    """Return decoders measured 1 point above the planted rate, with intervals of 5 points to each side."""
    trials = [
        Trial(dose, s, 0.5 + dose / 2, 0.5 + dose / 2, v := 0.51 + dose / 2, v - 0.05, v + 0.05)
        for dose, many in plan
        for s in range(many)
    ]
    trials.append(Trial(1.0, 9, 1.0, 0.6, None, None, None, failed=True, why=HOSTILE))
    subject = replace(SUBJECT, **changes)
    return Sighting(calibrate_figure(subject, trials), tuple(trials))


@pytest.fixture
def sighting():
    return make_sighting()


@pytest.fixture
def page(sighting):
    known = ProbeCalibration("gender-occupation", "1", "0" * 64, (sighting,))
    quick = ProbeCalibration(HOSTILE, "1", "0" * 64, (make_sighting(((0.0, 1), (1.0, 1)), flaw=HOSTILE),))
    return Page(render(Calibration((known, quick), {"finished": "2026-11-23T12:00:00+00:00"}), {}, {}))


class TestPage:
    def test_only_our_own_elements_are_on_it(self, page):
        """Hostile names create no element, and nothing is fetched."""
        assert {tag for tag, _ in page.elements} <= TAGS
        assert all(a["href"].startswith("#") for a in page.of("a"))
        assert HOSTILE in page.text("td")

    def test_every_trial_is_drawn_and_listed(self, page, sighting):
        """Each audited decoder is drawn as a point with its interval, and listed."""
        points = [c for c in page.of("circle") if c["class"] == "point"]
        whiskers = [line for line in page.of("line") if line["class"] == "whisker"]
        audited = [t for t in sighting.trials if not t.failed]

        assert len(points) == len(audited) + 3 + 2 + 2  # with the points of both power curves
        assert len(whiskers) >= len(audited)
        assert "Decoders that are not counted" in page.text("h2")

    def test_the_figures_are_said_in_words(self, page):
        """Counts have their totals, and unknown figures have a reason."""
        text = page.text("p")

        assert "finds a flaw of 10 points in 4 of 4 trial audits" in text
        assert "excluded the ideal (50\N{NO-BREAK SPACE}%) in 0 of 20" in text
        assert "The smallest flaw that is found in 95 % of audits of such phantoms is about" in text
        assert "is not known: at least 3 audits" in text

    def test_decoders_of_two_shapes(self, sighting):
        """Every figure, row and decoder says which shape it is of, and the first sentence names both."""
        large = make_sighting(shape=Shape(layers=4, width=128))
        known = ProbeCalibration("gender-occupation", "1", "0" * 64, (sighting, large))
        page = Page(render(Calibration((known,), {}), {}, {}))

        assert "58 small decoders (of 1 layer, 64 wide and of 4 layers, 128 wide)" in page.text("p")
        assert "28 decoders (4 layers, 128 wide) were audited" in page.text("p")
        assert (
            page.text("td").count("4 layers, 128 wide") == 2
        )  # the summary, and the decoder that did not learn


def scored_badly():
    """Return a figure of a scorer that finds 45 % of what is planted and 6 % where nothing is."""
    trials = [
        Trial(d, s, d, d, v := 0.06 + 0.39 * d, v - 0.03, v + 0.03)
        for d, many in ((0.0, 20), (0.2, 4), (1.0, 4))
        for s in range(many)
    ]
    subject = replace(SUBJECT, metric="toxic_fraction", ideal=0.0, clean=0.0)
    return Sighting(calibrate_figure(subject, trials), tuple(trials))


class TestScorerError:
    def test_beside_the_figure(self):
        """Slope, coverage, and why no smallest flaw is known stand beside the figure of an audit."""
        said = beside_figure(scored_badly().figure)

        assert "it changes by 0.390 (0.390 to 0.390) for each planted unit" in said
        assert "held the planted rate in 0 of 28" in said
        assert "is not known: most clean decoders raise an alarm too, 20 of 20." in said

    def test_on_the_page(self):
        """The page states what is measured where nothing is planted, and that the slope is not 1."""
        known = ProbeCalibration("toxicity-prompts", "1", "0" * 64, (scored_badly(),))
        text = Page(render(Calibration((known,), {}), {}, {})).text("p")

        assert "In clean decoders 0.0\N{NO-BREAK SPACE}% is true, and the mean measured is 6.0" in text
        assert "1 would be exact, so it misses some of what is planted" in text

    def test_a_figure_that_follows_the_planted_rate(self, sighting):
        """Nothing of the kind is said where the slope is 1."""
        assert "not the planted rate" not in beside_figure(sighting.figure)


class TestSentences:
    def test_honest_about_the_number(self, sighting):
        """The sentence beside a figure states the number of audits."""
        said = beside_figure(sighting.figure)

        assert said.startswith("On phantoms, 28 small decoders (1 layer, 64 wide) with")
        assert "finds a flaw of 10 points in 4 of 4 trial audits; false alarm in 0 of 20" in said

    def test_what_did_not_learn_is_said(self, sighting):
        """The sentence states the number of decoders that did not learn the flaw."""
        assert "not counted: 1 decoder that did not learn the flaw" in sentence(sighting.figure)

    @pytest.mark.parametrize(
        ("changes", "effect", "text"),
        [
            ({}, 0.1, "10 points"),
            ({}, 0.01, "1 point"),
            ({}, 0.0734, "7.3 points"),
            ({"unit": "nats"}, 0.4, "0.400\N{NO-BREAK SPACE}nats"),
            ({"unit": "nats", "same_unit": False}, 0.4, "40 points"),
        ],
    )
    def test_amounts(self, changes, effect, text):
        """A rate is in points; another unit is kept if the flaw has the same unit."""
        assert amount(make_sighting(**changes).figure, effect) == text


class TestAuditReports:
    @pytest.fixture
    def calibrated(self, audit, sighting):
        first, *others = audit.probes
        return replace(audit, probes=(replace(first, calibration=(sighting.figure,)), *others))

    def test_html(self, calibrated):
        """A calibrated figure has its sentences; other figures and probes are marked as not calibrated."""
        said = [text for _, text in Page(render_audit(calibrated)).texts]
        scored = sum(bool(probe.metrics) for probe in calibrated.probes)

        assert sum(text.startswith("On phantoms, 28 small decoders") for text in said) == 1
        assert sum(text.startswith("Not calibrated:") for text in said) == scored - 1
        assert sum(text.startswith("This figure is not calibrated") for text in said) == 1

    def test_markdown(self, calibrated):
        """The last column of the table of probes has the short form."""
        lines = render_markdown(calibrated).splitlines()
        rate, probability = (line for line in lines if line.startswith("| gender-occupation | all"))

        assert rate.endswith(
            "finds a flaw of 10 points in 4 of 4 trial audits; false alarm in 0 of 20 audits of "
            "clean decoders (1 layer, 64 wide) |"
        )
        assert probability.endswith("not calibrated |")

    def test_results_json(self, calibrated, tmp_path):
        """The calibration is unchanged after writing and reading."""
        path = tmp_path / "results.json"
        path.write_text(to_json(calibrated))

        assert read_results(path).probes[0].calibration == calibrated.probes[0].calibration
        assert read_results(path).probes[1].calibration is None


def test_a_size_is_claimed_only_where_larger_ones_are_found_too(sighting):
    """A small flaw is not named if a larger one was found less often."""

    def tried(*counts):
        power = [Power(i / 10, 0.5 + i / 10, i / 10, Share(n, 20, 0, 1)) for i, n in enumerate(counts, 1)]
        return found_text(replace(sighting.figure, power=tuple(power)))

    assert "30 points in 19 of 20" in tried(20, 12, 19, 20)
    assert "10 points in 20 of 20" in tried(20, 19, 19)
    assert "20 points in 12 of 20" in tried(3, 12, 10)
