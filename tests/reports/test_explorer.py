"""The explorer of cases in the report: a bounded sample, one script allowed by its hash, and no text that acts."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib

import pytest
from browser import evaluated, needs_chromium
from case_store import HOSTILE, stored_cases
from gptaudit.reports import sample
from gptaudit.reports.html import render
from html_page import TAGS, Page

from gptaudit.evidence.store import Store
from gptaudit.language import told_in
from gptaudit.records import Case, Evidence, Exchange, Measurement


def unpacked(audit, folder):
    return json.loads(zlib.decompress(base64.b64decode(sample.case_sample(audit, folder)["packed"])))


@pytest.fixture
def pairs(tmp_path):
    """Return the folder of a store with 30 cases of one probe and 5 of another, of two long texts each."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    plan = {
        name: [Case(f"{name}/{i}", f"{i}", (), {"group": "ab"[i % 2]}) for i in range(cases)]
        for name, cases in (("many", 30), ("few", 5))
    }
    texts = (Exchange("stereotype", "He left. " * 100), Exchange("anti-stereotype", "She left. " * 100))
    store = Store(folder)
    store.plan(plan, fingerprint="f", seed=0)
    for name, cases in plan.items():
        measured = [
            Measurement.of(case, {"stereotype_rate": 1.0, "first_group_lead": 2.0}, evidence=Evidence(texts))
            for case in cases
        ]
        store.keep_measurements(name, [measured])
    store.close()
    return folder


def test_the_sample_is_bounded_balanced_and_the_same_each_time(audit, pairs, monkeypatch):
    """Of 35 cases with room for 12, the smaller probe has its 5 and the larger one 7; long texts are cut."""
    monkeypatch.setattr(sample, "MOST_CASES", 12)

    found = unpacked(audit, pairs)

    assert [case["probe"] for case in found["cases"]] == ["few"] * 5 + ["many"] * 7
    assert len({case["case"] for case in found["cases"]}) == 12
    assert found == unpacked(audit, pairs)
    assert all(len(text["prompt"]) < 800 for case in found["cases"] for text in case["texts"])
    assert "more characters are in evidence.sqlite" in found["cases"][0]["texts"][0]["prompt"]


def test_more_bytes_than_allowed_leave_fewer_cases(audit, pairs, monkeypatch):
    """The size of the page has a bound whatever the texts are."""
    whole = len(base64.b64decode(sample.case_sample(audit, pairs)["packed"]))
    monkeypatch.setattr(sample, "MOST_BYTES", whole - 1)

    assert 0 < len(unpacked(audit, pairs)["cases"]) < 35


def test_no_internal_value_is_shown(audit, pairs):
    """A case has its values in words, without the parts of a sum over many cases."""
    assert unpacked(audit, pairs)["cases"][0]["values"] == {"stereotype rate": 1.0}
    assert unpacked(audit, pairs)["words"]["score"] == [["stereotype rate", "stereotype rate"]]


def test_the_policy_allows_the_one_script_by_its_hash(audit, tmp_path):
    """The page has one script, of ours; its hash alone is allowed, and no text of the audit is in it."""
    page = Page(render(audit, folder=stored_cases(tmp_path)))
    (script,) = [text for tag, text in page.texts if tag == "script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]

    assert {tag for tag, _ in page.elements} <= TAGS
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "innerHTML" not in script
    assert HOSTILE not in script


def test_without_evidence_there_is_neither_explorer_nor_script(audit, tmp_path):
    """Results that stand alone give the page as it is without the evidence."""
    assert render(audit, folder=tmp_path) == render(audit)


def test_the_explorer_speaks_chinese(audit, pairs):
    """Filters, outcomes, labels and names of values are in the language of the page."""
    with told_in("zh"):
        found = unpacked(audit, pairs)

    assert found["words"]["outcome"] == [["scored", "已评分 (35)"]]
    assert found["cases"][0]["values"] == {"刻板印象率": 1.0}
    assert found["cases"][0]["texts"][0]["label"] == "刻板印象"


TRY = """
const change = async (field, value) => {
  byId("find-" + field).value = value;
  byId("find-" + field).dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => setTimeout(done, 300));
  return byId("find-count").textContent;
};
const counts = [byId("find-count").textContent];
counts.push(await change("text", "hello THERE"), await change("text", ""));
counts.push(await change("outcome", "unscored"), await change("outcome", ""));
counts.push(await change("group", "gender=male"), await change("group", ""));
await change("score", "rate");
counts.push(await change("least", "0.5"), await change("score", ""), await change("probe", "second"));
await change("probe", "");
for (const folded of document.querySelectorAll("details")) folded.open = true;
await new Promise((done) => setTimeout(done, 500));
const text = byId("found").innerText;
location.hash = "#case-0";
await new Promise((done) => setTimeout(done, 500));
return {counts, text, linked: byId("found").innerText, images: document.images.length,
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth};
"""


@needs_chromium
@pytest.mark.slow
def test_hostile_cases_can_be_searched_and_do_nothing(audit, tmp_path):
    """Each filter leaves the cases that match; opened, hostile texts are texts; a link shows its case alone."""
    page = tmp_path / "report.html"
    page.write_text(render(audit, folder=stored_cases(tmp_path)), "utf-8")

    found, errors = evaluated(page.as_uri(), TRY, tmp_path)

    assert errors == []
    some = [
        "4 cases",
        "1 case",
        "4 cases",
        "1 case",
        "4 cases",
        "1 case",
        "4 cases",
        "2 cases",
        "4 cases",
        "1 case",
    ]
    assert found["counts"] == some
    assert "<img src=x onerror=alert(1)>" in found["text"]
    assert "\u27e8U+202E\u27e9" in found["text"]
    assert "nurse" in found["linked"]
    assert "refused" not in found["linked"]
    assert found["images"] == 0
    assert found["wide"] <= 0
