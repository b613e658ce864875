"""Windows: long texts cut at the ends of sentences, to be rated piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]
"""Start and end of a piece of text, in characters."""

SENTENCE_END = re.compile(r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]+|\n+")

CHARACTER = r"\S"
"""Pattern of a character that is no space."""


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences, blank ones left out: `sentences("No. Yes!") == [(0, 4), (4, 8)]`."""
    cuts = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    return [(a, b) for a, b in pairwise(cuts) if text[a:b].strip()]


def windows(text: str, words: int, word: str = r"\S+") -> list[Span]:
    """
    Cut a text into spans of at most `words` words that end where sentences end.

    A window takes whole sentences while they fit; a longer sentence is cut into nearly equal parts. A text without
    words is one window: `windows("One two. Three.", 2) == [(0, 9), (9, 15)]`. `word` is the pattern of a word; a
    language without spaces is counted in characters by the pattern of one, `CHARACTER`.
    """
    spans: list[Span] = []
    room = 0
    for start, end, count in _parts(text, words, word):
        if count <= room:
            spans[-1] = (spans[-1][0], end)
            room -= count
        else:
            spans.append((start, end))
            room = words - count
    return spans or [(0, len(text))]


def _parts(text: str, words: int, word: str) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and number of words of each sentence, or of each part of one longer than `words`."""
    for start, end in sentences(text):
        starts = [start + match.start() for match in re.finditer(word, text[start:end])]
        parts = -(-len(starts) // words)
        firsts = [len(starts) * part // parts for part in range(parts + 1)]
        starts[0] = start
        for first, after in pairwise(firsts):
            yield starts[first], starts[after] if after < len(starts) else end, after - first
