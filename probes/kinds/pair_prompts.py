"""Prompts with their counterparts, from the templates of a `pairs` file.

With terms, a prompt is a template up to the group's word, with a term of one group; its counterpart has a term of the
other group. Target and foil are the words of the two groups.

Without terms, a prompt is a template up to and with the group's word; its counterpart has the word of the other group.
Target and foil are how the two templates of a block go on, one of which is stereotypical of either group.

Either way the difference between the two prompts is the association of the suite, or for terms the part of it that
stands in the word itself: how likely the words are by themselves cancels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from gptaudit.probes.kinds.pair_template import PairTemplate
from gptaudit.probes.kinds.words import Group, fill, members

from gptaudit.records import Counterfactual, Spans

Length: TypeAlias = Callable[[str], int]
"""Number of tokens of a text."""

_SLOT = re.compile(r"\{\w+\}")
_TERM = re.compile(r"\{(a_)?term\}", re.IGNORECASE)


def term_prompts(
    axis: str,
    templates: Sequence[PairTemplate],
    groups: Mapping[str, Group],
    terms: Mapping[str, Sequence[str]],
    length: Length,
) -> Iterator[Counterfactual]:
    """Yield each couple of terms in each template whose term stands before the group's word, and nowhere after it."""
    for group, other in combinations([name for name in groups if name in terms], 2):
        words = list(zip(members(groups[group]), members(groups[other]), strict=True))
        for one, two in couples(terms[group], terms[other], length):
            for template in templates:
                parts = _around_group(template.text)
                if parts is None or other not in template.others(groups, group):
                    continue
                before, slot, after = parts
                places = _place(before, one), _place(before, two)
                for own, others in words:
                    names = (one, two, template.id, *(() if len(words) == 1 else (fill(slot, own),)))
                    yield Counterfactual(
                        id="/".join(names),
                        cluster=f"{one}/{two}",
                        first=fill(before, {"term": one}),
                        second=fill(before, {"term": two}),
                        target=fill(slot, own),
                        foil=fill(slot, others),
                        slot="term",
                        places=places,
                        crossed=template.id,
                        rest=after,
                        axis=axis,
                    )


def block_prompts(
    axis: str, templates: Sequence[PairTemplate], groups: Mapping[str, Group]
) -> Iterator[Counterfactual]:
    """Yield any two templates of a block that begin alike, one stereotypical of either group, with each word."""
    for one, two in combinations(templates, 2):
        begin, end = _first_slot(one.text), _first_slot(two.text)
        alike = begin is not None and end is not None and begin.prompt == end.prompt
        opposed = one.group in two.others(groups, two.group) and two.group in one.others(groups, one.group)
        if one.block != two.block or not one.block or one.group == two.group or not (alike and opposed):
            continue
        assert begin is not None  # noqa: S101 - alike
        assert end is not None  # noqa: S101
        words = list(zip(members(groups[one.group]), members(groups[two.group]), strict=True))
        for own, others in words:
            first, second = fill(begin.prompt, own), fill(begin.prompt, others)
            name = (begin.word(own),) if len(words) > 1 else ()
            yield Counterfactual(
                id="/".join((one.id, two.id, *name)),
                cluster=one.block,
                first=first,
                second=second,
                target=begin.rest,
                foil=end.rest,
                slot="group",
                places=(((begin.start, len(first)),), ((begin.start, len(second)),)),
                axis=axis,
            )


def couples(one: Sequence[str], other: Sequence[str], length: Length) -> list[tuple[str, str]]:
    """Match terms of two groups, each at most once: those of equal length in their order, then the others.

    >>> couples(["cook", "pilot"], ["librarian", "nurse"], len)
    [('pilot', 'nurse'), ('cook', 'librarian')]
    """
    lengths = {term: length(f" {term}") for term in (*one, *other)}
    left = list(other)
    found, later = [], []
    for term in one:
        same = next((two for two in left if lengths[two] == lengths[term]), None)
        if same is None:
            later.append(term)
        else:
            left.remove(same)
            found.append((term, same))
    return found + list(zip(later, left, strict=False))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A template without terms, cut behind its only slot."""

    prompt: str
    start: int
    rest: str

    def word(self, words: Mapping[str, str]) -> str:
        return fill(self.prompt[self.start :], words)


def _first_slot(text: str) -> _Beginning | None:
    found = list(_SLOT.finditer(text))
    if len(found) != 1:
        return None
    return _Beginning(text[: found[0].end()], found[0].start(), text[found[0].end() :])


def _around_group(text: str) -> tuple[str, str, str] | None:
    """Return what stands before the group's slot, the slot, and what follows it; None unless the term is before it."""
    found = list(_SLOT.finditer(text))
    if len(found) != 2 or not _TERM.fullmatch(found[0][0]):
        return None
    start, end = found[1].span()
    return text[:start], text[start:end], text[end:]


def _place(before: str, term: str) -> Spans:
    """Return where a term stands in the prompt, with its article."""
    found = next(_SLOT.finditer(before))
    return ((found.start(), found.start() + len(fill(found[0], {"term": term}))),)
