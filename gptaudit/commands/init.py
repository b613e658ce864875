"""`gptaudit init`: write a commented `gptaudit.toml`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl


@click.command()
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path),
    default="gptaudit.toml",
    show_default=True,
    metavar="FILE",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def init(path: Path, *, force: bool) -> None:
    """Write a commented gptaudit.toml, from which `gptaudit run` in this folder takes its defaults.

    Every argument of `gptaudit run` can be set in it. Unchanged, it has the defaults that apply without it.
    """
    from gptaudit.files import write_atomic
    from gptaudit.run.configuration import FILE_NAME, starting_configuration

    if not force and (path.exists() or path.is_symlink()):
        msg = (
            f"{path}: exists and was not changed; write another file with -o FILE, or replace it with --force"
        )
        raise UsageError(msg)
    write_atomic(path, starting_configuration())
    command = "gptaudit run" if path == Path(FILE_NAME) else f"gptaudit run --config {shlex.quote(str(path))}"
    say(f"Wrote {path}. Edit it, then: {command}")


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(init)
