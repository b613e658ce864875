"""Two hundred hostile texts as prompts, answers and groups of a real audit: none acts in a page, whoever opens it."""

from __future__ import annotations

from itertools import product

import pytest
from browser import evaluated, needs_chromium
from view_server import served

import gptaudit
from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored

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
)
"""What would act there."""
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
        for number, text in enumerate(TEXTS):
            yield Case(f"case-{number}", f"case-{number}", (GenerateRequest(text),), {"group": text})

    def measure(self, answered):
        return Scored({"rate": float("script" in answered.completions[0].text)})


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """An audit of a model that repeats what it is asked."""
    return gptaudit.audit(list, probes=[Hostile()], output=tmp_path_factory.mktemp("hostile") / "run")


@needs_chromium
@pytest.mark.slow
def test_in_the_report(audit, tmp_path):
    """Every fold opened, nothing has run, been fetched or become an element, and the texts can be read."""
    page = (audit.folder / "report.html").as_uri()

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
