"""`gptaudit decoder`: train, inspect and use the bundled decoder."""

from __future__ import annotations

from collections.abc import Callable

import click

from gptaudit.commands._decoder_finetune import finetune
from gptaudit.commands._decoder_generate import generate
from gptaudit.commands._decoder_gpt2 import export, import_
from gptaudit.commands._decoder_info import info
from gptaudit.commands._decoder_train import train
from gptaudit.markers import hookimpl


@click.group()
def decoder() -> None:
    """Train, fine-tune, inspect and use the bundled decoder."""


for command in (train, finetune, generate, info, import_, export):
    decoder.add_command(command)


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(decoder)
