"""`gptaudit verify`: compute a run folder again from its evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import ExitCode, Finished
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.run.verification import Verification

SHOWN = 20
"""Differences that are printed one by one."""


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--statement",
    is_flag=True,
    help="Write the verdict as an in-toto statement into FOLDER, for cosign to sign; only if all agrees.",
)
@_options.data
@click.option(
    "-s",
    "--suite",
    "suites",
    multiple=True,
    metavar="FILE.toml",
    help="Suite file of your own that was audited.  [default: where it was]",
)
@click.option(
    "-p",
    "--probe",
    "probes",
    multiple=True,
    metavar="FILE.py",
    help="File of your own with a probe that was audited; it is run.",
)
@_options.scorers
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.json",
    help="Audit that the verdict compares with.  [default: where it was]",
)
@click.pass_obj
def verify(plugins: Plugins, /, folder: Path, *, statement: bool, **given: Any) -> None:  # noqa: ANN401 - the resources, by name
    """Compute every figure and the verdict in the run folder FOLDER again, and say what differs.

    Cases are made again by their probes, and measured from the answers in evidence.sqlite; the model is neither loaded
    nor asked. The verdict is made by the policy that the results hold; `gptaudit gate` decides by another one.

    Exits 0 if all agrees, 1 if not, 2 if a probe, scorer or data set that is needed is missing.
    """
    from gptaudit.run.verification import Resources, verify

    found = verify(folder, plugins, Resources(**given))
    for text in found.remarks:
        say(f"Note: {text}.", err=True)
    if found.differences:
        _show_differences(found)
        raise Finished(ExitCode.FAIL)
    say(_summary(found))
    if statement:
        _write_statement(found, folder)


def _show_differences(found: Verification) -> None:
    for text in found.differences[:SHOWN]:
        say(text)
    more = len(found.differences) - SHOWN
    if more > 0:
        say(f"and {more} more")
    say(f"\nNot verified: {len(found.differences)} differences", fg="red", bold=True)
    say(
        "If a later run in this folder was stopped, run it to its end; else restore the files that were written."
    )


def _summary(found: Verification) -> str:
    """Say what agrees."""
    scored = [probe for probe in found.result.probes if probe.status != "skipped"]
    cases, figures = sum(p.cases for p in scored), sum(len(p.metrics) for p in scored)
    verdict = f", and the verdict: {found.result.gate.verdict}" if found.result.gate else ""
    return f"Verified: {figures} figures of {len(scored)} probes, from the answers to {cases} cases{verdict}"


def _write_statement(found: Verification, folder: Path) -> None:
    from gptaudit.files import write_atomic
    from gptaudit.run.folder import STATEMENT
    from gptaudit.run.statement import statement_text

    path = folder / STATEMENT
    write_atomic(path, statement_text(found.result, folder))
    say(f"Statement: {path}")


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(verify)
