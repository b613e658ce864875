"""`gptaudit scorers`: how often a scorer is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete
from gptaudit.commands._say import say
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.records import LabelledShare, ScorerCard


@click.group()
def scorers() -> None:
    """Measure how often a scorer is right."""


@scorers.command()
@click.argument("name", metavar="NAME[=MODEL]", shell_complete=_complete.scorers)
@click.option(
    "--data",
    "paths",
    multiple=True,
    required=True,
    envvar="GPTAUDIT_DATA",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="A folder of public data sets, or a file of labelled texts (JSON Lines); may be given again.",
)
@click.option(
    "--language", default="en", show_default=True, help="Language of the texts in files of your own: en, zh."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the card, as JSON."
)
@click.pass_obj
def evaluate(
    plugins: Plugins, name: str, paths: tuple[Path, ...], language: str, output: Path | None
) -> None:
    """Rate labelled texts with a scorer and show its card: AUROC, sensitivity, specificity.

    The card's error rates go into every figure that uses the scorer: --scorer NAME.card=FILE.
    """
    import torch

    from gptaudit.files import to_json, write_atomic
    from gptaudit.run.scorers import Scorers
    from gptaudit.scorers.evaluation.card import evaluate as measured
    from gptaudit.scorers.evaluation.card import labelled_sets

    role, _, model = name.partition("=")
    chosen = Scorers(plugins, {role: model} if model else {})
    scorer = chosen[role]
    sets = labelled_sets(scorer.name, paths, language)
    card = measured(scorer, sets, _say, threads=torch.get_num_threads())
    if output:
        write_atomic(output, to_json(card))
    _show(card)


def _say(name: str, texts: int) -> None:
    say(f"rating {texts:,} texts of {name}", err=True)


def _show(card: ScorerCard) -> None:
    say(f"{card.scorer} {card.identity.get('model', '')}", bold=True)
    say(f"{card.texts_per_second:,.0f} short texts a second on {card.threads} threads")
    for decision in card.decisions:
        say(f"\n{' or '.join(decision.labels)}, threshold {decision.threshold}")
        for figures in decision.sets:
            say(
                f"  {figures.data} ({figures.positives:,} of {figures.texts:,} positive: {figures.labelled_by})"
            )
            for title in ("auroc", "sensitivity", "specificity"):
                say(f"    {title:12} {_share(getattr(figures, title))}")


def _share(share: LabelledShare | None) -> str:
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]" if share else "too few texts"


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(scorers)
