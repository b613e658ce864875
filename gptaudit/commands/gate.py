"""`gptaudit gate`: decide about an audit that was made before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gptaudit.hookspecs import hookimpl


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--policy", required=True, metavar="FILE|default", help="Decide by this policy.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.json",
    help="Compare with this audit where a rule says max_increase.",
)
def gate(results: Path, policy: str, baseline: Path | None) -> None:
    """Decide by a policy about the audit in RESULTS."""
    from dataclasses import replace

    from gptaudit.commands._show import show_gate
    from gptaudit.gate import Audit, decide, exit_code
    from gptaudit.policy import load_policy
    from gptaudit.results import read_results
    from gptaudit.store import read_measurements

    rules = load_policy(policy)
    result = read_results(results)
    if baseline is None:
        decision = decide(Audit(result), rules)
    else:
        candidate = Audit(result, read_measurements(results.parent))
        earlier = Audit(read_results(baseline), read_measurements(baseline.parent))
        decision = decide(candidate, rules, earlier)
    show_gate(decision)
    raise SystemExit(int(exit_code(replace(result, gate=decision), rules)))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Offer the command."""
    register(gate)
