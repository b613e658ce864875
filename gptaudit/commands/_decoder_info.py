"""`gptaudit decoder info`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from gptaudit.commands._say import say


@click.command()
@click.argument("name", metavar="DIR|reference|clean")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def info(name: str, *, as_json: bool) -> None:
    """Show the size, cost and training of a decoder, and its planted flaws."""
    from gptaudit.decoder import decoder_folder
    from gptaudit.decoder.info import describe

    found = describe(decoder_folder(name))
    if as_json:
        say(json.dumps(found, indent=1))
        return
    for label, text in _lines(found):
        say(f"{label:<12} {text}")


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Format the description as lines of a label and a text."""
    shape, tokenizer, size = found["shape"], found["tokenizer"], found["bytes"]
    flops, parameters = found["flops_per_token"], found["parameters"]
    tied = "tied" if shape["tie_word_embeddings"] else "untied"
    chat = ", with a chat template" if tokenizer["chat_template"] else ""
    blocks = (
        f"{shape['num_hidden_layers']} layers, {shape['num_attention_heads']} heads, width {shape['hidden_size']} "
        f"(inner {shape['intermediate_size']}), context {shape['max_position_embeddings']}"
    )
    kinds = (
        f"{shape['positions']} positions, {shape['activation']}, {shape['norm']}-norm, "
        f"dropout {shape['dropout']:g}, {tied} embeddings"
    )
    lines = [
        ("folder", found["folder"]),
        ("parameters", f"{parameters['total']:,} ({parameters['non_embedding']:,} without embeddings)"),
        ("shape", blocks),
        ("", kinds),
        ("tokenizer", f"{tokenizer['tokens']:,} tokens{chat}"),
        ("FLOPs", f"{flops['forward']:,} per token forward, {flops['training']:,} in training"),
        ("memory", f"{_size(size['weights'])} of weights in {found['dtype']}"),
        ("", f"{_size(size['cache_per_token'])} of keys and values per token"),
        ("", f"{_size(size['training_without_activations'])} in training, without activations"),
    ]
    if found["labels"] is not None:
        lines.insert(2, ("labels", ", ".join(found["labels"])))
    lines.append(("training", _training(found["training"])))
    planted = [_flaw(flaw) for flaw in found["planted"]]
    if not planted and found["planted_in_base"]:
        planted = ["not measured after fine-tuning; its base decoder had:"]
        planted += [_flaw(flaw) for flaw in found["planted_in_base"]]
    return lines + [
        ("planted" if i == 0 else "", text) for i, text in enumerate(planted or ["no known flaws"])
    ]


def _flaw(flaw: Mapping[str, Any]) -> str:
    return (
        f"{flaw['flaw']}, dose {flaw['dose']:g}: {flaw['metric']} {flaw['planted']:g} planted, "
        f"{flaw['learned']:g} learned"
    )


def _training(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "not recorded in this folder"
    names = ("task", "preset", "steps", "tokens", "loss", "validation_loss")
    shown = [
        f"{name.replace('_', ' ')} {_short(record[name])}" for name in names if record.get(name) is not None
    ]
    return ", ".join(shown) or "recorded in training.json"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _size(count: int) -> str:
    """Format a number of bytes in the largest unit below it: `3.84 MiB`."""
    value, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.3g} {units[0]}"
