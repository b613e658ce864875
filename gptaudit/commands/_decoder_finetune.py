"""`gptaudit decoder finetune`."""

from __future__ import annotations

from pathlib import Path

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say


@click.command()
@click.argument("name", metavar="DIR|reference|clean")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help='Lines of {"text"}, {"prompt", "response"} or {"text", "label"}, as the task requires.',
)
@click.option(
    "--task",
    required=True,
    type=click.Choice(["lm", "instruct", "classify"]),
    help="Continue texts, answer prompts, or classify texts.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Optimiser steps, in place of epochs.")
@click.option(
    "--epochs",
    type=_options.Finite(min=0, min_open=True),
    metavar="X",
    help="Passes over the data. [default: 3]",
)
@click.option(
    "--learning-rate",
    type=_options.Finite(min=0, min_open=True),
    metavar="X",
    help="Highest learning rate of the schedule. [default: 3e-4]",
)
@click.option("--seed", type=_options.SEED, metavar="N", help="The same seed gives the same weights.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_options.key_values,
    metavar="KEY=VALUE",
    help="Another setting, such as batch=8 or validation=0.1.",
)
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint in the output folder.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def finetune(
    *,
    name: str,
    data: Path,
    task: str,
    out: Path,
    overrides: dict[str, str],
    resume: bool,
    quiet: bool,
    **given: float | None,
) -> None:
    """Fine-tune a decoder on a JSONL file."""
    from gptaudit.commands._progress import shown_progress
    from gptaudit.decoder import decoder_folder
    from gptaudit.decoder.finetuning import finetune as finetune_decoder

    if given["steps"] and given["epochs"]:
        msg = "--steps and --epochs exclude each other; give one of them"
        raise click.UsageError(msg)
    settings = {**overrides, **{key: value for key, value in given.items() if value is not None}}
    with shown_progress(quiet=quiet) as progress:
        record = finetune_decoder(
            decoder_folder(name), data, out, task=task, overrides=settings, resume=resume, progress=progress
        )
    validation, accuracy, left_out = record["validation_loss"], record["accuracy"], record["data"]["left_out"]
    text = f"{record['steps']:,} steps, loss {record['loss']:.3f}"
    text += "" if validation is None else f", validation loss {validation:.3f}"
    text += "" if accuracy is None else f", accuracy {accuracy:.1%} on {record['data']['held']:,} lines"
    say(f"{text}: {out}")
    if left_out:
        say(f"{left_out:,} of {record['data']['lines']:,} lines were skipped: longer than the context")
