"""`gptaudit power`: show how many clusters each rule of a policy needs to be decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.gate.power import Need


@click.command()
@click.argument("results", metavar="RESULTS.json", type=click.Path(path_type=Path))
@click.option(
    "--policy", required=True, metavar="FILE|default|release", help="Policy with the rules to decide."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.json",
    help="Earlier audit, for rules with max_increase.",
)
@click.option(
    "--power",
    type=_options.Finite(0.5, 1, max_open=True),
    default=0.9,
    show_default=True,
    help="Share of such audits in which the rule should be decided.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def power(results: Path, policy: str, baseline: Path | None, power: float, *, as_json: bool) -> None:
    """Show how many clusters (templates, prompts, terms) each rule of a policy needs to be decided.

    RESULTS is an audit of a similar model, and may be small; it shows how much clusters differ. Where all terms are
    asked about in the same templates, more templates are needed, not more terms.
    """
    from gptaudit.gate.decide import read_audit, read_candidate
    from gptaudit.gate.policy import load_policy
    from gptaudit.gate.power import needs

    audit = read_candidate(results, compares=baseline is not None)
    old = read_audit(baseline) if baseline else None
    found = list(needs(audit, load_policy(policy), old, power=power))
    if as_json:
        say(json.dumps([asdict(need) for need in found], indent=1))
        return
    for need in found:
        say(f"{need.rule}:\n  {in_words(need, power)}")


def in_words(need: Need, power: float) -> str:
    """Return what a rule needs, in a sentence."""
    if need.value is None or need.margin is None or need.decided is None:
        return f"unknown: {need.why}"
    now = f"{need.value:.3f} from {need.clusters} clusters"
    if need.needed is None:
        return f"{now} is too close to the limit for any number of clusters to decide"
    enough = "there are enough" if need.clusters >= need.needed else "there are too few"
    return (
        f"{now}, {need.margin:.3g} from the limit; to {need.outcome} in {power:.0%} of audits it needs {need.needed} "
        f"clusters: {enough}. The present ones decide at a distance of {need.decided:.3g} or more from the limit"
    )


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(power)
