"""`gptaudit report`: write reports from results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.commands._say import say
from gptaudit.errors import ExitCode, Finished
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.plugins import Plugins


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(report)


@click.command()
@click.argument("results", metavar="RESULTS.json", type=click.Path(path_type=Path))
@click.option(
    "--report",
    "names",
    metavar="FORMAT",
    shell_complete=_complete.reports,
    multiple=True,
    default=("html",),
    help="Format of a report, see `gptaudit list reporters`; may be repeated.  [default: html]",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the reports.  [default: the folder of RESULTS.json]",
)
@_options.lang
@click.pass_obj
def report(plugins: Plugins, results: Path, names: tuple[str, ...], folder: Path | None, lang: str) -> None:
    """Write reports from the results of an audit."""
    from gptaudit.commands._show import show_faults
    from gptaudit.evidence.results_file import read_bound
    from gptaudit.run.faults import Faults
    from gptaudit.run.reports import write_again

    result = read_bound(results)
    faults = Faults(plugins, None)
    folder = folder or results.parent
    for path in write_again(faults, result, names, results, folder, lang):
        say(path)
    show_faults(faults.found, None)
    if any(fault.lost for fault in faults.found):
        raise Finished(ExitCode.BUG)
