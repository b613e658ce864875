"""What an explanation of a suite says in words, with its interval and its limits."""

from __future__ import annotations

from gptaudit.attribution.suites.explanation import Estimated, HeadPart, Proof
from gptaudit.language import recorded, tr

TOLERATED = 0.1
"""Share of what is true that heads may take with them and still be said to leave it."""


def sentences(heads: HeadPart, proof: Proof, axis: str) -> tuple[str, ...]:
    """Return the claim, what it means for what is true, and the limits."""
    before, after = proof.before.gap, proof.after
    name = words_of_axis(axis)
    if not before.differs:
        none = tr(
            "The model shows no difference by {axis} that could not be chance ({found}), so no head is said to carry "
            "one.",
            axis=name,
            found=nats(before),
        )
        return (none,)
    side = tr("as the stereotype has it" if before.value > 0 else "against the stereotype")
    left = _beside(after.gap, after.at_random)
    named = tr(
        "{n} of {all} attention heads ({names})",
        n=proof.chosen,
        all=heads.layers * heads.heads,
        names=", ".join(after.heads),
    )
    if not carried(proof) or after.removed is None:
        claim = tr(
            "The model shows a difference by {axis}, {side} ({found}); that a few heads carry it is not shown: without "
            "{named}, chosen on the other half, it is {left}.",
            axis=name,
            side=side,
            found=nats(before),
            named=named,
            left=left,
        )
    else:
        claim = tr(
            "Without {named}, {removed} of the difference by {axis} is gone: {side}, it falls from {found} to {left}.",
            named=named,
            removed=percent(after.removed),
            axis=name,
            side=side,
            found=nats(before),
            left=left,
        )
    return claim, _control(proof, name), _limits(proof)


def carried(proof: Proof) -> bool:
    """Return whether the chosen heads carry the difference: more of it goes than with any other heads, surely some."""
    after = proof.after
    if not proof.before.gap.differs or after.removed is None or after.removed.low is None:
        return False
    beyond = all(abs(after.gap.value) < abs(value) for value in after.at_random)
    return after.removed.low > 0 and beyond


def _control(proof: Proof, name: str) -> str:
    """Say what becomes of what is true about an axis."""
    fact, left, removed = proof.before.fact, proof.after.fact, proof.after.fact_removed
    if fact is None or left is None:
        return tr(
            "Whether these heads also carry what is true about {axis} is not known: there is no control for it.",
            axis=name,
        )
    if not fact.differs:
        return tr(
            "Whether these heads also carry what is true about {axis} cannot be told: the model does not know it "
            "({found} between words such as mother and king).",
            axis=name,
            found=nats(fact),
        )
    change = tr(
        "the difference between words such as mother and king, where {axis} is true, goes from {found} to {left}",
        axis=name,
        found=nats(fact),
        left=_beside(left, proof.fact_at_random),
    )
    if removed is None or removed.low is None or removed.high is None:
        return tr("Whether what is true stays is not decided: {change}.", change=change)
    if removed.low > TOLERATED:
        return tr(
            "But {change}: they carry {axis} knowledge, not only the stereotype."
            if carried(proof)
            else "But {change}: they carry {axis} knowledge.",
            change=change,
            axis=name,
        )
    if removed.high <= TOLERATED:
        return tr("What is true stays: {change}.", change=change)
    return tr("Whether what is true stays is not decided: {change}.", change=change)


def _limits(proof: Proof) -> str:
    return tr(
        "Measured on {n} pairs of prompts that the heads were not chosen on, each head replaced by its mean over "
        "neutral texts; the perplexity of those goes from {before} to {after}. Other wordings, and other ways to take "
        "a head out, may show something else.",
        n=proof.before.gap.n,
        before=f"{proof.before.perplexity:.1f}",
        after=f"{proof.after.perplexity:.1f}",
    )


def _beside(found: Estimated, at_random: tuple[float, ...]) -> str:
    """Write a difference beside those without random heads."""
    if not at_random:
        return nats(found)
    return tr(
        "{found}, where {sets} random sets of as many other heads of the same layers leave {least} to {most}",
        found=nats(found),
        sets=len(at_random),
        least=f"{min(at_random):.2f}",
        most=f"{max(at_random):.2f}",
    )


def nats(found: Estimated) -> str:
    """Write a difference with its interval: `1.11 nats (0.80 to 1.42)`."""
    value = f"{found.value:.2f}"
    if found.low is None or found.high is None:
        return tr("{value} nats (no interval)", value=value)
    return tr("{value} nats ({low} to {high})", value=value, low=f"{found.low:.2f}", high=f"{found.high:.2f}")


def percent(found: Estimated) -> str:
    """Write a share with its interval."""
    value = f"{100 * found.value:.0f}"
    if found.low is None or found.high is None:
        return tr("{value} % (no interval)", value=value)
    low, high = f"{100 * found.low:.0f}", f"{100 * found.high:.0f}"
    return tr("{value} % ({low} to {high} %)", value=value, low=low, high=high)


def words_of_axis(axis: str) -> str:
    """Write the name of an axis: `socioeconomic status`."""
    return recorded(axis.replace("_", " "))
