"""
The verdict of a verified audit as an in-toto Statement, for cosign or another tool to sign.

Statement v1: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
Test Result v0.1: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from gptaudit.errors import ExitCode, UsageError
from gptaudit.evidence.plan import digest
from gptaudit.gate.decide import exit_code, policy_of
from gptaudit.gate.policy import Policy
from gptaudit.records import AuditResult, GateResult
from gptaudit.run.folder import RESULTS

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def statement_text(result: AuditResult, folder: Path) -> str:
    """Return the statement about the model of a verified audit, as JSON.

    Raises `UsageError` where nothing can be stated: there is no verdict, or the results are not bound to evidence.
    """
    gate = result.gate
    if gate is None:
        msg = f"{folder}: the results have no verdict to state; run the audit again in its folder with --policy FILE"
        raise UsageError(f"{msg}, which asks the model nothing that was answered")
    if result.binding is None:
        msg = f"{folder}: the results are not bound to their evidence; run the audit again in its folder"
        raise UsageError(f"{msg}, which asks the model nothing that was answered")
    policy = policy_of(gate)
    stated = {
        "_type": STATEMENT_TYPE,
        "subject": [_subject(result)],
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": _result(result, policy),
            "configuration": list(_configuration(result, gate, folder)),
            **_tests(gate, policy),
        },
    }
    return json.dumps(stated, indent=1) + "\n"


def _subject(result: AuditResult) -> dict[str, Any]:
    """Return the model: the hash of all that decides its answers, or of its description where nobody can verify it."""
    algorithm, _, hexadecimal = result.target.fingerprint.rpartition(":")
    return {
        "name": result.target.spec,
        "digest": {algorithm or "fingerprint": hexadecimal},
        "annotations": {"verified": result.target.verified},
    }


def _result(result: AuditResult, policy: Policy) -> str:
    """Return FAILED where the exit code is not 0, WARNED where a pass is not the whole truth, else PASSED."""
    if exit_code(result, policy) is not ExitCode.PASS or result.gate is None:
        return "FAILED"
    whole = result.gate.verdict == "pass" and result.gate.limited is None and result.target.verified
    return "PASSED" if whole else "WARNED"


def _configuration(result: AuditResult, gate: GateResult, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the policy, the configuration file, and the results, which name the hashes of the whole folder."""
    yield {"name": gate.policy.get("name") or "policy", "digest": {"sha256": digest(dict(gate.policy))}}
    if "configuration_sha256" in result.run.environment:
        named = result.run.environment
        yield {"name": named["configuration"], "digest": {"sha256": named["configuration_sha256"]}}
    verdict = {"verdict": gate.verdict, "limited": gate.limited}
    content = sha256((folder / RESULTS).read_bytes()).hexdigest()
    yield {"name": RESULTS, "digest": {"sha256": content}, "annotations": verdict}


def _tests(gate: GateResult, policy: Policy) -> dict[str, list[str]]:
    """Return the rules by their outcome; what is incomplete has failed."""
    undecided = "warnedTests" if policy.inconclusive == "allow" else "failedTests"
    lists = {
        "pass": "passedTests",
        "inconclusive": undecided,
        "fail": "failedTests",
        "incomplete": "failedTests",
    }
    found: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for rule in gate.rules:
        found[lists[rule.verdict]].append(rule.rule)
    return found
