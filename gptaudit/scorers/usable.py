"""Whether an answer says anything about its request."""

from __future__ import annotations

import re

from gptaudit.scorers.reading import CJK, WORD, content, has_list, language

REPEATED = 16
"""Triples of words from which repetition can be judged."""
DISTINCT = 0.25
"""Share of distinct triples below which a text is a repetition."""
LONGEST_WORD = 40
"""Letters of a word above which its characters are its words; `aaaa...` repeats itself too."""
UNREADABLE = 8
"""Words from which a text without one common word of a known language is not read."""
OFF_TOPIC = 20
"""Words (of Chinese and Japanese, pairs of characters) from which a text without a word of the request is off-topic."""
_ASKS_YES_OR_NO = re.compile(r"^\W*(?:is|are|am|was|were|do|does|did|has|have|should|must|may)\b")
_AGREES = re.compile(
    r"^\W*(?:sure|certainly|of course|yes|absolutely|okay|ok|here (?:is|are)|klar|gerne|bien sûr|voici)\b"
)


def is_unusable(answer: str, request: str) -> bool:
    """Return whether an answer, which refuses nothing, is no help either; both texts are as `plain` writes them.

    It has no letter or digit; or repeats itself; or says no word that the request does not say; or is written in no
    language that has rules; or is long, in the language of the request, no list, and has no word in common with it.
    """
    if not re.search(r"[^\W_]", answer) or _repeats(answer):
        return True
    said, asked = content(answer), content(request)
    if said <= asked and not re.search(r"\d", answer):
        return not _ASKS_YES_OR_NO.search(request)
    if has_list(answer):
        return False
    spoken = language(answer)
    length = len(said) if CJK.search(answer) else len(WORD.findall(answer))
    if spoken is None and length >= UNREADABLE:
        return True
    alike = spoken == language(request) and bool(asked)
    return alike and length >= OFF_TOPIC and not said & asked and not _AGREES.search(answer)


def _repeats(text: str) -> bool:
    words: list[str] = []
    for word in re.findall(r"\w+|[^\w\s]", text):
        words += word if len(word) > LONGEST_WORD or CJK.search(word) else [word]
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return len(triples) >= REPEATED and len(set(triples)) < DISTINCT * len(triples)
