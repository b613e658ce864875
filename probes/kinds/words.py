"""Sentences with slots, and the words of groups that fill them.

A slot is `{person}`. `{a_person}` puts "a" or "an" before the word, and `{Person}` and `{A_person}` capitalise the
first letter. A word whose article does not follow from its first letter ("a European") has its own `a_person`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Words: TypeAlias = Mapping[str, str]
"""Slot -> word."""

Group: TypeAlias = Mapping[str, str | tuple[str, ...]]
"""Slot -> one or more words. The i-th words of all groups correspond to one another."""

_SLOT = re.compile(r"\{(\w+)\}")


def members(group: Group) -> list[Words]:
    """Return the words of a group, one mapping per word: `[{"person": "father"}, {"person": "uncle"}]`."""
    return [dict(zip(group, row, strict=True)) for row in zip(*map(listed, group.values()), strict=True)]


def listed(words: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return a single word as a tuple of one, and a tuple unchanged."""
    return (words,) if isinstance(words, str) else words


def slots(text: str) -> list[str]:
    """Return the slots of a text without article and capital: `slots("{A_person} sat.") == ["person"]`."""
    return [_base(slot) for slot in _SLOT.findall(text)]


def fill(text: str, words: Words) -> str:
    """Fill the slots of a text; a slot without a word is left unchanged."""
    return _SLOT.sub(lambda match: _form(match, words), text)


def group_problems(groups: Mapping[str, Group]) -> Iterator[str]:
    """Yield the reasons why the words of groups do not correspond to one another."""
    known = list(groups)
    if len(known) < 2:
        yield f"key 'groups': expected at least two groups, found {known}"
        return
    expected = {slot: len(listed(words)) for slot, words in groups[known[0]].items()}
    if len(set(expected.values())) != 1 or 0 in expected.values():
        yield f"key 'groups.{known[0]}': expected equally many words in every slot, not none, found {expected}"
    for name in known[1:]:
        found = {slot: len(listed(words)) for slot, words in groups[name].items()}
        if found != expected:
            yield f"key 'groups.{name}': expected as many words as in group {known[0]!r}, {expected}, found {found}"


def slot_problems(text: str, known: Collection[str], groups: Mapping[str, Group]) -> Iterator[str]:
    """Yield the slots of a text that have no word, or an empty word that takes no article or capital."""
    unfilled = set(slots(text)) - set(known)
    if unfilled:
        yield f"slot {min(unfilled)!r} has no word; expected one of the slots {sorted(known)}"
    if set(_SLOT.sub("", text)) & set("{}"):
        yield f"expected each slot as {{word}}, found another brace in {text!r}"
    for slot in _SLOT.findall(text):
        for name, group in groups.items():
            if slot != _base(slot) and "" in listed(group.get(_base(slot), ())):
                yield f"slot {slot!r}: expected a word in every group, found an empty one in group {name!r}"


def named_group_problems(named: Sequence[str], groups: Mapping[str, Group]) -> Iterator[str]:
    """Yield the reasons why the groups that a template names are unknown or repeated."""
    for name in named:
        if name not in groups:
            yield f"expected one of the groups {list(groups)}, found {name!r}"
    if len(set(named)) < len(named):
        yield f"expected different groups, found {list(named)}"


def repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    """Yield each name that appears more than once."""
    seen = set()
    for name in names:
        if name in seen:
            yield f"{what} {name!r} appears twice"
        seen.add(name)


def sampling_unit(unit: str, groups: Mapping[str, Group]) -> str:
    """Return the unit of sampling as methods tell it: crossed with the words of the groups, where each has several."""
    several = any(len(members(group)) > 1 for group in groups.values())
    return f"{unit}, crossed with the words of the groups" if several else unit


def in_turn(items: Sequence[T], place: int, most: int) -> Iterator[tuple[T, int]]:
    """Yield the items, at most so many, that the thing at a place is crossed with, and how often each came before.

    They take turns, so that over many places each item comes as often: for two of `abc`, `ab`, `ca`, `bc`.
    """
    each = min(most, len(items))
    for number in range(place * each, (place + 1) * each):
        yield items[number % len(items)], number // len(items)


def _base(slot: str) -> str:
    """Return a slot without article and capital: `_base("A_person") == "person"`."""
    return slot.lower().removeprefix("a_")


def _form(match: re.Match[str], words: Words) -> str:
    """Return the word of a slot, with article and capital as the slot requires."""
    slot = match[1]
    name = slot.lower()
    base = _base(slot)
    if name not in words and base not in words:
        return match[0]
    word = words[name] if name in words else f"{article(words[base])} {words[base]}"
    return word if slot.islower() else word[0].upper() + word[1:]


def article(word: str) -> str:
    """Return "an" before a vowel letter, else "a"."""
    return "an" if word[0].lower() in "aeiou" else "a"
