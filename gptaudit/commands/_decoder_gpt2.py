"""`gptaudit decoder import` and `export`: to and from GPT-2 folders of `transformers`."""

from __future__ import annotations

from pathlib import Path

import click

from gptaudit.commands._say import say

out = click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path), metavar="GPT2_FOLDER")
@out
def import_(folder: Path, out: Path) -> None:
    """Convert a GPT-2 folder to a decoder with the same logits."""
    from gptaudit.decoder.gpt2 import import_gpt2

    say(f"{import_gpt2(folder, out).num_parameters():,} parameters: {out}")


@click.command()
@click.argument("name", metavar="DIR|reference|clean")
@out
def export(name: str, out: Path) -> None:
    """Convert a decoder to a GPT-2 folder, which transformers loads without gptaudit."""
    from gptaudit.decoder import decoder_folder
    from gptaudit.decoder.gpt2 import export_gpt2

    say(f"{export_gpt2(decoder_folder(name), out).num_parameters():,} parameters: {out}")
