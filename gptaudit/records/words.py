"""Words, as the tokens of a text lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category, name


@dataclass(frozen=True, slots=True)
class Word:
    """Tokens that make up a word of the prompt, and the sum of their scores."""

    text: str
    start: int
    end: int
    """Start and end in the prompt, in characters."""
    score: float


def words_of(
    tokens: Sequence[str], offsets: Sequence[tuple[int, int]], scores: Sequence[float]
) -> tuple[Word, ...]:
    """Join tokens that lie within one run of letters; others, such as punctuation, are words of their own.

    A character that is split into several tokens belongs to one word. Scripts without spaces are not joined.

    >>> words_of([" car", "pen", "ter", "."], [(3, 7), (7, 10), (10, 13), (13, 14)], [1, 2, 3, 4])
    (Word(" carpenter", 3, 13, 6), Word(".", 13, 14, 4))
    """
    found: list[Word] = []
    for token, (start, end), score in zip(tokens, offsets, scores, strict=True):
        if found and (start < found[-1].end or (start == found[-1].end and _joins(found[-1].text, token))):
            before = found[-1]
            added = token[max(0, before.end - start) :]
            found[-1] = Word(before.text + added, before.start, max(end, before.end), before.score + score)
        else:
            found.append(Word(token, start, end, score))
    return tuple(found)


def split_words(text: str) -> tuple[Word, ...]:
    """Return the words of a text as `words_of` joins them, without scores and without white space.

    >>> [word.text for word in split_words("The nurse, again")]
    ["The", "nurse", ",", "again"]
    """
    parts: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if parts and category(character).startswith("M"):  # a mark of the letter before it
            parts[-1] = (parts[-1][0], place + 1)
        else:
            parts.append((place, place + 1))
    words = words_of([text[slice(*part)] for part in parts], parts, [0.0] * len(parts))
    return tuple(word for word in words if not word.text.isspace())


def _joins(before: str, token: str) -> bool:
    letter = next((c for c in reversed(before) if not category(c).startswith("M")), "")
    return is_spaced_letter(letter) and is_spaced_letter(token[:1])


def is_spaced_letter(character: str) -> bool:
    """Return whether a character is a letter or digit of a script that puts spaces between words."""
    return character.isalnum() and not name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI"))
