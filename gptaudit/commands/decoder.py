"""`gptaudit decoder`: train the bundled decoder, and let it write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gptaudit.hookspecs import hookimpl


@click.group()
def decoder() -> None:
    """Train the bundled decoder, and let it write."""


@decoder.command()
@click.option(
    "--corpus", required=True, type=click.Path(path_type=Path), metavar="FILE", help="UTF-8 text to learn."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)
@click.option(
    "--preset",
    type=click.Choice(["nano", "mini"]),
    default="mini",
    show_default=True,
    help="Size of the decoder.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Optimiser steps; the preset's own number by default."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same decoder.")
def train(corpus: Path, out: Path, preset: str, steps: int | None, seed: int) -> None:
    """Train a decoder on a text file."""
    from gptaudit.decoder.training import read_corpus
    from gptaudit.decoder.training import train as train_decoder

    record = train_decoder(read_corpus(corpus), out, preset=preset, steps=steps, seed=seed)
    seen, loss = record["tokens"], record["loss"]
    click.echo(f"{record['parameters']:,} parameters, {seen:,} tokens seen, loss {loss:.3f}: {out}")


@decoder.command()
@click.argument("name", metavar="DIR|reference|clean")
@click.option("--prompt", required=True, help="The text to go on from.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=40, show_default=True)
@click.option(
    "--temperature", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0 is greedy."
)
@click.option("--top-p", type=click.FloatRange(min=0, min_open=True, max=1), default=0.95, show_default=True)
@click.option(
    "--n", "count", type=click.IntRange(min=1), default=1, show_default=True, help="Number of texts."
)
@click.option("--seed", type=int, default=0, show_default=True)
def generate(
    name: str, prompt: str, max_new_tokens: int, temperature: float, top_p: float, count: int, seed: int
) -> None:
    """Print what a decoder writes after a prompt."""
    from gptaudit.backends.decoder import open_decoder
    from gptaudit.causal_lm.options import TorchOptions
    from gptaudit.errors import UsageError
    from gptaudit.records import Failure, GenerateRequest, Sampling
    from gptaudit.text import visible

    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p)
    requests = [GenerateRequest(prompt, sampling, sample) for sample in range(count)]
    for answer in open_decoder(name, TorchOptions()).generate(requests, seed=seed):
        if isinstance(answer, Failure):
            msg = (
                f"prompt and --max-new-tokens: {answer.message}; shorten the prompt or lower --max-new-tokens"
            )
            raise UsageError(msg)
        click.echo(visible(prompt + answer.text))


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Offer the commands."""
    register(decoder)
