"""`gptaudit explain`: which tokens and heads make a model prefer one continuation to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _complete, _options
from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.attribution.explanation import Ablation, Explanation, HeadGrid
    from gptaudit.plugins import Plugins

TOWARDS, AGAINST = (223, 216, 209), (153, 111, 69)
"""Backgrounds of words in the terminal, of 256 colours, from weak to strong."""


@click.command()
@click.argument("target", shell_complete=_complete.targets)
@click.option("--prompt", required=True, metavar="TEXT", help="What the model reads.")
@click.option(
    "--target", "expected", required=True, metavar="TEXT", help="How it may go on, with the space before it."
)
@click.option(
    "--foil", metavar="TEXT", help="What the target is compared with. [default: everything else it may say]"
)
@click.option(
    "--method",
    default="integrated_gradients",
    show_default=True,
    metavar="M",
    help="integrated_gradients, input_x_gradient, feature_ablation or shapley_value_sampling.",
)
@click.option(
    "--heads", "grid", is_flag=True, help="Rank the attention heads, and take the first ones out, one by one."
)
@click.option(
    "--ablate", metavar="L.H,...", help="Take these query heads out together; layers and heads count from 0."
)
@click.option(
    "-o", "--output", "page", type=click.Path(path_type=Path), metavar="FILE.html", help="Write this page."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option(
    "-b",
    "--backend-option",
    "backend_options",
    multiple=True,
    callback=_options.key_values,
    metavar="KEY=VALUE",
    help="An option of the target, as in `gptaudit run`.",
)
@click.option("--seed", type=_options.SEED, default=0, show_default=True, help="Seed of all that is sampled.")
@click.pass_obj
def explain(  # noqa: PLR0913, PLR0917 - one for each option
    plugins: Plugins,
    target: str,
    prompt: str,
    expected: str,
    foil: str | None,
    method: str,
    ablate: str | None,
    page: Path | None,
    backend_options: dict[str, str],
    seed: int,
    *,
    grid: bool,
    as_json: bool,
) -> None:
    """Show which tokens of a prompt make TARGET expect a continuation, or prefer it to another.

    The scores of the tokens add up to what the prompt changes; where they do not, the explanation says so. Heads that
    are taken out put out their mean over neutral texts, and the prompt is scored again.
    """
    from gptaudit.attribution.explaining import Explainer
    from gptaudit.attribution.heads import read_heads
    from gptaudit.files import write_atomic
    from gptaudit.reports.explanation import render
    from gptaudit.run.target import open_target

    if page is not None and page.suffix != ".html":
        msg = f"-o {page}: expected a file that ends in .html"
        raise UsageError(msg)
    heads = read_heads(ablate) if ablate is not None else ()
    if prompt[-1:].isalnum() and any(side[:1].isalnum() for side in (expected, foil or " ")):
        say("Note: a target that begins with no space continues the prompt's last word.", err=True)
    explainer = Explainer(open_target(target, backend_options, plugins)[0])
    found = explainer.explain(prompt, expected, foil, method, grid=grid, ablate=heads, seed=seed)
    if as_json:
        say(found.to_json())
    else:
        _show(found)
    if page is not None:
        write_atomic(page, render(found, target))
        say(f"Page: {page}", err=as_json)


def _show(found: Explanation) -> None:
    words, attribution = found.words, found.attribution
    say(f"{found.compared} = {attribution.contrast:+.3f} nats", bold=True)
    peak = max((abs(word.score) for word in words), default=0.0)
    for word in words:
        fg, bg = _colours(word.score, peak)
        say(word.text, nl=False, fg=fg, bg=bg)
    say("\n")
    for word in words:
        say(f"  {word.score:+8.3f}  {word.text.strip()}")
    say(f"\nWithout the words (each token the {attribution.baseline}) it is ", nl=False)
    say(f"{attribution.baseline_contrast:+.3f}.")
    if attribution.converged is False:
        say("FAILED: ", nl=False, fg="red", bold=True)
        missed = f"the scores miss the change by {attribution.delta:+.3f}"
        say(f"{missed}. Do not rely on them; try another --method.")
    elif attribution.converged:
        say(f"The scores add up to the change, but for {attribution.delta:+.3f}.")
    else:
        say(
            f"The method does not promise that scores add up; they differ from the change by {attribution.delta:+.3f}."
        )
    say(f"{attribution.method}, {attribution.steps} runs. Scores depend on the method and on the baseline.")
    if found.grid is not None:
        _show_grid(found.grid)
    if found.ablation is not None:
        _show_ablation(found.ablation)


def _colours(score: float, peak: float) -> tuple[int | None, int | None]:
    """Return the colours of a word and of its background; only a terminal shows them."""
    strength = round(3 * abs(score) / peak) if peak else 0
    return (16, (TOWARDS if score > 0 else AGAINST)[strength - 1]) if strength else (None, None)


def _show_grid(grid: HeadGrid) -> None:
    layers, heads = len(grid.predicted), len(grid.predicted[0])
    grouped = f", {grid.key_heads} with keys of their own" if grid.key_heads < heads else ""
    say(f"\nHeads: {layers} layers of {heads} query heads{grouped}", bold=True)
    say("The first by gradients, each taken out alone and the prompt scored again:")
    for name, effect in grid.effects.items():
        layer, head = map(int, name.split("."))
        say(f"  {name:>6}  {effect:+8.3f} nats   (gradients foresaw {grid.predicted[layer][head]:+.3f})")


def _show_ablation(ablation: Ablation) -> None:
    say(f"\nWithout {', '.join(ablation.heads)}: ", bold=True, nl=False)
    say(f"{ablation.before:+.3f} -> {ablation.after:+.3f} nats")
    if ablation.after_random:
        least, most = min(ablation.after_random), max(ablation.after_random)
        sets = f"{len(ablation.after_random)} random sets of heads of the same layers"
        say(f"  without {sets}: {least:+.3f} to {most:+.3f}")
    else:
        say("  there are no other heads in these layers to compare with")
    before, after = ablation.perplexity_before, ablation.perplexity_after
    say(f"  perplexity of neutral sentences: {before:.1f} -> {after:.1f}")
    say(
        "  One prompt: whether these heads also carry what is true, such as the gender of a mother, is not shown."
    )


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(explain)
