"""Layout of the report in a browser: its length, its width, its printed form, and pictures of it."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from browser import HEIGHT, laid_out, needs_chromium, pages_of, pictured, printed_pages
from case_store import stored_cases
from gptaudit.reports.html import render
from PIL import Image

from gptaudit.records import AuditResult, Evidence, EvidenceItem, Exchange

pytestmark = [needs_chromium, pytest.mark.slow]

COMBINING = "Z" + "\N{COMBINING DIAERESIS}" * 300
WIDE = ("\N{ARABIC LIGATURE BISMILLAH AR-RAHMAN AR-RAHEEM}" * 60, "W" * 3000, COMBINING, "a/b" * 900)


@pytest.fixture
def usual(audit) -> AuditResult:
    """Return an audit as large as the default one: 29 probes with a hundred figures and their groups."""
    first, second, third = audit.probes[:3]
    measured = []
    for number in range(26):
        base = (first, second)[number % 2]
        more = [replace(m, name=f"{m.name}_again") for m in first.metrics[:4] if base is first]
        title = f"{base.title} {number}"
        probe = replace(base, id=f"probe-{number}", title=title, metrics=(*base.metrics, *more))
        measured.append(probe)
    skipped = [replace(audit.probes[3], id=f"left-out-{i}", title=f"Left out {i}") for i in range(20)]
    return replace(audit, probes=(first, second, third, *measured, *skipped))


def written(audit: AuditResult, folder):
    page = folder / "report.html"
    page.write_text(render(audit, folder=stored_cases(folder)), "utf-8")
    return page


def test_nobody_scrolls_more_than_twelve_screens(usual, tmp_path):
    """The report of an audit of the usual size is read in twelve screens before anything is unfolded."""
    page = written(usual, tmp_path)
    (found,) = laid_out(page, tmp_path, [1400])

    assert HEIGHT < found["height"] <= 12 * HEIGHT
    assert "<title>Fail" in page.read_text("utf-8")


@pytest.mark.parametrize("text", ["", *WIDE], ids=["plain", "ligatures", "word", "marks", "path"])
def test_no_page_is_wider_than_its_window(audit, tmp_path, text):
    """Whatever a model, a case or a title says, nothing scrolls sideways."""
    exchange = Exchange(f"label {text}", text, text, {f"score {text}": 0.5})
    item = EvidenceItem(f"case {text}", "at random", {"rate": 1.0}, {"group": text}, Evidence((exchange,)))
    probe = replace(audit.probes[0], title=f"Title {text}", evidence=(item,))
    target = replace(audit.target, spec=f"decoder:{text}")
    page = written(replace(audit, target=target, probes=(probe, *audit.probes[1:])), tmp_path)
    page.write_text(page.read_text("utf-8").replace("<details ", "<details open "), "utf-8")

    widths = (320, 768, 1400, 2560)
    for width, found in zip(widths, laid_out(page, tmp_path, widths), strict=True):
        assert found["width"] <= found["room"] <= width


def test_the_printed_form_is_short(usual, tmp_path):
    """Printed are the decision, the findings and the coverage, on four pages; all of it only if that is chosen."""
    page = written(usual, tmp_path)
    short = printed_pages(page, tmp_path)
    page.write_text(page.read_text("utf-8").replace('id="print-all"', 'id="print-all" checked'), "utf-8")

    assert short <= 4
    assert printed_pages(page, tmp_path) > 10


WIDTHS, SCHEMES = (320, 768, 1400), ("light", "dark")


def test_pictures(usual, tmp_path):
    """At three widths and in two schemes nothing is cut off, blank or pale, and the printed form is four pages.

    The pictures and the PDF are kept in the folder that `GPTAUDIT_PICTURES` names, to be looked at.
    """
    page = written(usual, tmp_path)
    pictures, paper = pictured(page.as_uri(), tmp_path, WIDTHS, SCHEMES)
    if kept := os.environ.get("GPTAUDIT_PICTURES"):
        Path(kept).mkdir(parents=True, exist_ok=True)
        Path(kept, "report.pdf").write_bytes(paper)
        for (width, scheme), png in pictures.items():
            Path(kept, f"report-{width}-{scheme}.png").write_bytes(png)

    drawn = {of: Image.open(io.BytesIO(png)).convert("L") for of, png in pictures.items()}
    for (width, scheme), image in drawn.items():
        dark, bright = image.resize((1, 1)).getextrema()
        screens = [
            image.crop((0, top, width, top + HEIGHT)) for top in range(0, image.height - HEIGHT, HEIGHT)
        ]
        assert image.width == width  # nothing is wider than the window
        assert (dark > 128) == (bright > 128) == (scheme == "light")
        assert all(
            high - low > 100 for low, high in map(Image.Image.getextrema, screens)
        )  # ink on every screen
    heights = [drawn[width, "light"].height for width in WIDTHS]
    assert all(narrow > wide for narrow, wide in pairwise(heights))
    assert heights[-1] <= 12 * HEIGHT
    assert heights == [drawn[width, "dark"].height for width in WIDTHS]
    assert 1 <= pages_of(paper) <= 4
