"""`gptaudit rescore`: compute a probe's figures from predictions made elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.errors import Finished
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins


@click.command()
@click.argument("probe", shell_complete=_complete.probes)
@click.argument("file", type=click.Path(path_type=Path))
@_options.data
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The run folder."
)
@click.option("--fresh", is_flag=True, help="Start over in a folder that holds another audit.")
@click.pass_obj
def rescore(
    plugins: Plugins, /, probe: str, file: Path, data: Path | None, folder: Path | None, *, fresh: bool
) -> None:
    """Compute the figures of PROBE from the predictions in FILE, and write a report.

    FILE is in the data set's own prediction format. The run folder is like that of `gptaudit run`, so that it can
    be gated and compared.
    """
    from gptaudit.commands._show import show_result
    from gptaudit.evidence.provenance import without_secret_arguments
    from gptaudit.gate.decide import exit_code
    from gptaudit.run.folder import default_folder
    from gptaudit.run.rescoring import Rescoring, rescore

    settings = Rescoring(
        probe,
        file,
        folder or default_folder(f"{probe}-{file.stem}"),
        data,
        fresh=fresh,
        command=("gptaudit", *without_secret_arguments(sys.argv[1:])),
    )
    result = rescore(settings, plugins)
    show_result(result, settings.folder, plugins, verbose=True)
    raise Finished(exit_code(result, None))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(rescore)
