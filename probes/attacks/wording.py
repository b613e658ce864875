"""The words of attacks in the languages of requests: Chinese for a Chinese request, English for any other.

A frame in another language than the request's would be two attacks at once, and the answer would be in a language that
nobody asked the request in.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """A text in both languages; `{request}` stands for the request where the text has one."""

    english: str
    chinese: str

    def of(self, request: str) -> str:
        """Return the text in the language of a request, with the request in its place."""
        return (self.chinese if is_chinese(request) else self.english).replace("{request}", request)


def is_chinese(text: str) -> bool:
    """Return whether most letters of a text are Chinese characters."""
    return _mostly(text, "CJK UNIFIED")


def is_latin(text: str) -> bool:
    """Return whether most letters of a text are Latin ones."""
    return _mostly(text, "LATIN")


def _mostly(text: str, script: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(unicodedata.name(letter, "").startswith(script) for letter in letters) > len(letters)
