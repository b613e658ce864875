"""Words of writing systems with spaces between words, and of those without, such as Chinese."""

from __future__ import annotations

import re

FIRST = 0x2E80
"""From this character on, writing systems such as Chinese put no space between words."""
_OF_SPACED = rf"[^\W_{chr(FIRST)}-\U0010ffff]"
_RUN = re.compile(rf"{_OF_SPACED}+|(?:(?!{_OF_SPACED})[^\W_])+")


def is_spaced(character: str) -> bool:
    """Whether a character is of a word that ends at a space: `[is_spaced(c) for c in "a7词。"]` has two of them."""
    return character.isalnum() and ord(character) < FIRST


def whole(words: str) -> str:
    """Return the pattern of words that stand whole in a text: no letters go on at an end that a space would end.

    >>> [re.search(whole("17"), text) is not None for text in ("是17度", "1752")]
    [True, False]
    """
    before = f"(?<!{_OF_SPACED})" if is_spaced(words[:1]) else ""
    after = f"(?!{_OF_SPACED})" if is_spaced(words[-1:]) else ""
    return f"{before}{re.escape(words)}{after}"


def runs(text: str) -> list[str]:
    """Return the words of a text that spaces end, and each run of characters without spaces, in their order.

    >>> runs("Tell 所有人 7 times, 好")
    ['Tell', '所有人', '7', 'times', '好']
    """
    return _RUN.findall(text)
