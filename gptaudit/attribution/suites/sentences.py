"""What an explanation of a suite says in words, with its interval and its limits."""

from __future__ import annotations

from gptaudit.attribution.suites.estimates import Estimated
from gptaudit.attribution.suites.explanation import HeadPart, Proof

TOLERATED = 0.1
"""Share of what is true that heads may take with them and still be said to leave it."""


def sentences(heads: HeadPart, proof: Proof, axis: str) -> tuple[str, ...]:
    """Return the claim, what it means for what is true, and the limits."""
    before, after = proof.before.gap, proof.after
    name = words_of_axis(axis)
    if not before.differs:
        none = f"The model shows no difference by {name} that could not be chance ({nats(before)}), so no head is said "
        return (f"{none}to carry one.",)
    removed = after.removed
    count = f"{proof.chosen} of {heads.layers * heads.heads} attention heads"
    side = "as the stereotype has it" if before.value > 0 else "against the stereotype"
    left = f"{nats(after.gap)}{_band(after.at_random)}"
    named = f"{count} ({', '.join(after.heads)})"
    if not carried(proof) or removed is None:
        claim = f"The model shows a difference by {name}, {side} ({nats(before)}); that a few heads carry it is not "
        claim += f"shown: without {named}, chosen on the other half, it is {left}."
    else:
        claim = (
            f"Without {named}, {percent(removed)} of the difference by {name} is gone: {side}, it falls from "
        )
        claim += f"{nats(before)} to {left}."
    return claim, _control(proof, axis), _limits(proof)


def carried(proof: Proof) -> bool:
    """Return whether the chosen heads carry the difference: more of it goes than with any other heads, surely some."""
    after = proof.after
    if not proof.before.gap.differs or after.removed is None or after.removed.low is None:
        return False
    beyond = all(abs(after.gap.value) < abs(value) for value in after.at_random)
    return after.removed.low > 0 and beyond


def _control(proof: Proof, axis: str) -> str:
    """Say what becomes of what is true."""
    fact, left, removed = proof.before.fact, proof.after.fact, proof.after.fact_removed
    name = words_of_axis(axis)
    if fact is None or left is None:
        return f"Whether these heads also carry what is true about {name} is not known: there is no control for it."
    if not fact.differs:
        return (
            f"Whether these heads also carry what is true about {name} cannot be told: the model does not know it "
            f"({nats(fact)} between words such as mother and king)."
        )
    change = f"the difference between words such as mother and king, where {name} is true, goes from {nats(fact)} to "
    change += f"{nats(left)}{_band(proof.fact_at_random)}"
    if removed is None or removed.low is None or removed.high is None:
        return f"Whether what is true stays is not decided: {change}."
    if removed.low > TOLERATED:
        only = ", not only the stereotype" if carried(proof) else ""
        return f"But {change}: they carry {name} knowledge{only}."
    if removed.high <= TOLERATED:
        return f"What is true stays: {change}."
    return f"Whether what is true stays is not decided: {change}."


def _limits(proof: Proof) -> str:
    perplexity = f"{proof.before.perplexity:.1f} to {proof.after.perplexity:.1f}"
    return (
        f"Measured on {proof.before.gap.n} pairs of prompts that the heads were not chosen on, each head replaced by "
        f"its mean over neutral texts; the perplexity of those goes from {perplexity}. Other wordings, and other ways "
        "to take a head out, may show something else."
    )


def _band(at_random: tuple[float, ...]) -> str:
    if not at_random:
        return ""
    return (
        f", where {len(at_random)} random sets of as many other heads of the same layers leave "
        f"{min(at_random):.2f} to {max(at_random):.2f}"
    )


def nats(found: Estimated) -> str:
    """Write a difference with its interval: `1.11 nats (0.80 to 1.42)`."""
    if found.low is None or found.high is None:
        return f"{found.value:.2f} nats (no interval)"
    return f"{found.value:.2f} nats ({found.low:.2f} to {found.high:.2f})"


def percent(found: Estimated) -> str:
    """Write a share with its interval."""
    if found.low is None or found.high is None:
        return f"{100 * found.value:.0f} % (no interval)"
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f} %)"


def words_of_axis(axis: str) -> str:
    """Write the name of an axis: `socioeconomic status`."""
    return axis.replace("_", " ")
