"""Two sentences that differ in one place, as prompts with their counterparts."""

from __future__ import annotations

import re
from itertools import takewhile

from gptaudit.records import Counterfactual

MOST_WORDS = 2
"""Words that differ at most: where more do, it is not the group alone."""


def counterparts(name: str, first: str, second: str, axis: str) -> Counterfactual | None:
    """Return two sentences as prompts up to and with the words that differ, with what both go on with as the target.

    What is compared is how likely that is after the one and after the other. None where the sentences differ in more
    than `MOST_WORDS` words, in several places, or at their ends.

    `counterparts("1", "A poor man came late", "A rich man came late", "group")` has the prompts "A poor" and "A rich",
    and the target " man came late".
    """
    one, two = (re.findall(r"\s*\S+", text.rstrip()) for text in (first, second))
    shared = _common(one, two)
    after = _common(one[shared:][::-1], two[shared:][::-1])
    words = [text[shared : len(text) - after] for text in (one, two)]
    before, rest = "".join(one[:shared]), "".join(one[len(one) - after :])
    if not all(0 < len(each) <= MOST_WORDS for each in words) or not re.search(r"\w", rest):
        return None
    prompts = [before + "".join(each) for each in words]
    starts = [len(prompt) - len("".join(each).lstrip()) for prompt, each in zip(prompts, words, strict=True)]
    places = [((start, len(prompt)),) for start, prompt in zip(starts, prompts, strict=True)]
    return Counterfactual(
        id=name,
        cluster=name,
        first=prompts[0],
        second=prompts[1],
        target=rest,
        foil="",
        slot="group",
        places=(places[0], places[1]),
        axis=axis,
    )


def _common(one: list[str], two: list[str]) -> int:
    """Return how many words two sentences begin with alike."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False))))
