"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="GPTAUDIT_DATA",
    metavar="DIR",
    help="Folder of public data sets. [env: GPTAUDIT_DATA]",
)
