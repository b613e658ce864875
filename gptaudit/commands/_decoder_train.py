"""`gptaudit decoder train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say


@click.command()
@click.option(
    "--corpus",
    "paths",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Text, JSONL or a folder of them, also as .gz; may be repeated.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)
@click.option(
    "--preset",
    type=click.Choice(["nano", "mini", "small"]),
    default="mini",
    show_default=True,
    help="Size of the decoder.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), metavar="N", help="Optimiser steps. [default: the preset's]"
)
@click.option(
    "--tokens", type=click.IntRange(min=1), metavar="N", help="Tokens to train on, instead of --steps."
)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint in DIR.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_options.key_values,
    metavar="KEY=VALUE",
    help="Replace a setting of the preset, such as learning_rate=1e-3 or positions=rotary.",
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Use the tokenizer in this folder. [default: train one on the corpus]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GPTAUDIT_CACHE",
    metavar="DIR",
    help="Keep the tokenized corpus here for other trainings. [env: GPTAUDIT_CACHE]",
)
@click.option("--seed", type=_options.SEED, metavar="N", help="The same seed gives the same decoder.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def train(paths: tuple[Path, ...], out: Path, *, quiet: bool, **given: Any) -> None:  # noqa: ANN401
    """Train a decoder on text.

    A text file is one document; a JSONL file has one per line, {"text": ...}. The decoder, its tokenizer,
    training.json and the loss curve, loss.svg, are written to DIR.

    Several processes: torchrun --nproc-per-node 2 -m gptaudit decoder train ... Each sees batch x accumulation
    blocks per step, so the effective batch is that times the number of processes.
    """
    from gptaudit.commands._progress import shown_progress
    from gptaudit.decoder.corpus import corpus_files
    from gptaudit.decoder.training import train_corpus

    if given["steps"] and given["tokens"]:
        msg = "--steps and --tokens exclude each other; give one of them"
        raise click.UsageError(msg)
    first = os.environ.get("RANK", "0") == "0"
    try:
        with shown_progress(quiet=quiet or not first) as progress:
            record = train_corpus(corpus_files(paths), out, progress=progress, **given)
    except KeyboardInterrupt:
        if first:
            say("The last checkpoint is kept: repeat the command with --resume to continue.", err=True)
        raise
    if first:
        say(f"{_summary(record)}: {out}")


def _summary(record: dict[str, Any]) -> str:
    validation = record["validation_loss"]
    held = "" if validation is None else f", validation loss {validation:.3f}"
    early = (
        "" if record["steps"] == record["settings"]["steps"] else f", stopped early at step {record['steps']}"
    )
    return (
        f"{record['parameters']:,} parameters, {record['tokens']:,} tokens seen, "
        f"{record['tokens_per_second']:,.0f} per second, loss {record['loss']:.3f}{held}{early}"
    )
