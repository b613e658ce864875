"""Safe display of text that a model or a user wrote."""

from __future__ import annotations

import unicodedata

_LOOKS_EMPTY = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0} | set(range(0xE0100, 0xE01F0))
)
"""Letters and marks that are invisible: joiners, Hangul fillers, the supplementary variation selectors."""


class _Visible(dict[int, str]):
    """A table for `str.translate` that computes entries on first use."""

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
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def visible(text: str) -> str:
    r"""Replace characters that are invisible or control the display by their code points.

    Control characters, direction overrides, zero-width and other format characters, lone surrogates and
    noncharacters become text like `⟨U+202E⟩`; line feed and tab are kept. The result can be encoded as UTF-8 and is
    allowed in XML; it is not escaped for HTML, XML or Markdown.

        visible("safe\x1b[2J") == "safe⟨U+001B⟩[2J"
    """
    return text.translate(_TABLE)


def is_blank(text: str) -> bool:
    """Return whether a text is empty or has only spaces and invisible characters."""
    return all(character.isspace() or _shown(ord(character)) != character for character in text)


def shorten(text: str, limit: int) -> tuple[str, int]:
    """Return the first `limit` characters of a text, and how many characters were cut off."""
    return text[:limit], max(0, len(text) - limit)
