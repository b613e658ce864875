"""The `gptaudit` program: its commands come from plugins, its errors end here."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click
from click.shell_completion import shell_complete

import gptaudit
from gptaudit.commands._help import write_sections
from gptaudit.errors import ExitCode, Finished, GptauditError, Terminated
from gptaudit.plugins import Plugins, load_plugins
from gptaudit.text import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

COMPLETION = "_GPTAUDIT_COMPLETE"
"""What a shell sets to ask for its completion script, or for the words that may follow."""

TOLERANT = ("doctor", "run")
"""Commands that are begun although a plugin is broken: they say what is wrong with it, or may leave it out."""


TASKS = {
    "Audit": ("run", "init", "rescore"),
    "Decide": ("gate", "compare", "power", "verify"),
    "Look closer": ("view", "evidence", "report", "explain", "multiverse", "label"),
    "Know how far to trust it": ("calibrate", "scorers"),
    "See what there is": ("list", "data", "schema", "doctor"),
    "Make your own": ("plugin", "decoder"),
}
"""Heading in the help -> commands, the most common first. Those of plugins stand under a heading of their own."""


class Program(click.Group):
    """A group whose commands are those that the plugins register."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by what they are for, each with its first sentence."""
        commands = _plugins(ctx).commands
        ours = {name for names in TASKS.values() for name in names}
        tasks = {**TASKS, "From plugins": sorted(commands.keys() - ours)}
        write_sections(
            formatter,
            {
                heading: [
                    (name, commands[name].get_short_help_str(limit=200)) for name in names if name in commands
                ]
                for heading, names in tasks.items()
            },
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted(_plugins(ctx).commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command."""
        return _plugins(ctx).commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was called; a broken plugin stops it here, and leaves help and completion alone."""
        if args[0] not in TOLERANT and not ctx.resilient_parsing:
            _plugins(ctx).require_sound()
        _plugins(ctx).require_one("commands", args[0], args[0])
        return super().resolve_command(ctx, args)


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gptaudit.__version__, prog_name="gptaudit")
@click.option(
    "--without", metavar="PLUGIN", multiple=True, help="Leave a plugin out; may stand after the command too."
)
def program(without: tuple[str, ...]) -> None:
    """Audit language models for bias, toxicity and unsafe behaviour, and gate their releases."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit with a code of `ExitCode`."""
    # Nothing leaves the machine unasked: huggingface_hub reports its use unless it is told not to.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    _survive_closed_pipes()
    if instruction := os.environ.get(COMPLETION):
        raise SystemExit(shell_complete(program, {}, "gptaudit", COMPLETION, instruction))
    arguments = _without_first(sys.argv[1:] if arguments is None else arguments)
    try:
        with terminable():
            program.main(arguments, prog_name="gptaudit", standalone_mode=False)
        code = ExitCode.PASS
    except Finished as finished:
        code = finished.code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(visible(shown.getvalue()), err=True, nl=False)
        code = ExitCode.USAGE
    except GptauditError as error:
        click.echo(f"Error: {visible(str(error))}", err=True)
        code = error.exit_code
    except click.Abort as abort:  # what click makes of a KeyboardInterrupt
        terminated = isinstance(abort.__cause__, Terminated)
        click.echo("Terminated." if terminated else "Interrupted.", err=True)
        code = ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED
    except SystemExit:
        click.echo("Error: exited unexpectedly: a plugin or a library ended Python", err=True)
        code = ExitCode.BUG
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is reported with its traceback
        click.echo(visible(traceback.format_exc()), err=True)
        click.echo(f"This is a bug in gptaudit or a plugin ({type(error).__name__}).", err=True)
        code = ExitCode.BUG
    raise SystemExit(int(code))


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does; only the main thread may say so, and in others nothing changes."""

    def terminate(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - as Python calls it
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Pipe(io.FileIO):
    """A file that goes on when its reader is gone, as `head` is after its lines: the exit code is still to come."""

    def write(self, content: Buffer, /) -> int:
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            return memoryview(content).nbytes


def _survive_closed_pipes() -> None:
    """Replace standard output and error by streams that drop what nobody reads any more."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            buffered = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
            replaced = io.TextIOWrapper(
                buffered,
                encoding=stream.encoding,
                # A character that the terminal lacks is no reason to end without an exit code.
                errors="backslashreplace" if stream.errors == "strict" else stream.errors,
                line_buffering=stream.line_buffering or name == "stderr",
            )
            setattr(sys, name, replaced)


def _plugins(context: click.Context) -> Plugins:
    """Load the plugins once for a call of the program."""
    if context.obj is None:
        context.obj = load_plugins(context.params.get("without", ()))
    plugins: Plugins = context.obj
    return plugins


def _without_first(arguments: Sequence[str]) -> list[str]:
    """Move `--without PLUGIN` to the front: plugins are loaded before the command is known."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--without":
            first += [argument, *([name] if (name := next(remaining, None)) is not None else [])]
        elif argument.startswith("--without="):
            first.append(argument)
        else:
            rest.append(argument)
    return [*first, *rest]
