"""`gptaudit plugin`: begin a plugin of one's own."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from gptaudit.commands._say import say
from gptaudit.markers import hookimpl


@click.group()
def plugin() -> None:
    """Write plugins: probes, scorers, backends, reporters, attacks and suites of one's own."""


@plugin.command()
@click.argument("name")
@click.option("--probe", "kind", flag_value="probe", default=True, help="A probe.  [default]")
@click.option("--scorer", "kind", flag_value="scorer", help="A scorer of texts.")
@click.option("--backend", "kind", flag_value="backend", help="A kind of target.")
@click.option("--reporter", "kind", flag_value="reporter", help="A format of reports.")
@click.option("--attack", "kind", flag_value="attack", help="An attack on requests.")
@click.option("--suite", "kind", flag_value="suite", help="Suites in TOML files, without code.")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new folder for it.  [default: NAME in the working folder]",
)
def new(name: str, kind: str, folder: Path | None) -> None:
    """Write a distribution NAME, such as gptaudit-politeness, that can be installed, and its tests."""
    from gptaudit.testing.scaffold import write_plugin

    folder = folder or Path(name)
    for path in write_plugin(folder, name, kind):
        say(f"Wrote {path}")
    place = shlex.quote(str(folder))
    say(f"Next: python -m pip install -e {place} && python -m pytest {place}")


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(plugin)
