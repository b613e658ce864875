"""Explanations in the terminal."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from gptaudit.commands._say import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gptaudit.attribution.explanation import Ablation, Asking, Explanation, HeadGrid
    from gptaudit.attribution.orders import OrderFaithfulness
    from gptaudit.attribution.suites.explanation import Faithfulness, SuiteExplanation, TokenPart

TOWARDS, AGAINST = (223, 216, 209), (153, 111, 69)
"""Backgrounds of words in the terminal, of 256 colours, from weak to strong."""


def show(found: Explanation | SuiteExplanation) -> None:
    """Print an explanation."""
    from gptaudit.attribution.explanation import Explanation

    if isinstance(found, Explanation):
        _show_prompt(found)
    else:
        _show_suite(found)


def page(found: Explanation | SuiteExplanation, target: str, language: str) -> str:
    """Return an explanation as HTML, told in a language; `target` is the model as it was named."""
    from gptaudit.attribution.explanation import Explanation
    from gptaudit.language import told_in
    from gptaudit.reports.explanation import render, render_suite

    with told_in(language):
        return render(found, target) if isinstance(found, Explanation) else render_suite(found, target)


def _show_prompt(found: Explanation) -> None:
    words, attribution = found.words, found.attribution
    say(f"{found.compared} = {attribution.contrast:+.3f} ({found.unit})", bold=True)
    peak = max((abs(word.score) for word in words), default=0.0)
    for word in words:
        fg, bg = (None, None) if found.failures else _colours(word.score, peak)
        say(word.text, nl=False, fg=fg, bg=bg)
    say("\n")
    intervals = found.asking.intervals if found.asking else [None] * len(words)
    for word, interval in zip(words, intervals, strict=True):
        ends = f"  {interval[0]:+8.3f} to {interval[1]:+.3f}" if interval else ""
        say(f"  {word.score:+8.3f}  {word.text.strip()}{ends}")
    say(f"\nWithout the words ({attribution.baseline} in place of each) it is ", nl=False)
    say(f"{attribution.baseline_contrast:+.3f}.")
    _show_failures(found.failures)
    if attribution.converged:
        say(f"The scores add up to the change, but for {attribution.delta:+.3f}.")
    elif attribution.converged is None:
        say(
            f"The method does not promise that scores add up; they differ from the change by {attribution.delta:+.3f}."
        )
    times = "runs" if found.asking is None else "requests"
    say(
        f"{attribution.method}, {attribution.steps} {times}. Scores depend on the method and on the baseline."
    )
    if found.asking is not None:
        _show_asking(found.asking)
    if found.faithfulness is not None:
        _show_faithfulness(found.faithfulness, found.unit)
    else:
        say("Whether the words with the largest scores matter together is not checked: it takes ", nl=False)
        say("log-probabilities, two words, and more requests.")
    if found.grid is not None:
        _show_grid(found.grid)
    if found.ablation is not None:
        _show_ablation(found.ablation)


def _colours(score: float, peak: float) -> tuple[int | None, int | None]:
    """Return the colours of a word and of its background; only a terminal shows them."""
    strength = round(3 * abs(score) / peak) if peak else 0
    return (16, (TOWARDS if score > 0 else AGAINST)[strength - 1]) if strength else (None, None)


def _show_asking(asking: Asking) -> None:
    """Print how far what a target answered can be relied on."""
    say(
        f"Read from {asking.through}, {asking.rounds} {'round' if asking.rounds == 1 else 'rounds'}", nl=False
    )
    say("; the intervals are over the rounds, 95 % for all words together." if any(asking.intervals) else ".")
    if asking.neither is not None:
        say(f"{100 * asking.neither:.0f} % of the answers begin with neither, and count as 0.")
    if asking.unknown:
        say(f"Only the likeliest first tokens are shown: values may be off by up to {asking.unknown:.2g}.")


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


def _show_suite(found: SuiteExplanation) -> None:
    from gptaudit.attribution.suites.sentences import nats, words_of_axis

    say(f"{found.title}: {found.items} of {found.cases} pairs of prompts", bold=True)
    for reason, count in found.left_out.items():
        say(f"  {count} left out: {reason}")
    for sentence in found.sentences:
        say(f"\n{sentence}")
    say(
        f"\nHeads out   difference by {words_of_axis(found.axis)}, at random, what is true, another suite, perplexity"
    )
    for point in found.proof.points:
        at_random = f"{min(point.at_random):.2f} to {max(point.at_random):.2f}" if point.at_random else "-"
        fact, unrelated = (
            "-" if one is None else f"{one.value:+.2f}" for one in (point.fact, point.unrelated)
        )
        say(f"  {point.k:>3}  {nats(point.gap)}, {at_random}, {fact}, {unrelated}, {point.perplexity:.1f}")
    stability = found.heads.stability
    say(
        f"\nThe first head stays the first in {100 * stability.first_stays:.0f} % of {stability.resamples} resamples, "
        f"and {100 * stability.overlap:.0f} % of the first {stability.compared} are among them again. Taken out alone:"
    )
    for head in found.heads.confirmed:
        say(
            f"  {head.head:>6}  {nats(head.effect)}, {head.shown}   (gradients foresaw {head.predicted:+.3f})"
        )
    if found.tokens is not None:
        _show_tokens(found.tokens, found.slot)
    if found.mediation is not None:
        mediation = found.mediation
        say(
            f"\nCausal mediation over {mediation.items} pairs: total effect {mediation.total.value:+.3f}",
            bold=True,
        )
        for one in (mediation.all_heads, *mediation.layers, *mediation.heads):
            say(f"  {one.name:>10}  indirect {one.indirect.value:+.3f}, direct {one.direct.value:+.3f}")


def _show_tokens(tokens: TokenPart, slot: str) -> None:
    from gptaudit.attribution.suites.sentences import nats

    say(f"\nWords, by {tokens.method}", bold=True)
    for one in (*tokens.slots, *tokens.words):
        say(f"  {nats(one.score)}  {one.name}")
    say(
        f"  The {slot} adds more than any other word in {100 * tokens.first_in_pairs:.0f} % of the pairs, and in "
        f"{100 * tokens.first_in_prompts:.0f} % of single prompts, where what all have in common counts too."
    )
    check = tokens.faithfulness
    if check is not None:
        _show_failures(check.failures)
        _show_faithfulness(check, "nats")
        if check.randomised is not None:
            say(f"  rank correlation with a model of shuffled weights {check.randomised:+.2f}")


def _show_failures(failures: Sequence[str]) -> None:
    """Print what speaks against an explanation."""
    for failure in failures:
        say("FAILED: ", nl=False, fg="red", bold=True)
        say(f"{failure}. Do not rely on them; try another --method.")


def _show_faithfulness(check: OrderFaithfulness | Faithfulness, unit: str) -> None:
    """Print whether the largest scores are of tokens that matter, and whether the scores are stable."""
    from gptaudit.attribution.orders import PromptFaithfulness
    from gptaudit.attribution.suites.explanation import Faithfulness

    for name, value, at_random in (
        ("Without those of the largest scores", check.comprehensiveness, check.random_comprehensiveness),
        ("With these alone", check.sufficiency, check.random_sufficiency),
    ):
        least, most = min(at_random), max(at_random)
        say(f"{name} it falls by {value:.2f} ({unit}), in random orders by {least:.2f} to {most:.2f}.")
    for ways, curve in (("Deletion", check.deletion), ("Insertion", check.insertion)):
        least, most = min(curve.random_areas), max(curve.random_areas)
        say(f"{ways}: {curve.area:.2f} ({unit}) under the curve, in random orders {least:.2f} to {most:.2f}.")
    if not isinstance(check, PromptFaithfulness | Faithfulness):
        return
    least, most = (sqrt(end(check.random_infidelity)) for end in (min, max))
    say(
        f"What the scores foresee without random tokens misses by {sqrt(check.infidelity):.2f} nats; ",
        nl=False,
    )
    say(f"handed out at random they miss by {least:.2f} to {most:.2f}.")
    if check.sensitivity is not None:
        say(f"When the embeddings hardly change, the scores change by {100 * check.sensitivity:.0f} %.")
