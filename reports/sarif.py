"""
`results.sarif`: the rules that did not pass as results of SARIF 2.1.0 (OASIS), each at its line in the policy.

A rule that passed is no result, since code scanning shows each result as a problem; the rules that were decided stand
under `tool.driver.rules`. A failed rule is an error; so is one that is incomplete, and an inconclusive one is a
warning, or only a note where the policy allows it. An audit that is incomplete as a whole was not successful, and is a
result of its own where no rule says it. Without a policy a notification says that nothing was decided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from gptaudit.records import AuditResult, GateResult, RuleResult, Verdict
from gptaudit.text import well_formed

from .decision import VERDICTS, Decision, decision
from .foreign_json import json_document, one_line

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

INCOMPLETE = "incomplete"
"""Id of the rule that an audit is complete, which every policy implies."""

_LEVELS: dict[Verdict, str] = {"fail": "error", "incomplete": "error", "inconclusive": "warning"}

Json = dict[str, Any]


def render(result: AuditResult) -> str:
    """Return the log of one run."""
    made = decision(result)
    rules = result.gate.rules if result.gate else ()
    results = [_result(result.gate, rule) for rule in rules if result.gate and rule.verdict != "pass"]
    if made.word.key == "incomplete" and all(rule.verdict != "incomplete" for rule in rules):
        results.insert(0, _incomplete(made))
    run = {
        "tool": {
            "driver": {
                "name": "gptaudit",
                "version": result.run.versions.get("gptaudit", "unknown"),
                "rules": list(_rules(rules)),
            }
        },
        "invocations": [_invocation(result, made)],
        "results": results,
        "properties": {
            "verdict": made.word.text,
            "reason": made.reason,
            "target": result.target.spec,
            "fingerprint": result.target.fingerprint,
            "limitsOfTrust": list(made.limits),
        },
    }
    return json_document({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _told(text: str) -> str:
    """Return a text as one line of a message, in which `[text](address)` is no link (SARIF 2.1.0, 3.11.6)."""
    return one_line(text).replace("](", "] (")


def _rules(rules: tuple[RuleResult, ...]) -> Iterator[Json]:
    yield {
        "id": INCOMPLETE,
        "shortDescription": {"text": "Enough of the audit was scored to conclude from it."},
    }
    for name, text in {_rule_id(rule): rule.rule for rule in rules}.items():
        yield {"id": name, "shortDescription": {"text": _told(text)}}


def _rule_id(rule: RuleResult) -> str:
    return one_line(rule.metric) + (":increase" if rule.increase else "")


def _result(gate: GateResult, rule: RuleResult) -> Json:
    allowed = rule.verdict == "inconclusive" and gate.policy.get("inconclusive") == "allow"
    found: Json = {
        "ruleId": _rule_id(rule),
        "level": "note" if allowed else _LEVELS[rule.verdict],
        "message": {
            "text": _told(f"{VERDICTS[rule.verdict].text}: {rule.rule}. {rule.why[:1].upper()}{rule.why[1:]}")
        },
        "partialFingerprints": {"gptauditRule/v1": hashlib.sha256(_rule_id(rule).encode()).hexdigest()},
        "properties": {
            "verdict": rule.verdict,
            "value": rule.value,
            "low": rule.low,
            "high": rule.high,
            "least": rule.least,
            "greatest": rule.greatest,
            "level": gate.policy.get("level"),
        },
    }
    if place := _place(gate, rule):
        found["locations"] = [{"physicalLocation": place}]
    return found


def _place(gate: GateResult, rule: RuleResult) -> Json | None:
    """Return where the rule stands in the policy; None where the results do not say it."""
    path = gate.policy.get("path") or gate.policy.get("name")
    if not isinstance(path, str) or not path:
        return None
    where = PurePath(well_formed(path))
    uri = where.as_uri() if where.is_absolute() else quote(where.as_posix())
    place: Json = {"artifactLocation": {"uri": uri}}
    if rule.line is not None:
        place["region"] = {"startLine": rule.line}
    return place


def _incomplete(made: Decision) -> Json:
    text = " ".join(filter(None, (f"{made.word.text}:", made.reason, made.word.meaning, made.kept)))
    return {"ruleId": INCOMPLETE, "level": "error", "message": {"text": _told(text)}}


def _invocation(result: AuditResult, made: Decision) -> Json:
    incomplete, undecided = made.word.key == "incomplete", made.word.key == "none"
    found: Json = {"executionSuccessful": not incomplete and result.run.status == "complete"}
    notes = [("error", made.reason)] if incomplete else [("note", made.word.meaning)] if undecided else []
    notes += [("warning", text) for text in made.limits]
    if notes:
        found["toolExecutionNotifications"] = [
            {"level": level, "message": {"text": _told(text)}} for level, text in notes
        ]
    return found
