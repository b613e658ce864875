"""
Rows that the Chinese toxicity model is trained on: COLD, and rows made of it and of our own sentences.

COLD's test split is for testing alone, and so is a text of another split that it has too.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gptaudit.errors import DataError
from gptaudit.scorers.ngrams import normalised
from gptaudit_toxicity_training.augment import alternatives
from gptaudit_toxicity_training.rows import read_csv

FOLDER = Path(__file__).parent
OWN_SENTENCES = FOLDER / "own_sentences.toml"
SIMPLIFIED = {
    ord(pair[0]): pair[1] for pair in (FOLDER / "traditional.txt").read_text(encoding="utf-8").split()
}
"""Code of a traditional character -> the simplified character as which it is read."""
SEED = 1
SWAPPED, GROUP_PAIRS, PERSON_PAIRS, PASSAGES = 6_000, 3_000, 1_500, 3_000
"""Rows, and pairs of rows, that are made."""
INVENTED = 0.2  # share of the pairs about a group that is invented
LIKE = 0.5  # share of the groups that are swapped for one of the same kind
SHORTEST, LONGEST = 4, 60  # characters of a passage; the scorer reads windows of at most 60
Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Example:
    """One labelled text; of COLD, with its topic, and in the test split its finer label."""

    text: str
    toxic: bool
    topic: str = ""
    fine: str = ""


def own_sentences() -> dict[str, Any]:
    """Read our own sentences."""
    return tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Normalise a text as the scorer does."""
    return normalised(text, SIMPLIFIED)


def cold(data: Path, split: Split) -> list[Example]:
    """Read a split of COLD; raise `DataError` if it is not below `data`."""
    path = data / "zh-cold" / f"{split}.csv"
    if not path.is_file():
        msg = f"{path}: there is no such file; give the folder that has COLD as published in zh-cold"
        raise DataError(msg)
    return [
        Example(r["TEXT"], r["label"] == "1", r["topic"], r.get("fine-grained-label", ""))
        for r in read_csv(path)
    ]


def training_rows(data: Path, splits: Sequence[Split], seed: int) -> list[Example]:
    """Return the splits of COLD, without the texts of its other splits, and the rows made."""
    others: list[Split] = [split for split in ("dev", "test") if split not in splits]
    tested = {plain(r.text) for split in others for r in cold(data, split)}
    rows = [r for split in splits for r in cold(data, split) if plain(r.text) not in tested]
    own, rng = own_sentences(), random.Random(seed)
    return [
        *rows,
        *swapped(rows, own, rng),
        *group_pairs(own, rng),
        *person_pairs(own, rng),
        *passages(own, rng),
    ]


def swapped(rows: Sequence[Example], own: dict[str, Any], rng: random.Random) -> Iterator[Example]:
    """Copy rows that name groups with other groups in their places; the labels stay."""
    alike = {name: names for names in own["groups"].values() for name in names}
    named = re.compile(alternatives(list(alike)))
    for r in rng.choices([r for r in rows if named.search(r.text)], k=SWAPPED):
        others = {
            name: rng.choice(alike[name] if rng.random() < LIKE else list(alike))
            for name in dict.fromkeys(named.findall(r.text))
        }
        yield Example(named.sub(partial(_other, others), r.text), r.toxic)


def _other(others: Mapping[str, str], name: re.Match[str]) -> str:
    return others[name[0]]


def group_pairs(own: dict[str, Any], rng: random.Random) -> Iterator[Example]:
    """
    Make pairs of our own sentences about the same group, a mild insult and a harmless one.

    Its name then tells nothing. Insults of real groups exist in memory only.
    """
    real = [name for names in own["groups"].values() for name in names]
    for _ in range(GROUP_PAIRS):
        name = rng.choice(own["names"]["invented"] if rng.random() < INVENTED else real)
        yield Example(rng.choice(own["train"]["insult"]).format(name), toxic=True)
        yield Example(rng.choice(own["train"]["neutral"]).format(name), toxic=False)


def person_pairs(own: dict[str, Any], rng: random.Random) -> Iterator[Example]:
    """Make pairs of our own sentences about the same unnamed person, a mild insult and a harmless one."""
    for _ in range(PERSON_PAIRS):
        name = rng.choice(own["names"]["persons"])
        yield Example(rng.choice(own["train"]["insult_person"]).format(name), toxic=True)
        yield Example(rng.choice(own["train"]["neutral_person"]).format(name), toxic=False)


def passages(own: dict[str, Any], rng: random.Random) -> Iterator[Example]:
    """Cut passages of any length up to a window from our own prose, each kind equally often."""
    kinds = list(own["train"]["clean"].values())
    for i in range(PASSAGES):
        length = round(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
        yield Example(passage(kinds[i % len(kinds)], length, rng), toxic=False)


def passage(sentences: Sequence[str], length: int, rng: random.Random) -> str:
    """Return `length` characters of sentences that follow each other at random, cut anywhere."""
    text = ""
    while len(text) < length + LONGEST:
        text += rng.choice(sentences)
    start = rng.randrange(len(text) - length)
    return text[start : start + length]
