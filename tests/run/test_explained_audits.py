"""Explanations of suites in the run folder of an audit: kept, shown in its report, refused where they are damaged."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from shutil import copytree

import pytest
from suite_explanations import suite_explanation

from gptaudit.cli import main
from gptaudit.evidence.results_file import read_results
from gptaudit.files import to_json
from gptaudit.run.explanations import keep_explanation

RUN = ("run", "decoder:reference", "-p", "gender-occupation", "--limit", "12", "-o", "out", "--quiet")
PLOTS = '<svg class="plot"'


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Audit the reference decoder once; return the run folder."""
    folder = tmp_path_factory.mktemp("audited")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(RUN)
    assert ended.value.code == 0
    return folder / "out"


@pytest.fixture
def audit(audited, tmp_path):
    """Return a run folder that has an explanation."""
    folder = copytree(audited, tmp_path / "out")
    keep_explanation(folder, suite_explanation(read_results(folder / "results.json").target.fingerprint))
    return folder


def page(folder):
    return (folder / "report.html").read_text("utf-8")


def test_the_report_has_a_section_for_each_suite(gptaudit, audit):
    """Written again, resumed or from Python, the report has claim, curves and grid, and links from the finding."""
    import gptaudit as package

    assert PLOTS not in page(audit)
    for write in (
        lambda: gptaudit("report", "out/results.json"),
        lambda: gptaudit(*RUN),
        lambda: package.load(audit).report(),
    ):
        write()
        shown = page(audit)
        assert shown.count(PLOTS) == 6
        assert "Without 1 of 4 attention heads (0.1), 95 %" in shown
        assert "What is true stays" in shown
        assert re.search(r'<svg class="heads"[^>]* aria-label="Layers by heads', shown)
        assert "of which groups share 1 heads of keys and values" in shown
        assert '<a href="#explained-1">Which words and heads carry it' in shown
        (audit / "report.html").unlink()


def test_one_for_each_probe(gptaudit, audit):
    """An explanation takes the place of that of the same probe, and stands beside those of others."""
    fingerprint = read_results(audit / "results.json").target.fingerprint
    keep_explanation(audit, suite_explanation(fingerprint, word="second word"))
    keep_explanation(audit, suite_explanation(fingerprint, probe="religion", word="third word"))
    gptaudit("report", "out/results.json")

    assert "<code>first word</code>" not in page(audit)
    assert "<code>second word</code>" in page(audit)
    assert page(audit).count(PLOTS) == 12


def test_another_models_explanation_is_left_out_and_said_to_be(gptaudit, audit):
    """What an audit in the same folder left is not shown as if it were of this model."""
    (audit / "explanations.json").unlink()
    keep_explanation(audit, suite_explanation("sha256:other"))
    gptaudit("report", "out/results.json")

    assert PLOTS not in page(audit)
    assert "explanations.json explains Gender and occupation for another model" in page(audit)


def test_the_folder_can_be_verified(gptaudit, audit):
    """It agrees with itself, and what was not computed again is said."""
    gptaudit("report", "out/results.json")
    ran = gptaudit("verify", "out")

    assert ran.code == 0, ran.out + ran.err
    assert "explanations.json: takes the model to compute again" in ran.out + ran.err


DAMAGE = [
    (lambda text: text.replace('"value": 2.0', '"value": 0.0'), "was changed after it was written"),
    (lambda text: text[: len(text) // 2], "expected JSON"),
    (lambda text: text.replace("explanations/1", "explanations/2"), "newer version of gptaudit"),
    (lambda text: text.replace("gptaudit.explanations/1", "labels/1"), "expected an object with schema"),
    (lambda text: text.replace('"layers": 2', '"layers": 3'), "each of 3 layers x 2 heads"),
    (lambda text: text.replace('"chosen": 1', '"chosen": 7'), "as many heads as were chosen, 7"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGE)
def test_a_damaged_file_is_refused_by_name(gptaudit, audit, damage, said):
    """Neither report nor run nor verification takes it for what was written."""
    file = audit / "explanations.json"
    file.write_text(damage(file.read_text()))
    for command in (("report", "out/results.json"), RUN):
        ran = gptaudit(*command)
        assert ran.code == 2
        assert "explanations.json" in ran.err
        assert said in ran.err
        assert "Traceback" not in ran.err
    found = gptaudit("verify", "out")
    assert found.code == 1
    assert said in found.out + found.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("decoder:clean", "-s", "gender-occupation", "--into", "out"),
            "out: is the audit of decoder:reference",
        ),
        (("decoder:reference", "-s", "gender-occupation", "--into", "."), "results.json"),
        (("decoder:reference", "--prompt", "A", "--target", " b", "--into", "out"), "--into is of a suite"),
    ],
)
def test_what_belongs_elsewhere_is_refused(gptaudit, audit, arguments, said):
    """Another model, a folder that is no audit, and a prompt are refused before anything is computed."""
    before = (audit / "explanations.json").read_bytes()
    ran = gptaudit("explain", *arguments, "--quiet")

    assert ran.code == 2
    assert said in ran.err
    assert (audit / "explanations.json").read_bytes() == before


def test_the_page_is_told_in_chinese(gptaudit, audit):
    """No three English words on end are left of the section."""
    gptaudit("report", "out/results.json", "--lang", "zh")
    shown = page(audit)
    start = shown.index('<section id="explained-1"')
    section = shown[start : shown.index("</section>", start)]
    told = re.sub(r"<[^>]*>", "\n", section) + "\n".join(re.findall(r'aria-label="([^"]*)"', section))

    assert not re.findall(r"[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}", told)
    assert "移除 4 个注意力头中的 1 个" in told


def test_texts_are_escaped(gptaudit, audit):
    """What a suite or a file holds is shown as text."""
    hostile = "<script>alert(1)</script>\x1b[2J"
    found = suite_explanation(read_results(audit / "results.json").target.fingerprint, word=hostile)
    keep_explanation(audit, replace(found, title=hostile, slot=hostile, axis=hostile))
    gptaudit("report", "out/results.json")

    assert "<script>alert" not in page(audit)
    assert "&lt;script&gt;alert" in page(audit)
    assert "\x1b" not in page(audit)
    assert json.loads((audit / "explanations.json").read_text())["explanations"][0]["title"] == hostile


def test_the_hash_is_of_the_content(audit):
    """A file that is written anew from what was read is the same."""
    from gptaudit.run.explanations import read_explanations

    kept = read_explanations(audit)
    assert to_json(kept) == (audit / "explanations.json").read_text()
