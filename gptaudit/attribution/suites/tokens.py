"""Attribution of a suite's difference to slots of its templates and to words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.faithfulness import ORDERS, check_scores, rank_correlation, shuffled
from gptaudit.attribution.orders import mean_curve
from gptaudit.attribution.suites.estimates import mean_of
from gptaudit.attribution.suites.explanation import Faithfulness, SlotScore, TokenPart
from gptaudit.attribution.suites.items import Item, questions, some
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.protocols.attribution import EmbeddingMethod
from gptaudit.records import Attribution, Spans
from gptaudit.records.words import words_of

OTHER_WORDS = "all other words"
AT_ONCE = 8
"""Items attributed between two steps of the progress."""
CHECKED = 8
"""Items whose prompts show whether the scores are faithful."""
LARGEST_COPIED = 1_000_000_000
"""Weights of the largest model of which a copy is made to shuffle them."""
SHUFFLED = 2
"""Items that are attributed again with shuffled weights."""
WORDS = 10
"""Words listed, those that add or take most, of those in the slot and of the others."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """An item with the attributions of its two prompts."""

    item: Item
    first: Attribution
    second: Attribution

    def sides(self) -> list[tuple[float, Attribution, Spans]]:
        """Return the sign with which each prompt enters the difference, its scores, and where its slot is."""
        one, other = self.item.case.places
        return [(1.0, self.first, one), (-1.0, self.second, other)]


def explain_tokens(
    attributor: Attributor,
    items: Sequence[Item],
    method: EmbeddingMethod,
    seed: int,
    advance: Callable[[int], None],
) -> TokenPart | None:
    """Attribute the difference of each item; None where no scores add up.

    The scores of a prompt add up to its contrast less that at the baseline, which is the same for both prompts of an
    aligned item: so the sums over slots add up to the difference.
    """
    scored: list[_Scored] = []
    for start in range(0, len(items), AT_ONCE):
        part = items[start : start + AT_ONCE]
        found = attributor.attribute(questions(part), method, seed=seed)
        for item, first, second in zip(part, found[: len(part)], found[len(part) :], strict=True):
            if isinstance(first, Attribution) and isinstance(second, Attribution):
                scored.append(_Scored(item, first, second))
        advance(len(part))
    complete = [
        one for one in scored if one.first.converged is not False and one.second.converged is not False
    ]
    if not complete:
        return None
    slot = complete[0].item.case.slot
    by_slot = {slot: [], OTHER_WORDS: []}  # type: dict[str, list[float]]
    for one in complete:
        inside = sum(sign * sum(_inside(found, spans)) for sign, found, spans in one.sides())
        whole = sum(sign * sum(found.scores) for sign, found, _ in one.sides())
        by_slot[slot].append(inside)
        by_slot[OTHER_WORDS].append(whole - inside)
    kept = [one.item for one in complete]
    return TokenPart(
        method=method.title,
        baseline=complete[0].first.baseline,
        items=len(complete),
        incomplete=len(items) - len(complete),
        slots=tuple(SlotScore(name, mean_of(values, kept, seed)) for name, values in by_slot.items()),
        words=_words(complete, seed),
        first_in_pairs=fmean(_leads(one.sides()) for one in complete),
        first_in_prompts=fmean(_leads([side]) for one in complete for side in one.sides()),
        faithfulness=_faithfulness(attributor, complete, method, seed),
    )


def _inside(found: Attribution, spans: Spans) -> list[float]:
    """Return the scores of the tokens that overlap the places."""
    return [
        score
        for (a, b), score in zip(found.offsets, found.scores, strict=True)
        if any(a < end and b > start for start, end in spans)
    ]


def _leads(sides: Sequence[tuple[float, Attribution, Spans]]) -> bool:
    """Return whether the slot adds more than any word outside it, by size, to the sum of these prompts."""
    outside = [
        [
            sign * word.score
            for word in words_of(found.tokens, found.offsets, found.scores)
            if not any(word.start < end and word.end > start for start, end in spans)
        ]
        for sign, found, spans in sides
    ]
    inside = sum(sign * sum(_inside(found, spans)) for sign, found, spans in sides)
    # Outside the slot the prompts have the same words.
    return abs(inside) > max((abs(sum(each)) for each in zip(*outside, strict=False)), default=0.0)


def _words(scored: Sequence[_Scored], seed: int) -> tuple[SlotScore, ...]:
    """Return the mean of what words add to the difference, over the prompts that have them.

    A text in the slot is one word. The largest of those in the slot come first, then the largest of the others.
    """
    in_slot: defaultdict[str, list[tuple[float, Item]]] = defaultdict(list)
    others: defaultdict[str, list[tuple[float, Item]]] = defaultdict(list)
    for one in scored:
        for sign, found, spans in one.sides():
            slot = []
            for word in words_of(found.tokens, found.offsets, found.scores):
                if any(word.start < end and word.end > start for start, end in spans):
                    slot.append(word.text)
                else:
                    others[word.text.strip()].append((sign * word.score, one.item))
            in_slot["".join(slot).strip()].append((sign * sum(_inside(found, spans)), one.item))
    return (*_largest(in_slot, seed), *_largest(others, seed))


def _largest(values: Mapping[str, Sequence[tuple[float, Item]]], seed: int) -> list[SlotScore]:
    means = {
        text: mean_of([score for score, _ in of_word], [item for _, item in of_word], seed)
        for text, of_word in values.items()
    }
    first = sorted(means, key=lambda text: -abs(means[text].value))[:WORDS]
    return [SlotScore(text, means[text]) for text in first]


def _faithfulness(
    attributor: Attributor, scored: Sequence[_Scored], method: EmbeddingMethod, seed: int
) -> Faithfulness | None:
    """Check some of the items; None where no prompt has two tokens to put in order."""
    chosen = set(map(id, some([one.item for one in scored], CHECKED, seed)))
    asked: list[EncodedQuestion] = []
    scores: list[tuple[float, ...]] = []
    for one in scored:
        for question, found in ((one.item.first, one.first), (one.item.second, one.second)):
            if id(one.item) in chosen and len(found.scores) > 1:
                asked.append(question)
                scores.append(found.scores)
    if not asked:
        return None
    checks = check_scores(attributor, asked, scores, method, seed=seed, moved=2 * SHUFFLED)
    moved = [one.sensitivity for one in checks if one.sensitivity is not None]
    pairs = _shuffled_scores(attributor, asked[: 2 * SHUFFLED], scores, method, seed)
    return Faithfulness(
        prompts=len(asked),
        comprehensiveness=fmean(one.comprehensiveness for one in checks),
        sufficiency=fmean(one.sufficiency for one in checks),
        random_comprehensiveness=tuple(
            fmean(one.random_comprehensiveness[i] for one in checks) for i in range(ORDERS)
        ),
        random_sufficiency=tuple(fmean(one.random_sufficiency[i] for one in checks) for i in range(ORDERS)),
        deletion=mean_curve([one.deletion for one in checks]),
        insertion=mean_curve([one.insertion for one in checks]),
        infidelity=fmean(one.infidelity for one in checks),
        random_infidelity=tuple(fmean(one.random_infidelity[i] for one in checks) for i in range(ORDERS)),
        sensitivity=fmean(moved) if moved else None,
        randomised=fmean(rank_correlation(*pair) for pair in pairs) if pairs else None,
        randomised_size=fmean(rank_correlation(*np.abs(pair).tolist()) for pair in pairs) if pairs else None,
    )


def _shuffled_scores(
    attributor: Attributor,
    asked: Sequence[EncodedQuestion],
    scores: Sequence[Sequence[float]],
    method: EmbeddingMethod,
    seed: int,
) -> list[tuple[Sequence[float], Sequence[float]]]:
    """Return the scores of prompts with those of shuffled weights; none of a model too large to be copied."""
    if sum(weight.numel() for weight in attributor.model.parameters()) > LARGEST_COPIED:
        return []
    found = Attributor(shuffled(attributor.model, seed=seed)).attribute(asked, method, seed=seed)
    return [
        (own, other.scores)
        for own, other in zip(scores, found, strict=False)
        if isinstance(other, Attribution)
    ]
