"""The decision about an audit in words, the same in every report and on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gptaudit.evidence.first_answers import repeats
from gptaudit.gate.decide import conclusion, shortfall
from gptaudit.gate.numbers import count
from gptaudit.gate.wording import limited_words
from gptaudit.language import later, recorded, tr, trn
from gptaudit.records import AuditResult, GateResult, TargetInfo, Verdict
from gptaudit.records.metric_name import MetricName

from .findings import decided_by_order
from .sentences import Word, probes_text

OUTCOMES: Mapping[Verdict, str] = {
    "fail": later("{n} of {rules} failed"),
    "inconclusive": later("{n} of {rules} could not be decided"),
    "incomplete": later("{n} of {rules} had too few scored cases"),
}
"""Verdict other than a pass -> how many rules have it."""

BESIDES: Mapping[Verdict, str] = {
    "fail": later("{n} failed"),
    "inconclusive": later("{n} could not be decided"),
    "incomplete": later("{n} had too few scored cases"),
}
"""The same, where the number of all rules was said before."""

MOST_REASONS = 3
"""Maximum number of rules, probes or figures that a sentence names."""

VERDICTS: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("pass", "✓", later("Pass"), later("The model meets the policy.")),
        Word("fail", "✕", later("Fail"), later("The model does not meet the policy.")),
        Word(
            "inconclusive",
            "?",
            later("Inconclusive"),
            later("The data do not decide whether the model meets the policy."),
        ),
        Word(
            "incomplete", "…", later("Incomplete"), later("Too little was scored; nothing may be concluded.")
        ),
        Word(
            "none",
            "–",  # noqa: RUF001
            later("No policy"),
            later("Figures only: no policy was given, so nothing was decided."),
        ),
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
        tuple(tr("{why}.", why=f"{text[:1].upper()}{text[1:]}") for text in _limits(result)),
    )


def _reason(result: AuditResult) -> str:
    gate = result.gate
    if gate is not None and gate.verdict == conclusion(result):
        return _deciding_rules(gate)
    if result.run.status != "complete":
        return tr(
            "The run was interrupted before all requests were answered{why}."
            if result.run.status == "interrupted"
            else "The run stopped before all requests were answered{why}.",
            why=tr(" ({why})", why=recorded(result.run.why)) if result.run.why else "",
        )
    if short := shortfall(result):
        return tr("{why}.", why=f"{short[:1].upper()}{short[1:]}")
    return tr("Name a policy (--policy FILE, or --policy default) to get a decision.")


def _deciding_rules(gate: GateResult) -> str:
    rules = len(gate.rules)
    if gate.verdict == "pass":
        return trn(rules, "The one rule passed.", "All {n} rules passed.", n=rules)
    deciding = [rule for rule in gate.rules if rule.verdict == gate.verdict]
    reasons = [
        tr("{metric}, {why}", metric=rule.metric, why=recorded(rule.why).rstrip(".。"))
        for rule in deciding[:MOST_REASONS]
    ]
    if len(deciding) > MOST_REASONS:
        reasons.append(tr("and more below"))
    others = [
        tr(what, n=sum(rule.verdict == verdict for rule in gate.rules))
        for verdict, what in BESIDES.items()
        if verdict != gate.verdict and any(rule.verdict == verdict for rule in gate.rules)
    ]
    said = tr(
        "{outcome}: {reasons}.",
        outcome=tr(OUTCOMES[gate.verdict], n=len(deciding), rules=_rules(rules)),
        reasons=tr("; ").join(reasons),
    )
    return said + (tr(" In addition, {others}.", others=tr(" and ").join(others)) if others else "")


def _rules(number: int) -> str:
    return trn(number, "{n} rule", "{n} rules", n=count(number))


def _covers(result: AuditResult, gate: GateResult) -> str:
    """Say how much the policy is about: of a pass, nobody shall read more than was decided."""
    rules = len(gate.policy.get("rule", ())) or len(gate.rules)
    named = {MetricName.of(rule.metric).probe for rule in gate.rules}
    measured = {probe.id for probe in result.probes if probe.status == "scored"}
    covered, open_ = len(named & measured), len(measured - named)
    if not measured:
        return tr("The policy has {rules}, and no probe was measured.", rules=_rules(rules))
    if not open_:
        return tr("The policy has {rules}, about every probe measured.", rules=_rules(rules))
    return tr(
        "The policy has {rules}, about {covered} of the {probes} measured; nothing was decided about the remaining "
        "{rest}.",
        rules=_rules(rules),
        covered=count(covered),
        probes=probes_text(len(measured)),
        rest=count(open_),
    )


def _kept(result: AuditResult) -> str:
    if result.run.status == "complete":
        return ""
    scored, cases = (sum(getattr(probe, what) for probe in result.probes) for what in ("scored", "cases"))
    return tr(
        "What was answered is kept; {scored} of {cases} cases are scored. The same command in the same folder (-o) "
        "goes on from there.",
        scored=count(scored),
        cases=count(cases),
    )


def _limits(result: AuditResult) -> Iterator[str]:
    if limited := limited_words(result):
        yield limited
    if not result.target.verified:
        why = identity_sentence(result.target).rstrip(".。")
        yield tr("the model cannot be verified: {why}", why=why)
    measured = [probe for probe in result.probes if probe.status == "scored"]
    untold = [
        f"{probe.id}.{m.name}"
        for probe in measured
        for m in probe.metrics
        if not m.slice and m.corrected is not None and m.corrected.value is None
    ]
    if untold:
        yield tr("the scorer errs too often to tell {figures}", figures=_some(untold))
    if swayed := [probe.id for probe in measured if decided_by_order(probe)]:
        yield tr("the order of the options decides the answers of {probes}", probes=_some(swayed))
    if lost := [
        tr(
            "{probe} ({scored} of {cases})",
            probe=p.id,
            scored=count(p.cases - p.scored),
            cases=count(p.cases),
        )
        for p in measured
        if p.unscored
    ]:
        yield tr("cases without a score: {probes}", probes=_some(lost))
    unknown = sum(probe.calibration is None for probe in measured)
    if unknown and unknown == len(measured):
        yield tr("no probe measured is calibrated: how small a flaw is found is not known")
    elif unknown:
        yield trn(
            unknown,
            "{n} of the {all} probes measured is not calibrated: how small a flaw it finds is not known",
            "{n} of the {all} probes measured are not calibrated: how small a flaw they find is not known",
            n=count(unknown),
            all=count(len(measured)),
        )
    for fault in result.run.faults[:MOST_REASONS]:
        yield str(fault)


def _some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MOST_REASONS
    named = ", ".join(names[:MOST_REASONS])
    return tr("{names} and {n} more", names=named, n=count(more)) if more > 0 else named


def identity_sentence(target: TargetInfo) -> str:
    """Say what a target that cannot be verified is known by."""
    if not target.first_answers:
        return tr("Nothing shows that the same model answered every time.")
    if not repeats(target.first_answers):
        return tr(
            "It runs elsewhere and does not repeat itself: nothing shows that the same model answered every time."
        )
    return tr(
        "It runs elsewhere, and is known by what it answered when it was opened, twice alike; "
        "a change that leaves these answers as they are is not noticed."
    )
