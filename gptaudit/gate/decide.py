"""
Verdicts of the gate: a policy's rules applied to an audit's figures.

A rule passes if the whole interval lies within its limits; it fails if there is evidence that a limit is exceeded;
otherwise it is inconclusive, or incomplete if too little was scored.

Failures are corrected for the number of rules, passes are not. The gate passes only if every rule passes, which is an
intersection-union test (Berger 1982) and errs no more often than a single rule. It fails if any rule fails, so the
chances of a false alarm add up; Holm's procedure (1979) over all rules and slices keeps the chance of any at 1 - level.
An ideal with its tolerance is one test, against the limit that the figure exceeds. The p-value of each test is computed
from the end of its interval that faces the limit, so that results have to hold intervals only, and a single rule fails
exactly if its interval lies outside the limits. A share of independent cases has the exact p-value of its count
(binomial): Wilson's interval excludes a small limit too often. In an audit that was asked until it decided, intervals
and p-values hold at any number of clusters, and so does the verdict (`gptaudit.stats.sequences`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from gptaudit.errors import ExitCode, PolicyError
from gptaudit.evidence.results_file import read_bound
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.figures import Figure, figures
from gptaudit.gate.numbers import level_text
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy
from gptaudit.gate.wording import limit_text, limited_words, reading
from gptaudit.language import tr
from gptaudit.records import AuditResult, GateResult, ProbeResult, RuleResult, Verdict
from gptaudit.stats.multiplicity import holm, p_value, p_value_of_count
from gptaudit.validation import validated

COVERAGE_FLOOR = 0.95
"""Share of a probe's cases that must be scored in an audit without a policy."""

NAMED = 3
"""Maximum number of probes that a sentence names."""

_RANK: tuple[Verdict, ...] = ("fail", "incomplete", "inconclusive", "pass")
"""Verdicts from worst to best. A failure outranks what is incomplete: missing cases do not undo evidence."""

_ROUNDING = 1e-12


def decide(
    candidate: Audit, policy: Policy, baseline: Audit | None = None, *, installed: Collection[str] = ()
) -> GateResult:
    """Decide each rule, and all of them together: fail outranks incomplete, which outranks inconclusive.

    A rule on a probe that is `installed`, but that the audit was not asked for, is incomplete.

    Raises:
        PolicyError: a rule names a probe or metric that the audit does not have, or needs a baseline that is missing
            or was measured differently.
    """
    found = figures(candidate, policy, baseline, installed)
    p_values = [_p_value(f, policy.level) for f in found if f.missing is None and f.untold is None]
    adjusted = iter(holm(p_values) if policy.correction == "holm" else p_values)
    tests = len(p_values) if policy.correction == "holm" else 1
    rules = tuple(
        _result(f, "incomplete", f"{f.missing}.")
        if f.missing is not None
        else _result(f, "inconclusive", f"Nothing can be told: {f.untold}.")
        if f.untold is not None
        else _decided(f, next(adjusted), policy.level, tests)
        for f in found
    )
    verdict = min((rule.verdict for rule in rules), key=_RANK.index)
    limited = limited_words(candidate.result)
    return GateResult(verdict, _record(policy), rules, limited, _compared(policy, baseline))


def _compared(policy: Policy, baseline: Audit | None) -> str | None:
    """Return the hash of the baseline's measurements, where a rule compares with them and they are bound."""
    if baseline is None or baseline.result.binding is None or not policy.compares:
        return None
    return baseline.result.binding.evidence.get("measurements")


def read_audit(results: Path) -> Audit:
    """Read a finished audit: its results, and the measurements in the store beside them."""
    return Audit(read_bound(results), StoredMeasurements(results.parent))


def read_candidate(results: Path, *, compares: bool) -> Audit:
    """Read a finished audit that is decided about, with its measurements only where they are needed.

    They are for a comparison, and in an audit that stopped when it decided for its bets. So most results can be
    decided about without the store beside them.
    """
    result = read_bound(results)
    needed = compares or result.run.looks
    return Audit(result, StoredMeasurements(results.parent)) if needed else Audit(result)


def conclusion(result: AuditResult) -> Verdict | None:
    """Return what the audit as a whole says, with or without a policy; None where nothing was decided.

    What ended early, or was scored too little, is incomplete, unless a rule failed: missing cases do not undo evidence.
    """
    verdict = result.gate.verdict if result.gate else None
    if verdict == "fail":
        return verdict
    if result.run.status != "complete":
        return "incomplete"
    return "incomplete" if verdict is None and shortfall(result) else verdict


def exit_code(result: AuditResult, policy: Policy | None) -> ExitCode:
    """Return the exit code for a result that was gated by `policy`, or by none."""
    if result.run.status == "interrupted":
        return ExitCode.TERMINATED if result.run.why == "SIGTERM" else ExitCode.INTERRUPTED
    verdict = conclusion(result if policy else result.without_verdict())
    if verdict == "fail":
        return ExitCode.FAIL
    if verdict == "incomplete":
        return ExitCode.INCOMPLETE
    if policy and verdict == "inconclusive" and policy.inconclusive == "fail":
        return ExitCode.INCONCLUSIVE
    return ExitCode.BUG if any(fault.lost for fault in result.run.faults) else ExitCode.PASS


def shortfall(result: AuditResult) -> str | None:
    """Return why an audit without a policy is incomplete, or None. Probes lost to plugin faults are reported elsewhere.

    For example "fewer than 95 % of the cases were scored in choice-gender (136 of 192)"; the first probes are named.
    """
    failed = {fault.probe for fault in result.run.faults if fault.lost == "probe"}
    probes = [probe for probe in result.probes if probe.id not in failed]
    short = [
        tr(
            "{probe} ({scored} of {cases})",
            probe=probe.id,
            scored=probe.scored,
            cases=_cases(probe),
        )
        for probe in probes
        if probe.status == "error"
        or (probe.status == "scored" and (probe.coverage is None or probe.coverage < COVERAGE_FLOOR))
    ]
    if short:
        named = ", ".join(short[:NAMED])
        if len(short) > NAMED:
            named = tr("{names} and {n} more", names=named, n=len(short) - NAMED)
        return tr(
            "fewer than {level} of the cases were scored in {named}",
            level=level_text(COVERAGE_FLOOR),
            named=named,
        )
    return None if any(p.status == "scored" for p in probes) or failed else tr("no probe was scored")


def _cases(probe: ProbeResult) -> str:
    """Return the number of cases, and how many rows of the published data are not there."""
    lost = probe.data.lost if probe.data else 0
    if not lost:
        return f"{probe.cases}"
    return tr("{n}; {lost} rows of the published data are not there", n=probe.cases, lost=f"{lost:,}")


def _p_value(figure: Figure, level: float) -> float:
    """Return the p-value for the limit that the figure exceeds; 1 if it exceeds none."""
    value, low, high = figure.estimate
    least, greatest = figure.rule.limits
    if greatest is not None and value > greatest:
        limit, side = greatest, value - low
    elif least is not None and value < least:
        limit, side = least, high - value
    else:
        return 1.0
    if figure.bets:
        return figure.bets.p_value(limit)
    if figure.cases:
        return p_value_of_count(value, figure.cases, limit)
    return p_value(abs(value - limit), side, level, figure.clusters, anytime=figure.anytime)


def _decided(figure: Figure, adjusted: float, level: float, tests: int) -> RuleResult:
    _, low, high = figure.estimate
    least, greatest = figure.rule.limits
    beyond = (greatest is not None and low > greatest) or (least is not None and high < least)
    within = (greatest is None or high <= greatest) and (least is None or low >= least)
    failed = beyond and adjusted <= 1 - level + _ROUNDING
    verdict: Verdict = "fail" if failed else "pass" if within else "inconclusive"
    doubt = "" if failed or not beyond else _doubt(tests)
    why = reading(figure.estimate, figure.rule.limits, level, figure.unit, doubt)
    return _result(figure, verdict, why + figure.note)


def _doubt(tests: int) -> str:
    """Return why an interval outside the limits does not fail."""
    if tests > 1:
        return f", but not clearly enough for {tests} tests made at once"
    return ", but an exact test of so few cases does not exclude it"


def _result(figure: Figure, verdict: Verdict, why: str) -> RuleResult:
    return RuleResult(
        rule=figure.words,
        metric=figure.name,
        verdict=verdict,
        value=figure.value,
        low=figure.low,
        high=figure.high,
        limit=limit_text(figure.rule, figure.unit),
        why=why,
        least=figure.rule.limits[0],
        greatest=figure.rule.limits[1],
        increase=figure.rule.kind == "increase",
        line=figure.rule.line,
    )


def policy_of(gate: GateResult) -> Policy:
    """Return the policy of a verdict; raise `PolicyError` if it is malformed."""
    return validated(Policy, dict(gate.policy), where="gate.policy", error=PolicyError)


def _record(policy: Policy) -> dict[str, object]:
    """Return the policy as JSON values, without the limits that a rule does not set."""
    rules = [{key: value for key, value in asdict(rule).items() if value is not None} for rule in policy.rule]
    record = {key: value for key, value in asdict(policy).items() if value is not None}
    return {**record, "rule": rules}
