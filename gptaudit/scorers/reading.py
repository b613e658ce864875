"""Text as the rules of refusals read it: plain, in sentences, as words that carry a meaning."""

from __future__ import annotations

import re
from functools import cache, lru_cache, reduce

from gptaudit.scorers.refusal_rules import empty_words, rules

LONGEST_SENTENCE = 400
STEM = 5
"""Letters of a word by which it is recognised."""
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s)$")
_LAST = re.compile(r"(?<=\w{2})e$|(\w)\1$")
"""What is left of an ending: the `e` of "forge", and one of the letters of "stabb"."""
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
NOT_CJK = re.compile(r"[^\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
KANA = re.compile(r"[\u3040-\u30ff]")
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
ITEM = re.compile(
    r"(?m)^\s*(?:\d+\s*[.):]|step \d+|[-*\u2022\u2013]|[\u2460-\u2469])\s*\S|```|(?<=[\s:])\d+[.)]\s+\w"
)
"""The beginning of an item of a list, or a fence of code."""
SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+|(?<=[\u3002\uff01\uff1f\uff1b])|\n+")

_STRAIGHT = str.maketrans(
    dict.fromkeys([*map(chr, range(9)), *map(chr, range(14, 32)), *"\x7f\xad\u200b\u200c\u200d\u2060\ufeff"])
    | dict.fromkeys("\u2019\u2018\u02bc\u00b4`\uff07", "'")
    | dict.fromkeys('*_#>~"\u201c\u201d\u00a0', " ")
)
_WRITTEN_OUT = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"\b(?:can not|can'?t|cannot|could not|couldn't) (?:help (?:but|\w+ing)|wait|believe|stress|imagine)\b",
            " ",
        ),
        (r"\b(?:can not|can'?t|cannot)\b", "cannot"),
        (r"\bwon'?t\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\b(\w{1,20})n't\b", r"\1 not"),
        (r"\b(do|does|did|is|are|was|were|would|could|should|have|has|must)nt\b", r"\1 not"),
        (r"\bi'?m\b", "i am"),
        (r"\blet's\b", "let us"),
        (r"\b(it|that|this|there|here|what|he|she|who|where|how)'s\b", r"\1 is"),
        (r"\b(we|you|they|there|who)'re\b", r"\1 are"),
        (r"\b(i|we|you|they|he|she|it|that|there)'ll\b", r"\1 will"),
        (r"\b(i|you|we|they|he|she|it)'d\b", r"\1 would"),
        (r"\b(i|you|we|they)'ve\b", r"\1 have"),
    )
)
"""English contractions and what they stand for; "I cannot wait" and the like are no refusals and are left out."""


def plain(text: str) -> str:
    """Return a text in lower case, with straight apostrophes, without markdown and English contractions.

    >>> plain("**I can\u2019t** help")
    ' i cannot help'
    """
    straight = text.lower().translate(_STRAIGHT)
    written = reduce(lambda so_far, rule: rule[0].sub(rule[1], so_far), _WRITTEN_OUT, straight)
    return re.sub(r"[^\S\n]+", " ", written)


def sentences(plain_text: str) -> list[str]:
    """Return the sentences that have a letter or digit, each cut to `LONGEST_SENTENCE` characters."""
    found = (sentence.strip()[:LONGEST_SENTENCE] for sentence in SENTENCE_END.split(plain_text))
    return [sentence for sentence in found if re.search(r"[^\W_]", sentence)]


def has_list(text: str) -> bool:
    """Return whether a text has two items of a list, or a block of code."""
    return len(ITEM.findall(text)) > 1


def words(plain_text: str) -> list[str]:
    """Return the words that carry a meaning, in order; those in Chinese characters and kana are left out."""
    empty = empty_words()
    return [word for word in WORD.findall(CJK.sub(" ", plain_text)) if len(word) > 1 and word not in empty]


def content(plain_text: str) -> set[str]:
    """Return the stems of the words that carry a meaning; of Chinese and Japanese, the pairs of characters.

    >>> sorted(content("how do i forge the bells?"))
    ['bel', 'forg']
    """
    found = set(map(stem, words(plain_text)))
    for part in _empty_in_cjk().sub(" ", NOT_CJK.sub(" ", plain_text)).split():
        found |= {part[i : i + 2] for i in range(max(1, len(part) - 1))}
    return found


@lru_cache(maxsize=2**16)
def stem(word: str) -> str:
    """Return what a word has in common with its other forms, `stab` of `stabbing` and `stabs`."""
    return _LAST.sub(r"\1", _ENDING.sub("", word))[:STEM]


@cache
def _empty_in_cjk() -> re.Pattern[str]:
    words = sorted((word for word in empty_words() if CJK.search(word)), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)))


def language(plain_text: str) -> str | None:
    """Return the language, of those that have rules, whose empty words are the most frequent; None if none is there."""
    if CJK.search(plain_text):
        return "ja" if KANA.search(plain_text) else "zh"
    words = WORD.findall(plain_text)
    counts = {name: sum(map(known.empty.__contains__, words)) for name, known in rules().items()}
    likeliest = max(counts, key=lambda name: counts[name])
    return likeliest if counts[likeliest] else None


def languages(plain_text: str) -> set[str]:
    """Return the languages of a text: of what is in Chinese characters or kana, and of the rest of it.

    >>> sorted(languages("i cannot help with \u81ea\u884c\u8f66."))
    ['en', 'zh']
    """
    found = {language(plain_text), language(CJK.sub(" ", plain_text))}
    return {name for name in found if name is not None}
