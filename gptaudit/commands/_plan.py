"""Terminal output of a plan: what an audit asks, before it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptaudit.commands._say import say

if TYPE_CHECKING:
    from gptaudit.records import TargetInfo
    from gptaudit.run.planning import ProbePlan

HEAD = ("probe", "requests", "tokens to read", "to write at most")


def show_plan(target: TargetInfo, plans: Sequence[ProbePlan], *, until_decided: bool) -> None:
    """Print what each probe asks, what is left out and why, and the sum of all."""
    from gptaudit.reports.coverage import by_reason

    say(f"Plan of an audit of {target.spec}; nothing is asked.\n")
    # One that asks nothing of its own shares its requests with another, and may follow up on their answers.
    asked = [plan for plan in plans if plan.skipped is None]
    rows = [HEAD, *((plan.id, *map(_number, _counts([plan]))) for plan in asked)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for name, *numbers in rows:
        right = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
        say("  ".join([name.ljust(widths[0]), *right]))
    stops = "; at most, since it stops as soon as every rule is decided" if until_decided else ""
    say(f"\n{summary(plans)}{stops}.")
    for plan in asked:
        if plan.rounds > 1:
            say(f"{plan.id} follows up on the answers, in at most {plan.rounds - 1} more rounds")
    for reason, left_out in by_reason((p.id, p.skipped) for p in plans if p.skipped is not None).items():
        say(f"{_left_out(left_out)}: {reason}")


def _left_out(probes: Sequence[str]) -> str:
    """Name the probes that are not asked; those that are left out under attack too, by their own name alone."""
    named = [probe for probe in probes if "+" not in probe or probe.partition("+")[0] not in probes]
    either = ", nor under attack" if len(named) < len(probes) else ""
    return f"Not asked{either}: {', '.join(named)}"


def summary(plans: Sequence[ProbePlan]) -> str:
    """Return the sum of all probes in one line; tokens are estimated, and those written are a limit."""
    requests, reads, writes = _counts(plans)
    answered = sum(plan.answered for plan in plans)
    kept = f", {_number(answered)} of them answered already" if answered else ""
    tokens = f"about {_number(reads)} tokens to read and at most {_number(writes)} to write"
    return f"{_number(requests)} requests{kept}: {tokens}"


def _counts(plans: Sequence[ProbePlan]) -> tuple[int, int, int]:
    return (
        sum(plan.requests for plan in plans),
        sum(plan.left.reads for plan in plans),
        sum(plan.left.writes for plan in plans),
    )


def _number(count: int) -> str:
    return f"{count:,}"
