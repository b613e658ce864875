"""All that commands print goes through `say`, so that no text of a model, a file or a user controls the terminal."""

from __future__ import annotations

from typing import Any

import click

from gptaudit.text import visible


def say(text: object = "", *, err: bool = False, nl: bool = True, **style: Any) -> None:  # noqa: ANN401 - as click has it
    """Print a text, on standard error with `err`; `style` is that of `click.style`."""
    click.secho(visible(str(text)), err=err, nl=nl, **style)
