"""Options that several commands take, and what they share with a `gptaudit.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.text import visible

if TYPE_CHECKING:
    from gptaudit.run.configuration import ConfigurationFile


def key_values(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Split KEY=VALUE; a key of the command line replaces the same key of the file, and leaves its others alone."""
    assert option.name is not None  # noqa: S101 - click names every option
    pairs = {}
    for value in (*(context.lookup_default(option.name) or ()), *values):
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"expected KEY=VALUE, found {value!r}", param=option)
        pairs[key] = rest
    return pairs


def _take_from_file(
    context: click.Context, _: click.Parameter, named: str | None
) -> ConfigurationFile | None:
    """Let the file give the defaults of the other parameters, so that the command line wins over it."""
    from gptaudit.run.configuration import find_configuration

    if context.resilient_parsing:  # the shell asks for words, and the defaults of a file are none
        return None
    found = find_configuration(named)
    if found is not None:
        context.default_map = {**found.arguments}
        keys = ", ".join(found.arguments) or "nothing"
        click.echo(visible(f"Settings from {found.path}: {keys}. Flags win over them."), err=True)
    return found


data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="GPTAUDIT_DATA",
    metavar="DIR",
    help="Folder of public data sets. [env: GPTAUDIT_DATA]",
)

configuration = click.option(
    "--config",
    "configuration",
    is_eager=True,
    callback=_take_from_file,
    metavar="FILE|none",
    help="Take what is not given here from this file; from no file with none.  [default: gptaudit.toml in the working "
    "folder, where there is one]",
)
