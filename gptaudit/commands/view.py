"""`gptaudit view`: every case of a finished audit in the browser."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 8765


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@_options.lang
def view(folder: Path, port: int, lang: str) -> None:
    """Show every case of the audit in FOLDER in a browser, until Ctrl-C.

    The page is for this machine alone and changes nothing: it listens on 127.0.0.1, answers no other site, and sends
    nothing elsewhere. Filters are those of `gptaudit evidence`.
    """
    from aiohttp import web

    from gptaudit.errors import UsageError
    from gptaudit.evidence.cases import StoredCases
    from gptaudit.reports.viewer import HOST, listening, viewer

    try:
        socket = listening(port)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        msg = f"--port {port}: cannot be used: {why}. Choose another, or --port 0 for a free one"
        raise UsageError(msg) from None
    with socket, suppress(KeyboardInterrupt):  # an interruption is how it ends
        taken = socket.getsockname()[1]
        application = viewer(StoredCases(folder), str(folder), taken, lang)
        say(f"http://{HOST}:{taken}/  (Ctrl-C ends it)")
        web.run_app(application, sock=socket, print=None, handle_signals=False)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(view)
