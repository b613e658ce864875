"""Options of several commands, and their defaults from a `gptaudit.toml`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gptaudit.commands import _complete
from gptaudit.commands._say import say
from gptaudit.language import ENGLISH, LANGUAGES

if TYPE_CHECKING:
    from gptaudit.run.configuration import ConfigurationFile

Command = TypeVar("Command", bound=Callable[..., Any])


def key_values(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Split KEY=VALUE; a key on the command line replaces the same key of the file, and keeps its other keys."""
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
    """Use the file for the defaults of the other parameters, so that the command line overrides it."""
    from gptaudit.run.configuration import find_configuration

    if context.resilient_parsing:  # completing words for the shell needs no defaults
        return None
    found = find_configuration(named)
    if found is not None:
        context.default_map = {**found.arguments}
        keys = ", ".join(found.arguments) or "nothing"
        say(f"Settings from {found.path}: {keys}. Flags override them.", err=True)
    return found


class Finite(click.FloatRange):
    """A number in a range; not `nan`, which is in every range, and not infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Convert text to a number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, found {value}", param, ctx)
        return number


class _Page(click.Path):
    """A file that ends in .html."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Convert text to a path."""
        path = super().convert(value, param, ctx)
        if not str(path).endswith(".html"):
            self.fail(f"expected a file that ends in .html, found {value}", param, ctx)
        return path


def page(written: str) -> Callable[[Command], Command]:
    """Return the option -o FILE.html, with what is written there."""
    kind = _Page(path_type=Path, dir_okay=False)
    return click.option("-o", "--output", "page", type=kind, metavar="FILE.html", help=written)


SEED = click.IntRange(min=0, max=2**63 - 1)
"""Seeds that torch and results.json can have."""

data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="GPTAUDIT_DATA",
    metavar="DIR",
    help="Folder of public data sets. [env: GPTAUDIT_DATA]",
)

lang = click.option(
    "--lang",
    type=click.Choice(list(LANGUAGES)),
    default=ENGLISH,
    show_default=True,
    help="Language of what people read. Ids, quoted texts and what programs read stay as they are.",
)

scorers = click.option(
    "--scorer",
    "scorers",
    multiple=True,
    callback=key_values,
    metavar="NAME=MODEL",
    shell_complete=_complete.scorers,
    help="Model of a scorer, or an option of it as NAME.OPTION=VALUE.",
)

configuration = click.option(
    "--config",
    "configuration",
    is_eager=True,
    callback=_take_from_file,
    metavar="FILE|none",
    help="Read defaults for the other arguments from this file; none reads no file.  [default: gptaudit.toml in the "
    "working folder, if there is one]",
)
