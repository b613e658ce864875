"""
Clean text of every length, whose toxicity is zero by its kind: novels, speeches, answers, licences, questions.

The held-out works are never trained on, not even in part: the split is by work, by question or by licence.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gptaudit.scorers.evaluation.held_out import Split, one_in
from gptaudit_toxicity_training.rows import CLEAN, Row, read_csv, row

LENGTHS = (5, 10, 20, 40, 60, 120, 200, 300, 400)
"""Words of a held-out passage."""
PASSAGES = 40  # of each kind and length, held out
TRAINING_PASSAGES = 12_000
SHORTEST, LONGEST = 2, 45  # words of a training passage; the scorer reads windows of at most 40
LONE_WORDS = 3_000
TIMES_MARKED = 2  # raters' marks that make a word rude

WORKS: dict[str, dict[str, Split]] = {
    "novels": {
        "corpus-gutenberg/grimm.txt": "train",
        "corpus-gutenberg/pride_and_prejudice.txt": "train",
        "corpus-gutenberg/wizard_of_oz_and_monte_cristo_excerpt.txt": "train",
        "corpus-gutenberg/alice.txt": "test",
        "corpus-gutenberg/sherlock_holmes.txt": "test",
    },
    "speeches": {"corpus-us-speeches/state_union.txt": "train", "corpus-us-speeches/inaugural.txt": "test"},
}
CLEAN_FILES = (
    *(path for paths in WORKS.values() for path in paths),
    "*/LICENSE",
    "truthfulqa/TruthfulQA.csv",
    "xstest/completions/xstest_v2_completions_mistralinstruct_gpteval.csv",
    "bold/wikipedia/religious_ideology_wiki.json",
)
Work = tuple[str, str, Split, str]
"""Kind, name, split and text."""


@cache
def rude_words(data: Path) -> frozenset[str]:
    """Return the words of a list of profanities, and those that raters marked as toxic by themselves."""
    spans = read_csv(data / "toxic-spans-civil-comments/spans.csv")
    comments = {
        r["comment_id"]: r["comment_text"] for r in read_csv(data / "toxic-spans-civil-comments/comments.csv")
    }
    comment_of = {
        r["annotation"]: r["comment_id"]
        for r in read_csv(data / "toxic-spans-civil-comments/annotations.csv")
    }
    marked: dict[str, int] = {}
    for r in spans:
        text = (
            comments[comment_of[r["annotation"]]][int(r["start"]) : int(r["end"])].lower().strip(" .,!?\"'")
        )
        if re.fullmatch(r"[a-z'-]+", text):
            marked[text] = marked.get(text, 0) + 1
    listed = (data / "profanity-lexicon/en.txt").read_text(encoding="utf-8").lower().split("\n")
    return frozenset(word for word, times in marked.items() if times >= TIMES_MARKED) | frozenset(listed)


def works(data: Path) -> Iterator[Work]:
    """Read the works whose text is clean by its kind."""
    for kind, paths in WORKS.items():
        for path, split in paths.items():
            yield kind, path, split, (data / path).read_text(encoding="utf-8")
    for licence in sorted(data.glob("*/LICENSE")):
        text = licence.read_text(encoding="utf-8")
        yield (
            "licences",
            str(licence.relative_to(data)),
            "test" if "Apache License" in text else "train",
            text,
        )
    for r in read_csv(data / "truthfulqa/TruthfulQA.csv"):
        text = " ".join((r["Question"], r["Best Answer"] + ".", r["Correct Answers"].replace(";", ".") + "."))
        yield "questions", r["Question"], one_in(4, r["Question"]), text
    for r in read_csv(data / "xstest/completions/xstest_v2_completions_mistralinstruct_gpteval.csv"):
        if not r["type"].startswith("contrast"):
            yield "answers", r["prompt"], one_in(3, r["prompt"]), r["completion"]
    for topics in json.loads((data / "bold/wikipedia/religious_ideology_wiki.json").read_text()).values():
        for name, sentences in topics.items():
            yield "encyclopedia", name, "test", " ".join(sentences)


def clean_text(data: Path, seed: int = 5) -> Iterator[Row]:
    """Cut passages from the works: for training of any length up to a window, held out of each of `LENGTHS`."""
    rng = random.Random(seed)
    pools: dict[tuple[str, Split], list[tuple[str, list[str]]]] = {}
    for kind, name, split, text in works(data):
        pools.setdefault((kind, split), []).append((name, text.split()))
    kinds = sorted({kind for kind, split in pools if split == "train"})
    for i in range(TRAINING_PASSAGES):
        pool = pools[kinds[i % len(kinds)], "train"]
        length = round(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
        name, passage = cut(pool, length, rng)
        yield row(passage, CLEAN, "clean-text", "train", name)
    for (kind, split), pool in sorted(pools.items()):
        for length in LENGTHS if split == "test" else ():
            long_enough = [(name, words) for name, words in pool if len(words) >= length]
            for _ in range(PASSAGES if long_enough else 0):
                name, passage = cut(long_enough, length, rng)
                yield row(passage, CLEAN, f"clean-text/{kind}/{length}", "test", name)


def cut(pool: list[tuple[str, list[str]]], length: int, rng: random.Random) -> tuple[str, str]:
    """Cut a passage of `length` words from a work, which is chosen by its length."""
    name, words = rng.choices(pool, weights=[len(words) for _, words in pool])[0]
    start = rng.randrange(max(1, len(words) - length + 1))
    return name, " ".join(words[start : start + length])


def lone_words(data: Path, seed: int = 6) -> Iterator[Row]:
    """Read words by themselves, from the works; held out are words that the training works do not have."""
    rng = random.Random(seed)
    found: dict[Split, set[str]] = {"train": set(), "test": set()}
    for _, _, split, text in works(data):
        found[split] |= {w for w in re.findall(r"[a-z]{3,}", text) if len(set(w)) > 1}
    rude = rude_words(data)
    for split, words in (("train", found["train"]), ("test", found["test"] - found["train"])):
        for word in rng.sample(sorted(words - rude), LONE_WORDS if split == "train" else LONE_WORDS // 3):
            yield row(rng.choice((word, word.capitalize())), CLEAN, "lone-words", split)


def neutral_sentences(data: Path) -> Iterator[Row]:
    """Read sentences that name people and insult nobody: of BBQ (by question) and of WinoBias (held out)."""
    for path in sorted(data.glob("bbq/data/*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                r = json.loads(line)
                cluster = f"{r['category']}/{r['question_index']}"
                yield row(r["context"], CLEAN, "neutral-sentences", one_in(5, cluster), cluster)
    with (data / "winogender/all_sentences.tsv").open(encoding="utf-8", newline="") as file:
        for r in csv.DictReader(file, delimiter="\t"):
            yield row(r["sentence"], CLEAN, "neutral-sentences", "train")


def holistic_bias(data: Path, seed: int = 7, count: int = 120) -> Iterator[Row]:
    """Build neutral sentences about people of each axis of HolisticBias, for testing only."""
    rng = random.Random(seed)
    folder = data / "holisticbias/v1.1"
    axes = json.loads((folder / "descriptors.json").read_text(encoding="utf-8"))
    nouns = [
        n for kind in json.loads((folder / "nouns.json").read_text(encoding="utf-8")).values() for n in kind
    ]
    for axis, buckets in axes.items():
        entries = [e for bucket_ in buckets.values() for e in bucket_]
        names = [e if isinstance(e, str) else e["descriptor"] for e in entries if not dispreferred(e)]
        for _ in range(count if axis not in NOT_GROUPS else 0):
            name, (_, plural) = rng.choice(names), rng.choice(nouns)
            text = rng.choice(HOLISTIC_FRAMES).format(f"{name} {plural}")
            yield row(text, CLEAN, f"holisticbias/{axis}", "test", name)


HOLISTIC_FRAMES = (
    "I met some {} at the station.",
    "What do {} think about the new timetable?",
    "Two {} moved into our street in May.",
    "My sister works with {} at the hospital.",
)
NOT_GROUPS = ("nonce", "characteristics", "political_ideologies")


def dispreferred(entry: str | dict[str, str]) -> bool:
    """Whether the data set marks a descriptor as one that the group itself does not like, or as contested."""
    return not isinstance(entry, str) and entry.get("preference") in ("dispreferred", "polarizing")
