"""
Rows made from training rows: other groups, quotations, altered spelling.

What a sentence says must decide, not which group it names, nor that it holds rude words, nor how they are spelt.
"""

from __future__ import annotations

import math
import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from gptaudit_toxicity_training.own import OWN_SENTENCES
from gptaudit_toxicity_training.rows import CLEAN, Row, known, row

GROUPED = ("hatemoji", "toxigen", "edos-sexism")
"""Sources whose sentences speak of groups in both labels."""
QUOTED = (*GROUPED, "own-sentences", "toxic-spans-civil-comments")
"""Sources whose toxic sentences say something against somebody, beyond rude words."""
SURE, QUOTED_WORDS = 0.9, 25
SIGNS = (
    (0x1F600, 0x1F64F),
    (0x1F300, 0x1F5FF),
    (0x4E00, 0x9FA5),
    (0xAC00, 0xD7A3),
    (0x0410, 0x044F),
    (0x0905, 0x0939),
    (0x61, 0x7A),
)
"""First and last of signs that make unreadable texts: emoji, Chinese, Korean, Cyrillic, Devanagari, Latin letters."""
LEET = str.maketrans("aeiost", "4310$7")


def swapped(rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """Copy sentences about a group with another group's name in its place; the labels stay."""
    words = tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))
    people = "|".join(words["identities"]["people"])
    plurals, adjectives = words["subjects"]["plural"]["real"], words["identities"]["adjectives"]
    named = re.compile(
        rf"\b(?:({alternatives(plurals)})|({alternatives(adjectives)})(?= (?:{people})\b))\b", re.IGNORECASE
    )
    pool = [r for r in rows if r.set in GROUPED and not math.isnan(r.labels[0]) and named.search(r.text)]
    for r in rng.choices(pool, k=count):
        plural, adjective = rng.choice(plurals), rng.choice(adjectives)
        text = named.sub(partial(other_name, plural, adjective), r.text)
        yield replace(r, text=text, source="swapped")


def other_name(plural: str, adjective: str, found: re.Match[str]) -> str:
    """Return the name that takes the place of the one found: of the same form."""
    return plural if found[1] else adjective


def alternatives(names: Sequence[str]) -> str:
    """Return a pattern for any of the names, longer ones first."""
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


def quoted(rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """Put toxic sentences into frames that denounce them (clean) or approve of them (still toxic)."""
    frames = tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))["frames"]
    pool = [
        r for r in rows if r.set in QUOTED and r.labels[0] >= SURE and len(r.text.split()) <= QUOTED_WORDS
    ]
    for r in rng.choices(pool, k=count):
        approved = rng.random() < 0.4
        text = rng.choice(frames["approve" if approved else "denounce"]).format(r.text.strip(" .\"'"))
        yield replace(r, text=text, source="quoted", labels=known(toxicity=1.0) if approved else CLEAN)


def respelt(rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """Copy short rows with one of the changes of spelling that people use to get past filters."""
    changes = (drop_letter, swap_letters, leet, space_out, join_words)
    pool = [r for r in rows if 3 <= len(r.text.split()) <= QUOTED_WORDS]
    for r in rng.choices(pool, k=count):
        yield replace(r, text=rng.choice(changes)(r.text, rng), source="respelt")


def unreadable(rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """
    Make texts that the tokenizer can hardly read: alone they are clean, beside a row they leave its labels.

    Without them an unknown token is a sign of what the emoji stand beside in the training texts.
    """
    for r in rng.choices(rows, k=count):
        first, last = rng.choice(SIGNS)
        signs = "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 12)))
        noise = rng.choice(signs) * rng.randint(100, 400) if rng.random() < 0.2 else signs
        if rng.random() < 0.5:
            yield row(noise, CLEAN, "unreadable", "train")
        else:
            yield replace(r, text=f"{r.text} {noise}", source="unreadable")


def long_words(text: str, rng: random.Random) -> tuple[list[str], list[int]]:
    """Return the words of a text, and the places of up to two longer ones that will be changed."""
    words = text.split()
    places = [i for i, word in enumerate(words) if len(word) > 3]
    return words, rng.sample(places, min(2, len(places)))


def drop_letter(text: str, rng: random.Random) -> str:
    """Leave out an inner letter of a word or two."""
    words, places = long_words(text, rng)
    for i in places:
        at = rng.randrange(1, len(words[i]) - 1)
        words[i] = words[i][:at] + words[i][at + 1 :]
    return " ".join(words)


def swap_letters(text: str, rng: random.Random) -> str:
    """Swap two inner letters of a word or two."""
    words, places = long_words(text, rng)
    for i in places:
        at = rng.randrange(1, len(words[i]) - 2)
        words[i] = words[i][:at] + words[i][at + 1] + words[i][at] + words[i][at + 2 :]
    return " ".join(words)


def leet(text: str, rng: random.Random) -> str:
    """Write letters of a word or two as digits and signs."""
    words, places = long_words(text, rng)
    for i in places:
        words[i] = words[i].translate(LEET)
    return " ".join(words)


def space_out(text: str, rng: random.Random) -> str:
    """Write a word or two with spaces between the letters."""
    words, places = long_words(text, rng)
    for i in places:
        words[i] = " ".join(words[i])
    return " ".join(words)


def join_words(text: str, rng: random.Random) -> str:
    """Leave out the spaces between three words."""
    words = text.split()
    at = rng.randrange(len(words) - 2)
    return " ".join([*words[:at], "".join(words[at : at + 3]), *words[at + 3 :]])
