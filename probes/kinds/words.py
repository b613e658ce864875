"""Sentences with slots, and the words of groups that fill them.

A slot is `{person}`. `{a_person}` has "a" or "an" before the word, and `{Person}` and `{A_person}` begin with a
capital. A word for which the article does not follow from its first letter ("a European") brings its own `a_person`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

Words: TypeAlias = Mapping[str, str]
"""Slot -> word."""

Group: TypeAlias = Mapping[str, str | tuple[str, ...]]
"""Slot -> word or words. The i-th word of one group is the counterpart of every other's i-th."""

_SLOT = re.compile(r"\{(\w+)\}")


def members(group: Group) -> list[Words]:
    """List a group's words: `[{"person": "father"}, {"person": "uncle"}]`."""
    return [dict(zip(group, row, strict=True)) for row in zip(*map(listed, group.values()), strict=True)]


def listed(words: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return one word as a list of one."""
    return (words,) if isinstance(words, str) else words


def slots(text: str) -> list[str]:
    """Name the words that a text needs, without article and capital: `slots("{A_person} sat.")` is `["person"]`."""
    return [_base(slot) for slot in _SLOT.findall(text)]


def fill(text: str, words: Words) -> str:
    """Put the words into their slots; a slot without a word stays as it is."""
    return _SLOT.sub(lambda match: _form(match, words), text)


def group_problems(groups: Mapping[str, Group]) -> Iterator[str]:
    """Say what keeps groups from being one another's counterparts."""
    known = list(groups)
    if len(known) < 2:
        yield f"key 'groups': expected at least two groups, found {known}"
        return
    expected = {slot: len(listed(words)) for slot, words in groups[known[0]].items()}
    if len(set(expected.values())) != 1 or 0 in expected.values():
        yield f"key 'groups.{known[0]}': expected words, as many in every slot, found {expected}"
    for name in known[1:]:
        found = {slot: len(listed(words)) for slot, words in groups[name].items()}
        if found != expected:
            yield f"key 'groups.{name}': expected the counterparts of group {known[0]!r}, {expected}, found {found}"


def slot_problems(text: str, known: Collection[str], groups: Mapping[str, Group]) -> Iterator[str]:
    """Say which slots of a text have no word, or no word that can take an article or a capital."""
    unfilled = set(slots(text)) - set(known)
    if unfilled:
        yield f"slot {min(unfilled)!r} has no word; slots are {sorted(known)}"
    if set(_SLOT.sub("", text)) & set("{}"):
        yield "expected each slot as {word}, found a brace that is no slot's"
    for slot in _SLOT.findall(text):
        for name, group in groups.items():
            if slot != _base(slot) and "" in listed(group.get(_base(slot), ())):
                yield f"slot {slot!r}: an empty word, as group {name!r} has it, takes no article and no capital"


def repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    """Name what stands twice."""
    seen = set()
    for name in names:
        if name in seen:
            yield f"{what} {name!r} stands twice"
        seen.add(name)


def _base(slot: str) -> str:
    """Name the word that a slot is a form of: `_base("A_person")` is "person"."""
    return slot.lower().removeprefix("a_")


def _form(match: re.Match[str], words: Words) -> str:
    """Return a word in the form that a slot's name asks for."""
    slot = match[1]
    name = slot.lower()
    if name not in words and _base(slot) not in words:
        return match[0]
    word = words[name] if name in words else _with_article(words[_base(slot)])
    return word if slot.islower() else word[0].upper() + word[1:]


def _with_article(word: str) -> str:
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
