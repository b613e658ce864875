"""The tables of languages: nothing that an audit says is without its words in another language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from time import process_time

import pytest
from gptaudit.reports.html import environment, render
from html_page import Page
from jinja2 import nodes

from gptaudit.evidence.results_file import results_text
from gptaudit.gate.wording import reading
from gptaudit.language import ENGLISH, LANGUAGES, recorded, table, told_in
from gptaudit.plugins import load_plugins
from gptaudit.records import AuditResult
from gptaudit.run.selection import forms_of
from gptaudit.stats.intervals import mean_interval
from gptaudit.testing.conformance.hostile_audit import hostile_audit

ROOT = Path(__file__).parents[1]
PLACEHOLDER = re.compile(r"\{(\w*)\}")
OTHERS = sorted(set(LANGUAGES) - {ENGLISH})
FOLDERS = ("gptaudit", "probes", "reports")
PLACES = {"tr": 0, "later": 0, "trn": 2}
"""Function -> the argument that is the message."""
WORDS = re.compile(r"[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}")
"""Three English words on end."""
NUMBER = re.compile(r"\d+(?:\.\d+)?")
COMMANDS = "gptaudit scorers evaluate"


@pytest.fixture
def audit() -> AuditResult:
    return hostile_audit()


def messages_of_code(source: str) -> Iterator[str]:
    """Yield the messages that a module says."""
    if "gptaudit.language" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PLACES:
            message = node.args[PLACES[node.func.id]]
            yield from (n.value for n in _ends(message) if isinstance(n, ast.Constant))


def _ends(node: ast.expr) -> list[ast.expr]:
    return [*_ends(node.body), *_ends(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def messages_of_template(source: str) -> Iterator[str]:
    """Yield the messages that a template says."""
    for call in environment().parse(source).find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "tr":
            message = call.args[0]
            parts = [message.expr1, message.expr2] if isinstance(message, nodes.CondExpr) else [message]
            yield from (part.value for part in parts if isinstance(part, nodes.Const))


@cache
def said() -> set[str]:
    code = (path.read_text("utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    templates = (path.read_text("utf-8") for path in (ROOT / "reports" / "templates").glob("*.html"))
    return {message for text in code for message in messages_of_code(text)} | {
        message for text in templates for message in messages_of_template(text)
    }


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_is_there(language):
    """What the code and the templates say has a text in the table, and the table has nothing that nobody says."""
    missing = said() - set(table(language).messages)
    unused = set(table(language).messages) - said() - set(table(language).records)

    assert not missing
    assert not unused


@pytest.mark.parametrize("language", OTHERS)
def test_a_message_keeps_its_placeholders(language):
    """A translation fills in what the English message fills in, nothing less and nothing else."""
    unlike = {
        message
        for message, translated in table(language).messages.items()
        if {*PLACEHOLDER.findall(message)} != {*PLACEHOLDER.findall(translated)}
    }

    assert not unlike


def test_a_message_of_the_page_keeps_its_elements():
    """The HTML of a message is the same in its translation, in whatever order."""
    for message, translated in table("zh").messages.items():
        assert sorted(re.findall("<[^>]*>", message)) == sorted(re.findall("<[^>]*>", translated))


def test_our_own_probes_have_names_in_every_language():
    """Titles, goals and topics of the built-in probes, and titles, names and units of their metrics are in the table.

    Data sets and abbreviations keep their names.
    """
    with told_in("zh"):
        plain = {
            text
            for text in _texts_of_probes()
            if recorded(text) == text and not re.fullmatch(r"[\w'-]+", text)
        }

    assert not plain


def _texts_of_probes() -> Iterator[str]:
    for probe in load_plugins().probes.values():
        for form in forms_of(probe):
            yield from (form.title, form.goal, form.suite)
            for metric in form.metrics:
                yield from filter(
                    None, (metric.title, metric.name.replace("_", " "), metric.unit, metric.unfit)
                )


LIMITS = [
    (None, 0.1),
    (0.1, None),
    (None, 0.5),
    (0.5, None),
    (None, 0.9),
    (0.9, None),
    (0.4, 0.6),
    (0.0, 0.9),
]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("doubt", ["", ", but not clearly enough for 3 tests made at once"])
def test_the_reason_of_a_verdict_is_told_in_chinese(limits, doubt):
    """Each form of the gate's sentence is found again in the results, with its figures as they are."""
    english = reading((0.5, 0.45, 0.55), limits, 0.95, "fraction", doubt)

    with told_in("zh"):
        chinese = recorded(english)

    assert not WORDS.search(chinese)
    assert NUMBER.findall(chinese) == NUMBER.findall(english)


def test_why_there_is_no_figure_is_told_in_chinese():
    """What statistics say of too few cases is found again, with its numbers."""
    one = mean_interval([0, 1], ["a", "a"], level=0.95, seed=0, binary=True).why
    few = mean_interval([0.2, 1.5, 0.7], ["a", "b", "c"], level=0.95, seed=0).why
    none = mean_interval([], [], level=0.95, seed=0).why

    with told_in("zh"):
        told = [recorded(why) for why in (one, few, none)]

    assert not [text for text in told if WORDS.search(text)]
    assert re.findall(r"\d+", told[1]) == re.findall(r"\d+", few)


def test_no_english_sentence_is_left_on_the_page(audit):
    """A page in Chinese has no three English words on end that the audit's own texts, ids and commands do not have."""
    with told_in("zh"):
        page = Page(render(audit))
    own = " ".join(results_text(audit).split()) + COMMANDS

    english = {
        found
        for text in (
            *(text for tag, text in page.texts if tag not in {"style", "script", "code"}),
            *(a["aria-label"] for _, a in page.elements if "aria-label" in a),
        )
        for found in WORDS.findall(text)
        if found not in own
    }

    assert not english
    assert [attributes["lang"] for tag, attributes in page.elements if tag == "html"] == ["zh-Hans"]


def test_the_page_and_the_summary_have_a_language_and_what_programs_read_has_none(gptaudit, tmp_path, audit):
    """`report --lang zh` tells the page and the summary in Chinese, and writes all else as without it."""
    (tmp_path / "results.json").write_text(results_text(audit), "utf-8")
    forms = [word for name in ("html", "markdown", "junit", "csv", "sarif") for word in ("--report", name)]
    for language in LANGUAGES:
        assert gptaudit("report", "results.json", *forms, "--lang", language, "-o", language).code == 0

    changed = {
        p.name
        for p in (tmp_path / "en").iterdir()
        if p.read_bytes() != (tmp_path / "zh" / p.name).read_bytes()
    }

    assert changed == {"report.html", "summary.md"}


def test_what_is_not_in_the_table_stays_as_it_is():
    """A plugin's text is shown as it was written, hostile or not."""
    with told_in("zh"):
        assert recorded("{0.__class__} of a plugin") == "{0.__class__} of a plugin"
        assert recorded("What a plugin says: 5 % of all") == "What a plugin says: 5 % of all"
        assert recorded("sample of nothing") == "sample of nothing"


@pytest.mark.parametrize(
    "part", ["1 (95 interval 2 to ", "x (elicited)", " of y were not scored (a); first: "]
)
def test_no_text_takes_long(part):
    """A server's message of a megabyte that repeats parts of our sentences is looked up at once."""
    started = process_time()
    with told_in("zh"):
        recorded(f"7 of 9 cases were not scored (a); first: {part * 40_000}")

    assert process_time() - started < 2
