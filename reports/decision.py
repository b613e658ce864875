"""The decision about an audit in words, the same in every report and on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gptaudit.evidence.first_answers import repeats
from gptaudit.gate.decide import conclusion, shortfall
from gptaudit.gate.numbers import count
from gptaudit.gate.policy import MetricName
from gptaudit.gate.wording import limited_words
from gptaudit.records import AuditResult, GateResult, TargetInfo, Verdict

from .findings import decided_by_order
from .sentences import Word, many

OUTCOMES: Mapping[Verdict, str] = {
    "fail": "failed",
    "inconclusive": "could not be decided",
    "incomplete": "had too few scored cases",
}

MOST_REASONS = 3
"""Maximum number of rules, probes or figures that a sentence names."""

VERDICTS: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("pass", "✓", "Pass", "The model meets the policy."),
        Word("fail", "✕", "Fail", "The model does not meet the policy."),
        Word(
            "inconclusive", "?", "Inconclusive", "The data do not decide whether the model meets the policy."
        ),
        Word("incomplete", "…", "Incomplete", "Too little was scored; nothing may be concluded."),
        Word("none", "–", "No policy", "Figures only: no policy was given, so nothing was decided."),  # noqa: RUF001
    )
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reader must know first."""

    word: Word
    reason: str
    """The one reason of the verdict."""
    covers: str
    """How much of what was measured the policy is about; empty without a policy."""
    kept: str
    """What is kept of a run that ended early, and how it goes on; empty for any other."""
    limits: tuple[str, ...]
    """What limits the trust in the audit, a sentence each."""


def decision(result: AuditResult) -> Decision:
    """Return the decision about an audit."""
    return Decision(
        VERDICTS[conclusion(result) or "none"],
        _reason(result),
        _covers(result, result.gate) if result.gate else "",
        _kept(result),
        tuple(f"{text[:1].upper()}{text[1:]}." for text in _limits(result)),
    )


def _reason(result: AuditResult) -> str:
    gate = result.gate
    if gate is not None and gate.verdict == conclusion(result):
        return _deciding_rules(gate)
    if result.run.status != "complete":
        why = f" ({result.run.why})" if result.run.why else ""
        ended = "was interrupted" if result.run.status == "interrupted" else "stopped"
        return f"The run {ended} before all requests were answered{why}."
    if short := shortfall(result):
        return f"{short[:1].upper()}{short[1:]}."
    return "Name a policy (--policy FILE, or --policy default) to get a decision."


def _deciding_rules(gate: GateResult) -> str:
    rules = len(gate.rules)
    if gate.verdict == "pass":
        return f"All {rules} rules passed." if rules > 1 else "The one rule passed."
    deciding = [rule for rule in gate.rules if rule.verdict == gate.verdict]
    reasons = "; ".join(f"{rule.metric}, {rule.why.rstrip('.')}" for rule in deciding[:MOST_REASONS])
    more = "; and more below" if len(deciding) > MOST_REASONS else ""
    others = [
        f"{sum(rule.verdict == verdict for rule in gate.rules)} {what}"
        for verdict, what in OUTCOMES.items()
        if verdict != gate.verdict and any(rule.verdict == verdict for rule in gate.rules)
    ]
    besides = f" In addition, {' and '.join(others)}." if others else ""
    outcome = f"{len(deciding)} of {many(rules, 'rule')} {OUTCOMES[gate.verdict]}"
    return f"{outcome}: {reasons}{more}.{besides}"


def _covers(result: AuditResult, gate: GateResult) -> str:
    """Say how much the policy is about: of a pass, nobody shall read more than was decided."""
    rules = len(gate.policy.get("rule", ())) or len(gate.rules)
    named = {MetricName.of(rule.metric).probe for rule in gate.rules}
    measured = {probe.id for probe in result.probes if probe.status == "scored"}
    covered, open_ = len(named & measured), len(measured - named)
    text = f"The policy has {many(rules, 'rule')}, about {count(covered)} of the "
    text += f"{many(len(measured), 'probe')} measured"
    return f"{text}; nothing was decided about the remaining {count(open_)}." if open_ else f"{text}."


def _kept(result: AuditResult) -> str:
    if result.run.status == "complete":
        return ""
    scored, cases = (sum(getattr(probe, what) for probe in result.probes) for what in ("scored", "cases"))
    answered = f"What was answered is kept; {count(scored)} of {count(cases)} cases are scored."
    return f"{answered} The same command in the same folder (-o) goes on from there."


def _limits(result: AuditResult) -> Iterator[str]:
    if limited := limited_words(result):
        yield limited
    if not result.target.verified:
        yield f"the model cannot be verified: {identity_sentence(result.target).rstrip('.')}"
    measured = [probe for probe in result.probes if probe.status == "scored"]
    untold = [
        f"{probe.id}.{m.name}"
        for probe in measured
        for m in probe.metrics
        if not m.slice and m.corrected is not None and m.corrected.value is None
    ]
    if untold:
        yield f"the scorer errs too often to tell {_some(untold)}"
    if swayed := [probe.id for probe in measured if decided_by_order(probe)]:
        yield f"the order of the options decides the answers of {_some(swayed)}"
    if lost := [f"{p.id} ({count(p.cases - p.scored)} of {count(p.cases)})" for p in measured if p.unscored]:
        yield f"cases without a score: {_some(lost)}"
    unknown = sum(probe.calibration is None for probe in measured)
    if unknown:
        yield (
            f"{count(unknown)} of the {count(len(measured))} probes measured are not calibrated: how small a flaw they "
            "find is not known"
        )
    for fault in result.run.faults[:MOST_REASONS]:
        yield str(fault)


def _some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MOST_REASONS
    return ", ".join(names[:MOST_REASONS]) + (f" and {count(more)} more" if more > 0 else "")


def identity_sentence(target: TargetInfo) -> str:
    """Say what a target that cannot be verified is known by."""
    if not target.first_answers:
        return "Nothing shows that the same model answered every time."
    if not repeats(target.first_answers):
        return "It runs elsewhere and does not repeat itself: nothing shows that the same model answered every time."
    return (
        "It runs elsewhere, and is known by what it answered when it was opened, twice alike; "
        "a change that leaves these answers as they are is not noticed."
    )
