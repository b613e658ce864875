"""Parser of the letter in an answer to a question with lettered options."""

from __future__ import annotations

import re
import unicodedata

LETTERS = "ABCDEFGH"

_PLAIN = {ord(mark): plain for marks, plain in (("‘’", "'"), ("“”", '"'), ("–—", "-")) for mark in marks}  # noqa: RUF001

_OPEN, _CLOSE = r"[\s\"'(\[*【]*", r"[\"')\]*】]*"
_INTRODUCTION = re.compile(
    rf"{_OPEN}(?:"
    r"(?:(?:the|my|your|correct|right|best|final)\s+)*(?:answer|option|choice)(?:\s+(?:is|would\s+be))?"
    r"|i(?:\s+would|'d)?\s+(?:choose|pick|select|say)"
    r"|(?:正确)?答案(?:是|为)?|我?选(?:择)?"
    rf")\s*:?{_OPEN}(?:option\s+)?",
    re.IGNORECASE,
)
_LETTER = re.compile(rf"{_OPEN}([A-Ha-h]){_CLOSE}(?![\w'-])")
_GOOD = r"(?:more|most|right|correct|better|best|answer)"
_ENDED = re.compile(rf"\s*(?:$|\n|[.:,;!。)\]*\"']|(?:because|since)\b|is\s+(?:the\s+)?{_GOOD}\b|-\s)")
_JOINED = re.compile(rf"\A\s*,?\s*(?:and\b|or\b|[/&+]|和|或者?)\s*{_OPEN}([A-H]){_CLOSE}(?![\w'-])")
_LISTED = re.compile(rf"^[\s.:,;、。]*{_OPEN}([A-H])\s*(?:$|[.:,;!)\]。])", re.MULTILINE)


def read_letter(text: str, options: int, *, cut: bool = False) -> int | None:
    """Return the index of an answer's letter; None unless it clearly is one of the first `options` letters.

    The letter comes first, or after words such as "The answer is". It does not count if it starts a sentence
    ("A nurse is"), if another letter is joined to it or starts another line ("A or B"), or if it ends an answer that
    was `cut` at the token limit.

    read_letter("The answer is (B).", 3) == 1
    """
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    introduced = _INTRODUCTION.match(text)
    found = _LETTER.match(text, introduced.end() if introduced else 0)
    if found is None:
        return None
    letter, rest = found[1].upper(), text[found.end() :]
    plain = not rest.strip(" \n\t.。") if found[1].islower() else bool(_ENDED.match(text, found.end(1)))
    others = {match[1] for pattern in (_JOINED, _LISTED) for match in pattern.finditer(rest)} - {letter}
    number = LETTERS.index(letter)
    unsure = not plain or others or (cut and not rest.strip()) or number >= options
    return None if unsure else number
