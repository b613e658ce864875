"""`gptaudit gate`: decide about a finished audit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.errors import Finished
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--policy", required=True, metavar="FILE|default|release", help="Decide by this policy.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.json",
    help="Earlier audit, for rules with max_increase.",
)
@click.pass_obj
def gate(plugins: Plugins, results: Path, policy: str, baseline: Path | None) -> None:
    """Decide by a policy about the finished audit in RESULTS."""
    from dataclasses import replace

    from gptaudit.commands._show import show_gate
    from gptaudit.gate.decide import decide, exit_code, read_audit, read_candidate
    from gptaudit.gate.policy import load_policy

    rules = load_policy(policy)
    candidate = read_candidate(results, compares=baseline is not None)
    decided = decide(candidate, rules, read_audit(baseline) if baseline else None, installed=plugins.probes)
    result = replace(candidate.result, gate=decided)
    show_gate(result)
    raise Finished(exit_code(result, rules))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(gate)
