"""`gptaudit multiverse`: a figure by other choices, from the answers of finished audits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.run.specifications import Multiverse

SHOWN = 2
"""Specifications that are printed from each end of the curve."""


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--probe",
    "probes",
    multiple=True,
    metavar="PROBE",
    shell_complete=_complete.probes,
    help="Look at this probe.  [default: all that scored a case]",
)
@click.option(
    "--metric",
    metavar="NAME",
    help="Look at this figure of it.  [default: the one with a rule, else the first]",
)
@_options.page("Write this page, with the curve of all specifications.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_obj
def multiverse(
    plugins: Plugins,
    runs: tuple[Path, ...],
    probes: tuple[str, ...],
    metric: str | None,
    page: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show what the figures of the audit in RUN would be by other choices: templates, normalisation, ties, forms.

    The probes measure the recorded answers again; the model is not asked. Further runs of the same model and cases, in
    other forms (chat, elicited), are forms beside that of the first. What the answers cannot serve is said.

    The exit code is 0 whatever the figures are: how far they move is no verdict.
    """
    from gptaudit.files import to_json, write_atomic
    from gptaudit.reports.multiverse import NO_TEST, render
    from gptaudit.run.multiverse import multiverses

    found = multiverses(runs, plugins, probes, metric)
    if page is not None:
        write_atomic(page, render(found))
    if as_json:
        say(to_json(found), nl=False)
        return
    for one in found.multiverses:
        _show(one)
    say(f"\n{NO_TEST}", dim=True)
    if found.left_out:
        say(f"\nLeft out: {', '.join(found.left_out)}; why: name one with -p", err=True)
    if page is not None:
        say(f"\nPage: {page}")


def _show(found: Multiverse) -> None:
    from gptaudit.reports.multiverse import estimate, spans, summary, words

    say(f"\n{found.probe}.{found.metric}", bold=True)
    for sentence in summary(found):
        say(f"  {sentence}")
    say(f"\n  {'choice':<20} {'options':>7}  range, all else as in the audit")
    for choice, options, span in spans(found):
        say(f"  {choice:<20} {options:>7}  {span}")
    known = found.known
    for title, ends in (("lowest", known[:SHOWN]), ("highest", known[max(SHOWN, len(known) - SHOWN) :])):
        for one in ends:
            say(f"  {title:<8} {estimate(found, one)}: {words(found, one)}")
    for caution in found.cautions:
        say(f"  Note: {caution}.", err=True)
    for left in found.not_varied:
        say(f"  Not varied: {left.choice} ({left.form}): {left.why}.", err=True)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(multiverse)
