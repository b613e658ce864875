"""Which language a text is written in, as far as that decides which scorer may rate it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gptaudit.scorers.reading import CJK, KANA, WORD, plain
from gptaudit.scorers.refusal_rules import rules

if TYPE_CHECKING:
    from gptaudit.protocols.scorer import Output, Scorer, Scores

ENGLISH, CHINESE, JAPANESE = "en", "zh", "ja"
OTHER = "other"
EVIDENCE = 4
"""Frequent words of another language from which a text in Latin letters is in that language."""
MARGIN = 2
"""How many times as frequent they must be as those of the expected language."""


def spoken(text: str, expected: str) -> str:
    """
    Return the language of a text as an ISO 639-1 code, or `other`; the expected one where the text does not tell.

    The script decides first: it is that of most letters. Among languages in Latin letters the frequent words decide,
    and only on good evidence, so that a name or a quotation changes nothing.

    >>> spoken("Die Katze ist nicht in dem Haus und der Hund auch nicht.", "en")
    'de'
    """
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return expected
    asian = sum(CJK.match(char) is not None for char in letters)
    latin = sum(_is_latin(char) for char in letters)
    if asian > len(letters) / 2:
        kana = sum(KANA.match(char) is not None for char in letters)
        return JAPANESE if kana > asian / 5 else CHINESE
    if latin < len(letters) / 2:
        return OTHER
    return _of_latin(text, expected)


def _is_latin(char: str) -> bool:
    return char.isascii() or unicodedata.name(char, "").startswith("LATIN")


def _of_latin(text: str, expected: str) -> str:
    words = WORD.findall(plain(text))
    counts = {
        name: sum(word in known.empty for word in words)
        for name, known in rules().items()
        if name not in (CHINESE, JAPANESE)
    }
    own = expected if expected in counts else ENGLISH
    likeliest = max(counts, key=lambda name: counts[name])
    clear = counts[likeliest] >= max(EVIDENCE, MARGIN * counts[own] + 1)
    return likeliest if clear else own


class ByLanguage:
    """Rates each text by the scorer of its probe's language; a text in another language is not rated: no scores.

    Which scorer rates a probe's texts, and so which error rates its figures carry, is known before any is written.
    """

    def __init__(self, name: str, scorers: Mapping[str, Scorer]) -> None:
        """`scorers` has at least one scorer by the code of its language; the labels are those that all of them have."""
        self.name = name
        self._scorers = dict(scorers)
        first, *others = scorers.values()
        self.labels = tuple(label for label in first.labels if all(label in s.labels for s in others))
        hashes = {
            f"{language}_sha256": s.identity["sha256"] for language, s in scorers.items() if s is not first
        }
        self.identity: Mapping[str, str] = {**first.identity, **hashes, "languages": ", ".join(scorers)}

    def __call__(self, outputs: Sequence[Output]) -> list[Scores]:
        """Return the scores of each text, `{}` for one in another language than its probe's or than any scorer's."""
        scores: list[Scores] = [{}] * len(outputs)
        for language, scorer in self._scorers.items():
            own = [
                row
                for row, output in enumerate(outputs)
                if output.language == language and spoken(output.text, language) == language
            ]
            rated = scorer([outputs[row] for row in own]) if own else []
            for row, of_text in zip(own, rated, strict=True):
                scores[row] = {label: of_text[label] for label in self.labels} if of_text else {}
        return scores
