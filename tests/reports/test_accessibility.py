"""The pages for people who see little, or use no mouse: axe-core finds nothing wrong, in any colours and language."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import evaluated, needs_chromium
from case_store import stored_cases
from gptaudit.reports.html import render
from view_server import served

from gptaudit.language import told_in

AXE = find_spec("axe_playwright_python")

pytestmark = [
    needs_chromium,
    pytest.mark.slow,
    pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed"),
]

RUN = """
const settled = () => new Promise((done) => setTimeout(done, 500));
await settled();
for (const folded of document.querySelectorAll("details")) folded.open = true;
await settled();
const found = await axe.run(document, {resultTypes: ["violations"]});
return {passes: found.passes.length, dark: matchMedia("(prefers-color-scheme: dark)").matches,
  wrong: found.violations.flatMap((rule) =>
    rule.nodes.map((node) => [rule.id, node.target.join(" "), node.html, node.failureSummary].join(" | ")))};
"""


def audited(address, folder, scheme="light"):
    axe = Path(AXE.origin).with_name("axe.min.js").read_text("utf-8")
    return evaluated(address, f"{axe};{RUN}", folder, scheme=scheme)[0]


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("en", "dark"), ("zh", "light")])
def test_the_report_has_no_violation(audit, tmp_path, language, scheme):
    """With everything unfolded: names of regions and fields, contrast, order of headings, tables, landmarks."""
    page = tmp_path / "report.html"
    with told_in(language):
        page.write_text(render(audit, folder=stored_cases(tmp_path)), "utf-8")

    found = audited(page.as_uri(), tmp_path, scheme)

    assert found["wrong"] == []
    assert found["passes"] > 20
    assert found["dark"] == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_has_no_violation(tmp_path, scheme):
    """All cases as `gptaudit view` serves them, each opened."""
    stored_cases(tmp_path)
    with served(tmp_path, "hf:model") as port:
        found = audited(f"http://127.0.0.1:{port}/", tmp_path, scheme)

    assert found["wrong"] == []
    assert found["passes"] > 10
    assert found["dark"] == (scheme == "dark")


def test_what_is_wrong_is_found(tmp_path):
    """The check can fail: a field without a name, and grey on white."""
    page = tmp_path / "wrong.html"
    page.write_text("<!DOCTYPE html><title>a</title><input><p style='color:#ccc;background:#fff'>pale</p>")

    wrong = {text.split()[0] for text in audited(page.as_uri(), tmp_path)["wrong"]}

    assert {"label", "color-contrast", "html-has-lang"} <= wrong
