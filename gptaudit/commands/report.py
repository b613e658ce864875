"""`gptaudit report`: write reports from results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.plugins import Plugins


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Offer `gptaudit report`."""
    register(report)


@click.command()
@click.argument("results", metavar="RESULTS.json", type=click.Path(path_type=Path))
@click.option(
    "--report",
    "names",
    metavar="FORMAT",
    multiple=True,
    default=("html",),
    help="A format of `gptaudit list reporters`; may be given more than once.  [default: html]",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Default: beside RESULTS.json.",
)
@click.pass_obj
def report(plugins: Plugins, results: Path, names: tuple[str, ...], folder: Path | None) -> None:
    """Write reports from the results of an audit."""
    from gptaudit.evidence.results_file import read_results
    from gptaudit.run.reports import write_reports

    result = read_results(results)
    for path in write_reports(plugins, result, names, folder or results.parent, keep=results):
        click.echo(path)
