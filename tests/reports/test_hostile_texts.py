"""Three hundred hostile texts wherever an audit can have texts: none acts in a page, a format or a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from browser import evaluated, needs_chromium
from gptaudit.reports import figures_table, junit, markdown, model_card, sarif
from gptaudit.reports.html import render
from markdown_it import MarkdownIt
from view_server import served

import gptaudit
from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored
from gptaudit.commands._show import show_result
from gptaudit.records import AuditResult, PluginFault, PluginInfo
from gptaudit.testing.conformance.hostile_audit import hostile_audit
from gptaudit.testing.conformance.reporters import CONTROLS
from gptaudit.text import visible, well_formed

LEAVING = (
    "",
    '"',
    "'",
    ">",
    "-->",
    "]]>",
    "</script>",
    "</style>",
    "</title>",
    "</textarea>",
    "</svg>",
    "\u2028",
    "`",
)
"""What ends the place where a text stands."""
ACTING = (
    "<script>window.acted = 1</script>",
    "<img src=x onerror=window.acted=1>",
    "<svg onload=window.acted=1>",
    '" onmouseover="window.acted=1" autofocus onfocus="window.acted=1',
    '<iframe srcdoc="<script>parent.acted = 1</script>"></iframe>',
    "<a href=javascript:window.acted=1 id=found>click</a>",
    "<link rel=stylesheet href=http://x.invalid/a.css>",
    '<meta http-equiv=refresh content="0;url=http://x.invalid">',
    "<base href=http://x.invalid>",
    "<form action=http://x.invalid><input name=find-text>",
    "<details open ontoggle=window.acted=1>",
    "<math><mtext><style><img src=x onerror=window.acted=1></style>",
    "<video><source onerror=window.acted=1></video>",
    "<style>* { display: none }</style>",
    "{{ 7 * 7 }}{% raw %}${7 * 7}",
    "<noscript><p title='</noscript><img src=x onerror=window.acted=1>'>",
    "\n# PASS\n\n![x](http://x.invalid/a.png) [x](javascript:window.acted=1) **b** @all #12 http://x.invalid www.y.z",
    "\n\n```\n| a | b |\n| --- | --- |\n- [x] <x@x.invalid> [x]: http://x.invalid\n",
    '=HYPERLINK("http://x.invalid","click")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b]8;;http://x.invalid\x07click\x1b]8;;\x07\x1b[2J\x9b31m\rVerdict: pass.\x08\x00",
    "\u202egnihton\u2066\u200b\U000e0041\ud800",
)
"""What would act there: in a page, in Markdown, in a spreadsheet, on a terminal."""
TEXTS = tuple(map("".join, product(LEAVING, ACTING)))

OPEN = """
for (const one of document.querySelectorAll("details")) one.open = true;
await new Promise((done) => setTimeout(done, 1500));
for (const one of document.querySelectorAll("details")) one.open = true;
await new Promise((done) => setTimeout(done, 1500));
const made = "img, iframe, video, form[action], base, math, meta[http-equiv=refresh], a[href^=javascript]";
return {acted: String(window.acted), made: [...document.querySelectorAll(made)].map((one) => one.outerHTML),
  address: location.href, text: document.body.innerText};
"""


class Hostile(Probe):
    id = "hostile-texts"
    title = TEXTS[0]
    suite = "examples"
    goal = TEXTS[1]
    needs = frozenset({"generate"})
    metrics = (MetricSpec("rate", ideal=0.0, direction="lower", unit="fraction", title=TEXTS[2]),)

    def cases(self, context):
        for number, text in enumerate(map(well_formed, TEXTS)):
            yield Case(f"case-{number}", f"case-{number}", (GenerateRequest(text),), {"group": text})

    def measure(self, answered):
        return Scored({"rate": float("script" in answered.completions[0].text)})


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """An audit of a model that repeats what it is asked."""
    return gptaudit.audit(list, probes=[Hostile()], output=tmp_path_factory.mktemp("hostile") / "run")


def written(texts: tuple[str, ...]) -> AuditResult:
    """Return an audit with each text as id, title, group, error, rule, plugin and name of a file."""
    audit = hostile_audit()
    scored, broken = audit.probes[0], next(p for p in audit.probes if p.status == "error")
    rule, gate = audit.gate.rules[0], audit.gate
    first = texts[-1]
    figures = [
        replace(scored.metrics[0], title=first, name=first),
        *(replace(scored.metrics[1], slice={text: text}) for text in texts),
    ]
    probes = [replace(scored, id=first, title=first, suite=first, metrics=tuple(figures), data=None)]
    for status in ("error", "skipped"):
        probes += [replace(broken, id=t, title=t, suite=t, goal=t, reason=t, status=status) for t in texts]
    run = replace(
        audit.run,
        status="interrupted",
        why=first,
        command=texts,
        versions=dict(zip(texts, texts, strict=False)),
        plugins=tuple(PluginInfo(t, t, t) for t in texts),
        faults=tuple(PluginFault(t, t, t, "report", t, t) for t in texts),
        arguments=replace(audit.run.arguments, baseline=first),
    )
    rules = tuple(replace(rule, rule=t, why=t, verdict=v) for t in texts for v in ("fail", "incomplete"))
    policy = gate.policy | {"path": first, "name": first}
    target = replace(audit.target, spec=first, details=dict(zip(texts, texts, strict=False)))
    return replace(
        audit, run=run, target=target, probes=tuple(probes), gate=replace(gate, rules=rules, policy=policy)
    )


HOSTILE, HARMLESS = written(TEXTS), written(tuple(f"harmless {n}" for n in range(len(TEXTS))))


def outline(root: ET.Element) -> list[str]:
    return [element.tag for element in root.iter()]


def test_in_junit():
    """The document has the elements that a harmless audit gives, and each text as it is told anywhere."""
    found, plain = (ET.fromstring(junit.render(a)) for a in (HOSTILE, HARMLESS))  # noqa: S314 - our own

    assert outline(found) == outline(plain)
    names = {case.attrib["name"] for case in found.iter("testcase")}
    assert names >= {*map(visible, TEXTS)}


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("text_join")
"""As GitHub reads it, but for bare addresses and mentions; what a backslash escapes stays apart."""
BARE = re.compile(r"https?:/|www\.|[@#]\w", re.IGNORECASE)
"""What GitHub makes a link of, within one piece of text."""


@pytest.mark.parametrize("module", [markdown, model_card])
def test_in_markdown(module):
    """Rendered, headings, lists and cells are those of a harmless audit, and none has a link, a picture or HTML."""
    found, plain = (MARKDOWN.parse(module.render(a).split("\n---\n")[-1]) for a in (HOSTILE, HARMLESS))
    inline = [child for token in found if token.type == "inline" for child in token.children]
    html = {token.content for token in (*found, *inline) if token.type.startswith("html")}

    assert [token.type for token in found] == [token.type for token in plain]
    assert {token.type for token in inline} <= {
        "text",
        "text_special",
        "html_inline",
        "strong_open",
        "strong_close",
    }
    assert html <= {"<!-- -->"}
    assert not [token.content for token in inline if token.type == "text" and BARE.search(token.content)]


def test_in_tables():
    """As figures and as cases they are one cell each, which no spreadsheet computes."""
    rows = list(csv.reader(io.StringIO(figures_table.render(HOSTILE))))

    assert len(rows) == len(list(csv.reader(io.StringIO(figures_table.render(HARMLESS)))))
    assert len({*map(len, rows)}) == 1
    assert not [
        c for row in rows for c in row if c.lstrip().startswith(("=", "+", "@")) or CONTROLS.search(c)
    ]


def test_in_sarif():
    """The log has the results of a harmless audit; no text steers a terminal or is a link in a message."""
    found, plain = (json.loads(sarif.render(a))["runs"][0] for a in (HOSTILE, HARMLESS))
    notes = found["invocations"][0]["toolExecutionNotifications"]
    told = [text["message"]["text"] for text in (*found["results"], *notes)]

    assert [r["level"] for r in found["results"]] == [r["level"] for r in plain["results"]]
    assert not CONTROLS.search("".join(told))
    assert not [text for text in told if "](" in text]


@pytest.mark.parametrize("verbose", [False, True])
def test_on_the_terminal(capsys, monkeypatch, verbose):
    """The last screen of a run has the lines of a harmless one, and no character that steers."""
    monkeypatch.setattr("gptaudit.run.faults.Faults.observe", lambda *_, **__: iter(()))
    show_result(HOSTILE, Path(TEXTS[-2].replace("/", "|")), None, verbose=verbose)
    shown = "".join(capsys.readouterr())

    assert not CONTROLS.search(shown)
    assert visible(TEXTS[-2].replace("/", "|")) in shown
    assert not [line for line in shown.splitlines() if line.startswith("Verdict: pass")]


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_in_the_cases_on_the_terminal(audit, gptaudit, form):
    """`gptaudit evidence` prints each text in each form, and none steers, begins a formula or looks like a case."""
    ran = gptaudit("evidence", audit.folder, *form)

    assert ran.code == 0
    assert not CONTROLS.search(ran.out)
    if form == ("--csv",):
        head, *rows = csv.reader(io.StringIO(ran.out))
        assert {*map(len, rows)} == {len(head)}
        assert not [c for row in rows for c in row if c.lstrip().startswith(("=", "+", "@"))]
    elif form == ("--json",):
        assert len([json.loads(line) for line in ran.out.splitlines()]) == len(TEXTS)
    else:
        heads = [line for line in ran.out.splitlines() if line and not line.startswith(" ")]
        assert (
            len([line for line in heads if line.startswith("hostile-texts  case-")])
            == len(TEXTS)
            == len(heads)
        )


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("of", ["of the run", "with each text everywhere"])
def test_in_the_report(audit, tmp_path, of):
    """Every fold opened, nothing has run, been fetched or become an element, and the texts can be read."""
    file = audit.folder / "report.html"
    if of != "of the run":
        file = tmp_path / "report.html"
        file.write_text(render(HOSTILE, folder=audit.folder), "utf-8")
    page = file.as_uri()

    found, errors = evaluated(page, OPEN, tmp_path)

    assert len(TEXTS) >= 200
    assert errors == []
    assert (found["acted"], found["made"], found["address"]) == ("undefined", [], page)
    assert ACTING[0] in found["text"]


@needs_chromium
@pytest.mark.slow
def test_in_the_view(audit, tmp_path):
    """So it is in the page of `gptaudit view`."""
    with served(audit.folder, TEXTS[0]) as port:
        address = f"http://127.0.0.1:{port}/"
        found, errors = evaluated(address, OPEN, tmp_path)

    assert errors == []
    assert (found["acted"], found["made"], found["address"]) == ("undefined", [], address)
    assert f"{len(TEXTS)} cases" in found["text"]


@needs_chromium
@pytest.mark.slow
def test_the_check_can_fail(tmp_path):
    """On a page that does not escape them, they are seen to act."""
    page = tmp_path / "raw.html"
    page.write_text(f"<!DOCTYPE html><body>{ACTING[0]}{ACTING[1]}</body>", "utf-8")

    found, errors = evaluated(page.as_uri(), OPEN, tmp_path)

    assert found["acted"] == "1"
    assert found["made"]
    assert errors
