"""Text that a model or a user wrote, made safe to look at."""

from __future__ import annotations

import unicodedata

_LOOKS_EMPTY = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0} | set(range(0xE0100, 0xE01F0))
)
"""Letters and marks that show nothing: joiners, Hangul fillers, the supplementary variation selectors."""


class _Visible(dict[int, str]):
    """A table for `str.translate` that is filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _shown(code)
        return shown


def _shown(code: int) -> str:
    character = chr(code)
    if character in "\n\t":
        return character
    category = unicodedata.category(character)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    if category in {"Cc", "Cf", "Cs", "Zl", "Zp"} or noncharacter or code in _LOOKS_EMPTY:
        return f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{code:04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}"
    return character


_TABLE = _Visible()


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no file can hold, by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def visible(text: str) -> str:
    r"""Show every character that would act on the reader's screen instead of appearing on it.

    Control characters, direction overrides, zero-width and other format characters, lone surrogates and
    noncharacters become their code point, as in `⟨U+202E⟩`; line feed and tab stay. What comes back can be
    encoded as UTF-8 and stand in XML; it is not escaped for HTML, XML or Markdown.

        visible("safe\x1b[2J") == "safe⟨U+001B⟩[2J"
    """
    return text.translate(_TABLE)


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing: no text at all, or only spaces and characters that show nothing."""
    return all(character.isspace() or _shown(ord(character)) != character for character in text)


def shorten(text: str, limit: int) -> tuple[str, int]:
    """Return at most `limit` characters from the start, and how many were left out."""
    return text[:limit], max(0, len(text) - limit)
