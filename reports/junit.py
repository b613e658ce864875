"""`junit.xml` for CI servers: rules and probes as test cases.

The elements and attributes are those that Jenkins, GitLab and GitHub Actions read. A failed or inconclusive rule is a
failure; an incomplete rule is an error, and so are a probe with an error and an audit that is incomplete as a whole,
with or without a policy.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from gptaudit.records import AuditResult, ProbeResult, RuleResult
from gptaudit.text import visible

from . import sentences
from .decision import decision

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'

TAGS = {"fail": "failure", "inconclusive": "failure", "incomplete": "error"}
"""Verdict of a rule -> its XML element; a rule that passed has none."""


def render(result: AuditResult) -> str:
    """Return the document; characters that XML does not allow are replaced by their code points."""
    suites = [suite for suite in (_gate(result), _probes(result)) if len(suite)]
    root = _element(
        "testsuites", name=f"gptaudit {result.target.spec}", time=f"{result.run.cost.seconds:.3f}"
    )
    for suite in suites:
        suite.set("timestamp", visible(result.run.started))
        root.append(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.attrib[key]) for suite in suites)))
    ET.indent(root)
    return f"{DECLARATION}\n{ET.tostring(root, encoding='unicode')}\n"


def _gate(result: AuditResult) -> ET.Element:
    rules = [_rule(rule) for rule in result.gate.rules] if result.gate else []
    made = decision(result)
    if made.word.key == "incomplete" and all(rule.find("error") is None for rule in rules):
        text = " ".join(filter(None, (made.reason, made.word.meaning, made.kept)))
        case = _element("testcase", classname="gptaudit.gate", name="the audit is complete")
        case.append(_element("error", text, type="incomplete", message=made.reason))
        rules.insert(0, case)
    return _suite("gptaudit.gate", rules)


def _rule(rule: RuleResult) -> ET.Element:
    case = _element("testcase", classname="gptaudit.gate", name=rule.rule)
    if rule.verdict in TAGS:
        text = "\n".join([rule.metric, f"limit: {rule.limit}", rule.why])
        case.append(_element(TAGS[rule.verdict], text, type=rule.verdict, message=rule.why))
    return case


def _probes(result: AuditResult) -> ET.Element:
    return _suite("gptaudit.probes", [_probe(probe) for probe in result.probes])


def _probe(probe: ProbeResult) -> ET.Element:
    case = _element("testcase", classname=f"gptaudit.probes.{probe.suite}", name=probe.id)
    reason = probe.reason or "no reason was recorded"
    if probe.status == "skipped":
        case.append(_element("skipped", message=reason))
    elif probe.status == "error":
        case.append(_element("error", reason, type="error", message=reason))
    else:
        lines = [sentences.coverage_text(probe)]
        lines += [f"{reason}: {many} unscored" for reason, many in probe.unscored.items()]
        lines += [f"{m.name}: {sentences.metric_reading(m)}" for m in probe.metrics if not m.slice]
        case.append(_element("system-out", "\n".join(lines)))
    return case


def _suite(name: str, cases: list[ET.Element]) -> ET.Element:
    def with_a(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = _element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=with_a("failure"),
        errors=with_a("error"),
        skipped=with_a("skipped"),
    )
    suite.extend(cases)
    return suite


def _element(tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.Element(tag, {name: visible(value) for name, value in attributes.items()})
    element.text = None if text is None else visible(text)
    return element
