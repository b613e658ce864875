"""
Texts that the bundled toxicity checkpoint is trained and tested on.

Seven public data sets for training (MIT, CC0, Apache-2.0 or CC BY), generated sentences of our own, and HateCheck for
testing, with Detoxify's classes. A class that a data set does not label is NaN, and ignored by the training loss.

Splits: the published test split if there is one, otherwise one text in ten by the hash of its normalised form.
A normalised text is in one split only; test takes precedence over train.
"""

from __future__ import annotations

import csv
import hashlib
import html
import json
import math
import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from gptaudit.errors import DataError

CLASSES = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
Split = Literal["train", "test"]

SPAN_CLASSES = {
    "Insult": "insult",
    "Profane/Obscene": "obscene",
    "Identity based Attack": "identity_attack",
    "Threat": "threat",
}
PERSPECTIVE_CLASSES = {name: name for name in CLASSES} | {"obscene": "profanity"}
OWN_SENTENCES = Path(__file__).with_name("own_sentences.toml")
OFFENSIVE_TWEETS_KEPT = 3  # one in three: 77 % of the set are "offensive", which would teach its dialect


@dataclass(frozen=True)
class Row:
    """One labelled text; `labels` follow `CLASSES`, NaN if unknown; rows of one `cluster` are not independent."""

    text: str
    labels: tuple[float, ...]
    source: str
    split: Split
    cluster: str


def known(**labels: float) -> tuple[float, ...]:
    """Return labels in the order of `CLASSES`, NaN for those not given: `known(toxicity=1.0)[0] == 1.0`."""
    return tuple(labels.get(name, math.nan) for name in CLASSES)


CLEAN = known(**dict.fromkeys(CLASSES, 0.0))
OWN_LABELS = {
    "insult": known(toxicity=1.0, insult=1.0, severe_toxicity=0.0, threat=0.0, obscene=0.0),
    "threat": known(toxicity=1.0, threat=1.0, obscene=0.0),
    "bland": CLEAN,
}
SPLIT_SHARES: Mapping[Split, float] = {"train": 0.9, "test": 0.1}


def clean(text: str) -> str:
    """Remove traces of the platform: HTML entities, handles, links, retweet marks."""
    text = html.unescape(text)
    text = re.sub(r"\bRT\b|@\w+:?|@ url|https?://\S+|\[(?:USER|URL)\]", " ", text)
    return " ".join(text.split())


def normalised(text: str) -> str:
    """Normalise a text to detect duplicates: lower-cased, without ASCII punctuation."""
    return " ".join(re.sub(r"[!-/:-@\[-`{-~]", " ", text.lower()).split())


def bucket(text: str, buckets: int) -> int:
    """Hash a text to a stable number in [0, buckets)."""
    return int.from_bytes(hashlib.sha256(normalised(text).encode()).digest()[:8], "big") % buckets


def hashed_split(text: str) -> Split:
    """Choose the split of a text by its hash: one in ten is held out."""
    return "test" if bucket(text, 10) == 0 else "train"


def row(
    text: str, labels: tuple[float, ...], source: str, split: Split | None = None, cluster: str = ""
) -> Row:
    """Build a row with cleaned text; by default the split is hashed and the text is its own cluster."""
    text = clean(text)
    return Row(text, labels, source, split or hashed_split(text), cluster or text)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows of one CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sentence_bounds(text: str) -> list[tuple[int, int]]:
    """Return the character bounds of the sentences: `sentence_bounds("No. Yes!") == [(0, 4), (4, 8)]`."""
    cuts = [0, *(m.end() for m in re.finditer(r"[.!?]+[\"')]*\s+|\n+", text)), len(text)]
    return [(a, b) for a, b in pairwise(cuts) if text[a:b].strip()]


def civil_comments(folder: Path) -> Iterator[Row]:
    """
    Read posts that were rated toxic, whole and by sentence.

    A sentence is toxic if at least half of the raters marked a span in it, and not toxic if none did; the others are
    left out. A class is present if at least half of the raters assigned it to a span, absent if none did, and
    otherwise unknown.
    """
    texts = {r["comment_id"]: r["comment_text"] for r in read_csv(folder / "comments.csv")}
    held_out = {normalised(r["text"]) for r in read_csv(folder / "tsd_test.csv")}
    comment_of = {r["annotation"]: r["comment_id"] for r in read_csv(folder / "annotations.csv")}
    marks: dict[str, dict[str, list[tuple[int, int, str]]]] = defaultdict(lambda: defaultdict(list))
    for r in read_csv(folder / "spans.csv"):
        mark = (int(r["start"]), int(r["end"]), SPAN_CLASSES.get(r["type"], ""))
        marks[comment_of[r["annotation"]]][r["annotation"]].append(mark)
    for comment, by_rater in marks.items():
        text = texts[comment]
        split: Split = "test" if normalised(text) in held_out else "train"
        sentences = sentence_bounds(text)
        if len(by_rater) < 2:
            continue
        for a, b in {(0, len(text)), *sentences}:
            labels = span_labels(list(by_rater.values()), a, b)
            if not math.isnan(labels[0]):
                yield row(text[a:b], labels, "toxic-spans-civil-comments", split, comment)


def span_labels(raters: list[list[tuple[int, int, str]]], a: int, b: int) -> tuple[float, ...]:
    """Return labels of the characters [a, b) from the spans of each rater, who did not rate severe toxicity."""
    found = [{name for start, end, name in spans if start < b and end > a} for spans in raters]

    def judged(votes: int) -> float:
        return 1.0 if votes >= len(raters) / 2 else math.nan if votes else 0.0

    if not any(found):
        return known(**dict.fromkeys((*SPAN_CLASSES.values(), "toxicity"), 0.0), severe_toxicity=0.0)
    named = {name: judged(sum(name in f for f in found)) for name in SPAN_CLASSES.values()}
    return known(toxicity=judged(sum(map(bool, found))), **named)


def davidson(folder: Path) -> Iterator[Row]:
    """Read tweets: hateful, offensive or neither. Of the offensive ones, one in three is kept."""
    for r in read_csv(folder / "labeled_data.csv"):
        if r["class"] == "1" and bucket(r["tweet"], OFFENSIVE_TWEETS_KEPT):
            continue
        labels = {
            "0": known(toxicity=1.0, identity_attack=1.0),
            "1": known(toxicity=1.0, identity_attack=math.nan if int(r["hate_speech"]) else 0.0),
            "2": CLEAN,
        }[r["class"]]
        yield row(r["tweet"], labels, "davidson")


def edos(folder: Path) -> Iterator[Row]:
    """
    Read Reddit and Gab posts, sexist or not; the sexist ones are identity attacks.

    Toxicity stays unknown: a post that is not sexist may be toxic in another way, and positive labels alone would
    teach that speaking of women is toxic.
    """
    for r in read_csv(folder / "edos_labelled_aggregated.csv"):
        if r["label_sexist"] == "sexist":
            labels = known(identity_attack=1.0, threat=float(r["label_category"][0] == "1"))
        else:
            labels = known(identity_attack=0.0)
        yield row(r["text"], labels, "edos-sexism", "test" if r["split"] == "test" else "train")


def hatemoji(folder: Path) -> Iterator[Row]:
    """Read adversarial sentences with emoji, hateful (an identity attack) or not; toxicity stays unknown."""
    for part in ("train", "validation", "test"):
        for r in read_csv(folder / f"hatemojibuild_{part}.csv"):
            hateful = float(r["label_gold"])
            threat = float(r["type"] == "threateninglanguage")
            labels = known(identity_attack=hateful, threat=threat)
            yield row(r["text"], labels, "hatemoji", "test" if part == "test" else "train")


def madlibs(folder: Path) -> Iterator[Row]:
    """Read short synthetic phrases; each identity term is equally often in toxic and harmless ones."""
    for r in read_csv(folder / "en_sentence_templates.csv"):
        labels = known(toxicity=1.0) if r["toxicity"] == "toxic" else CLEAN
        yield row(r["phrase"], labels, "unintended-bias-madlibs")


def real_toxicity_prompts(folder: Path) -> Iterator[Row]:
    """Read web text, prompts and continuations, with Perspective's scores as soft labels."""
    with (folder / "rtp_5000_val.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            split = hashed_split(record["prompt"]["text"])
            for part in (record["prompt"], record["continuation"]):
                scores = {name: part[key] for name, key in PERSPECTIVE_CLASSES.items()}
                if None not in scores.values():
                    yield row(part["text"], known(**scores), "realtoxicityprompts", split, record["filename"])


def toxigen(folder: Path) -> Iterator[Row]:
    """Read sentences about minority groups: human-written demonstrations, and few-shot prompts made of them."""
    for path in sorted(folder.glob("demonstrations/*/*.txt")) + sorted(folder.glob("prompts/*.txt")):
        hateful = path.name.startswith("hate")
        labels = known(toxicity=1.0, identity_attack=1.0) if hateful else CLEAN
        for line in path.read_text(encoding="utf-8").splitlines():
            for sentence in line.split("\\n"):
                yield row(sentence.removeprefix("-").strip(), labels, "toxigen")


def own_sentences(seed: int = 0, count: int = 16_000) -> Iterator[Row]:
    """
    Generate our own sentences: a subject with a harmless predicate, a mild insult or a mild threat.

    Only invented groups and unnamed people are insulted or threatened; real identity terms have harmless predicates.
    Train and test rows use different predicates and invented names; the predicate is the cluster.
    """
    words = tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))
    rng = random.Random(seed)
    identities = [
        f"{a} {p}" for a in words["identities"]["adjectives"] for p in words["identities"]["people"]
    ]
    words["subjects"]["plural"]["real"] += identities
    for split, share in SPLIT_SHARES.items():
        unreal = "unseen" if split == "test" else "invented"
        for frame in words[split]["identity"]:
            for adjective in words["identities"]["adjectives"]:
                yield row(frame.format(adjective), CLEAN, "own-sentences", split, frame)
        for tone, labels in OWN_LABELS.items():
            predicates = words[split][tone]
            for text in predicates["whole"]:
                yield row(text, labels, "own-sentences", split)
            for _ in range(int(count * share)):
                kind = rng.choice(("plural", "single"))
                invented = tone != "bland" or rng.random() < 0.3
                subject = rng.choice(words["subjects"][kind][unreal if invented else "real"])
                predicate = rng.choice(predicates[kind])
                text = predicate.format(subject)
                yield row(text[0].upper() + text[1:], labels, "own-sentences", split, predicate)


def hatecheck(folder: Path) -> Iterator[Row]:
    """Read functional tests of hate detection, for testing only; a cluster is FUNCTIONALITY/TEMPLATE."""
    for r in read_csv(folder / "test_suite_cases.csv"):
        hateful = float(r["label_gold"] == "hateful")
        template = f"{r['functionality']}/{r['templ_id']}"
        yield row(r["test_case"], known(toxicity=hateful), "hatecheck", "test", template)


@dataclass(frozen=True)
class DataSet:
    """Licence, files and reader of a data set."""

    licence: str
    files: tuple[str, ...]  # globs, in the folder of the data set
    read: Callable[[Path], Iterable[Row]]


SETS: Mapping[str, DataSet] = {
    "toxic-spans-civil-comments": DataSet(
        "CC0-1.0", ("comments.csv", "annotations.csv", "spans.csv", "tsd_test.csv"), civil_comments
    ),
    "davidson": DataSet("MIT", ("labeled_data.csv",), davidson),
    "edos-sexism": DataSet("CC0-1.0", ("edos_labelled_aggregated.csv",), edos),
    "hatemoji": DataSet("CC-BY-4.0", ("hatemojibuild_*.csv",), hatemoji),
    "unintended-bias-madlibs": DataSet("Apache-2.0", ("en_sentence_templates.csv",), madlibs),
    "realtoxicityprompts": DataSet("Apache-2.0", ("rtp_5000_val.jsonl",), real_toxicity_prompts),
    "toxigen": DataSet("MIT", ("demonstrations/*/*.txt", "prompts/*.txt"), toxigen),
    "hatecheck": DataSet("CC-BY-4.0", ("test_suite_cases.csv",), hatecheck),
}


def load_corpus(data: Path) -> list[Row]:
    """
    Read all data sets, and keep each normalised text once.

    Raises:
        DataError: a data set's folder is missing below `data`.
    """
    rows: list[Row] = []
    for name, data_set in SETS.items():
        if not (data / name).is_dir():
            msg = f"expected the data set {name!r} in {data}; give a folder that contains {', '.join(SETS)}"
            raise DataError(msg)
        rows += data_set.read(data / name)
    return without_duplicates([*rows, *own_sentences()])


def without_duplicates(rows: list[Row]) -> list[Row]:
    """Keep the first row of each normalised text, test rows before training rows; drop empty texts."""
    kept: dict[str, Row] = {}
    for r in sorted(rows, key=lambda r: r.split != "test"):
        kept.setdefault(normalised(r.text), r)
    return [r for key, r in kept.items() if key]
