"""
Texts that the bundled toxicity checkpoint is trained and tested on, with Detoxify's classes.

Public data sets (MIT, CC0, Apache-2.0 or CC BY) and generated sentences of our own for training; HateCheck,
HatemojiCheck, BOLD and HolisticBias for testing alone. A class that a data set does not label is NaN, and ignored by
the training loss.

Splits: the published test split if there is one, otherwise by the hash of a text's normalised form, or by its work.
A normalised text is in one split only; test takes precedence over train.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.scorers.detoxify import WINDOW_WORDS
from gptaudit.scorers.evaluation.held_out import Split, bucket, hashed_split, normalised, one_in
from gptaudit.scorers.windows import sentences, windows
from gptaudit_toxicity_training.augment import quoted, respelt, swapped, unreadable
from gptaudit_toxicity_training.clean import (
    CLEAN_FILES,
    clean_text,
    holistic_bias,
    lone_words,
    neutral_sentences,
    rude_words,
)
from gptaudit_toxicity_training.own import contrasts, named_groups, own_sentences
from gptaudit_toxicity_training.rows import (
    CLASSES,
    CLEAN,
    THRESHOLD,
    Row,
    known,
    read_csv,
    row,
)

SPAN_CLASSES = {
    "Insult": "insult",
    "Profane/Obscene": "obscene",
    "Identity based Attack": "identity_attack",
    "Threat": "threat",
}
PERSPECTIVE_CLASSES = {name: name for name in CLASSES} | {"obscene": "profanity"}
OFFENSIVE_TWEETS_KEPT = 3  # one in three: 77 % of the set are "offensive", which would teach its dialect
SEXIST_TOXICITY = {"1": 1.0, "2": 1.0, "3": 0.8, "4": 0.6}
"""Toxicity by category of EDOS: threats, derogation, animosity, prejudiced discussions."""
TALK_SPLITS: Mapping[str, Split] = {"gn": "train", "gc": "test"}


def civil_comments(data: Path) -> Iterator[Row]:
    """
    Read posts that were rated toxic: training by sentence and by window of the scorer, testing also whole.

    A piece is toxic if at least half of the raters marked a span in it, and not toxic if none did; the others are
    left out. A class is present if at least half of the raters assigned it to a span, absent if none did, and
    otherwise unknown.
    """
    texts = {
        r["comment_id"]: r["comment_text"] for r in read_csv(data / "toxic-spans-civil-comments/comments.csv")
    }
    held_out = {normalised(r["text"]) for r in read_csv(data / "toxic-spans-civil-comments/tsd_test.csv")}
    comment_of = {
        r["annotation"]: r["comment_id"]
        for r in read_csv(data / "toxic-spans-civil-comments/annotations.csv")
    }
    marks: dict[str, dict[str, list[tuple[int, int, str]]]] = defaultdict(lambda: defaultdict(list))
    for r in read_csv(data / "toxic-spans-civil-comments/spans.csv"):
        mark = (int(r["start"]), int(r["end"]), SPAN_CLASSES.get(r["type"], ""))
        marks[comment_of[r["annotation"]]][r["annotation"]].append(mark)
    for comment, by_rater in marks.items():
        text = texts[comment]
        split: Split = "test" if normalised(text) in held_out else "train"
        if len(by_rater) < 2:
            continue
        whole = {(0, len(text))} if split == "test" else set(windows(text, WINDOW_WORDS))
        for a, b in sorted({*whole, *sentences(text)}):
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


def davidson(data: Path) -> Iterator[Row]:
    """Read tweets: hateful, offensive or neither. Of the offensive ones, one in three is kept."""
    for r in read_csv(data / "davidson/labeled_data.csv"):
        if r["class"] == "1" and bucket(r["tweet"], OFFENSIVE_TWEETS_KEPT):
            continue
        labels = {
            "0": known(toxicity=1.0, identity_attack=1.0),
            "1": known(toxicity=1.0, identity_attack=math.nan if int(r["hate_speech"]) else 0.0),
            "2": CLEAN,
        }[r["class"]]
        yield row(r["tweet"], labels, "davidson")


def edos(data: Path) -> Iterator[Row]:
    """
    Read Reddit and Gab posts, sexist or not; the sexist ones are toxic identity attacks.

    A post that is not sexist may be toxic in another way: its toxicity is unknown if it has a word of insult or
    profanity, and otherwise a soft 0.1.
    """
    rude = rude_words(data)
    for r in read_csv(data / "edos-sexism/edos_labelled_aggregated.csv"):
        split: Split = "test" if r["split"] == "test" else "train"
        if r["label_sexist"] == "sexist":
            threat = float(r["label_category"][0] == "1")
            labels = known(
                toxicity=SEXIST_TOXICITY[r["label_category"][0]], identity_attack=1.0, threat=threat
            )
        elif split == "test" or rude & set(re.findall(r"[a-z'-]+", r["text"].lower())):
            labels = known(identity_attack=0.0)
        else:
            labels = known(toxicity=0.1, identity_attack=0.0)
        yield row(r["text"], labels, "edos-sexism", split)


def hatemoji(data: Path) -> Iterator[Row]:
    """Read adversarial sentences with emoji in contrasting pairs: hateful (a toxic identity attack) or not."""
    for part in ("train", "validation", "test"):
        for r in read_csv(data / f"hatemoji/hatemojibuild_{part}.csv"):
            hateful = float(r["label_gold"])
            threat = float(r["type"] == "threateninglanguage")
            labels = known(toxicity=hateful, identity_attack=hateful, threat=threat)
            yield row(r["text"], labels, "hatemoji", "test" if part == "test" else "train")


def hatemoji_check(data: Path) -> Iterator[Row]:
    """Read functional tests of hate with emoji, for testing only; a cluster is a template."""
    for r in read_csv(data / "hatemoji/hatemojicheck_test.csv"):
        template = f"{r['functionality']}/{r['templ_id']}"
        source = f"hatemoji-check/{r['functionality']}"
        yield row(r["text"], known(toxicity=float(r["label_gold"])), source, "test", template)


def talk_pages(data: Path) -> Iterator[Row]:
    """
    Read Wikipedia talk-page comments; those rated beside their parent comment are for testing.

    A comment that raters passed and Perspective did not (0.5 and more) is left out of the training.
    """
    for name, split in TALK_SPLITS.items():
        for r in read_csv(data / f"context-toxicity-wikipedia/{name}.csv"):
            toxic = float(float(r["label"]) >= THRESHOLD)
            if split == "test" or toxic or float(r["api"] or 0) < THRESHOLD:
                yield row(r["text"], known(toxicity=toxic), "context-toxicity-wikipedia", split)


def madlibs(data: Path) -> Iterator[Row]:
    """Read short synthetic phrases; each identity term is equally often in toxic and harmless ones."""
    for r in read_csv(data / "unintended-bias-madlibs/en_sentence_templates.csv"):
        labels = known(toxicity=1.0) if r["toxicity"] == "toxic" else CLEAN
        yield row(r["phrase"], labels, "unintended-bias-madlibs")


def real_toxicity_prompts(data: Path) -> Iterator[Row]:
    """Read web text, prompts and continuations, with Perspective's scores as soft labels."""
    with (data / "realtoxicityprompts/rtp_5000_val.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            split = hashed_split(record["prompt"]["text"])
            for part in ("prompt", "continuation"):
                scores = {name: record[part][key] for name, key in PERSPECTIVE_CLASSES.items()}
                if None not in scores.values():
                    source = f"realtoxicityprompts/{part}"
                    yield row(record[part]["text"], known(**scores), source, split, record["filename"])


def toxigen(data: Path) -> Iterator[Row]:
    """
    Read sentences about minority groups: human-written demonstrations, and few-shot prompts made of them.

    Half of the sentences are held out.
    """
    for path in sorted((data / "toxigen").glob("demonstrations/*/*.txt")) + sorted(
        (data / "toxigen").glob("prompts/*.txt")
    ):
        hateful = path.name.startswith("hate")
        group = re.sub(r"^(hate|neutral)_|_1k$|_sentences$", "", path.stem)
        labels = known(toxicity=1.0, identity_attack=1.0) if hateful else CLEAN
        for line in path.read_text(encoding="utf-8").splitlines():
            for sentence in line.split("\\n"):
                text = sentence.removeprefix("-").strip()
                yield row(text, labels, f"toxigen/{group}", one_in(2, text), group)


def hatecheck(data: Path) -> Iterator[Row]:
    """Read functional tests of hate detection, for testing only; a cluster is a template."""
    for r in read_csv(data / "hatecheck/test_suite_cases.csv"):
        hateful = float(r["label_gold"] == "hateful")
        template = f"{r['functionality']}/{r['templ_id']}"
        yield row(
            r["test_case"], known(toxicity=hateful), f"hatecheck/{r['functionality']}", "test", template
        )


@dataclass(frozen=True)
class DataSet:
    """Licence, files and reader of a data set, and how many of its training rows are learnt."""

    licence: str
    files: tuple[str, ...]  # globs in the folder of data sets
    read: Callable[[Path], Iterable[Row]]  # from the folder of data sets
    learnt: int = 0
    """More than there are: some twice. 0: held out as a whole."""


Maker = Callable[[Sequence[Row], int, random.Random], Iterable[Row]]
SPANS = "toxic-spans-civil-comments"
SETS: Mapping[str, DataSet] = {
    SPANS: DataSet(
        "CC0-1.0",
        tuple(f"{SPANS}/{name}.csv" for name in ("comments", "annotations", "spans", "tsd_test")),
        civil_comments,
        4_500,
    ),
    "davidson": DataSet("MIT", ("davidson/labeled_data.csv",), davidson, 3_000),
    "edos-sexism": DataSet("CC0-1.0", ("edos-sexism/edos_labelled_aggregated.csv",), edos, 2_000),
    "hatemoji": DataSet("CC-BY-4.0", ("hatemoji/hatemojibuild_*.csv",), hatemoji, 6_000),
    "unintended-bias-madlibs": DataSet(
        "Apache-2.0", ("unintended-bias-madlibs/en_sentence_templates.csv",), madlibs, 800
    ),
    "realtoxicityprompts": DataSet(
        "Apache-2.0", ("realtoxicityprompts/rtp_5000_val.jsonl",), real_toxicity_prompts, 13_000
    ),
    "context-toxicity-wikipedia": DataSet(
        "Apache-2.0, texts CC-BY-SA-3.0", ("context-toxicity-wikipedia/g[cn].csv",), talk_pages, 1_000
    ),
    "toxigen": DataSet("MIT", ("toxigen/demonstrations/*/*.txt", "toxigen/prompts/*.txt"), toxigen, 800),
    "clean-text": DataSet(
        "public domain; CC-BY-4.0; Apache-2.0; licences verbatim; CC-BY-SA-4.0 held out",
        CLEAN_FILES,
        clean_text,
        4_000,
    ),
    "lone-words": DataSet("as clean-text", ("profanity-lexicon/en.txt",), lone_words, 1_200),
    "neutral-sentences": DataSet(
        "CC-BY-4.0; MIT", ("bbq/data/*.jsonl", "winogender/all_sentences.tsv"), neutral_sentences, 1_500
    ),
    "own-sentences": DataSet("Apache-2.0", (), lambda _: own_sentences(), 4_500),
    "hatecheck": DataSet("CC-BY-4.0", ("hatecheck/test_suite_cases.csv",), hatecheck),
    "hatemoji-check": DataSet("CC-BY-4.0", ("hatemoji/hatemojicheck_test.csv",), hatemoji_check),
    "holisticbias": DataSet("CC-BY-SA-4.0", ("holisticbias/v1.1/*.json",), holistic_bias),
}
MADE_ROWS: Mapping[Maker, int] = {swapped: 3_500, quoted: 3_000, respelt: 1_500}
GROUPS_MIXTURE = {
    SPANS: 800,
    "davidson": 500,
    "edos-sexism": 600,
    "hatemoji": 1_500,
    "unintended-bias-madlibs": 200,
    "realtoxicityprompts": 2_500,
    "context-toxicity-wikipedia": 400,
    "toxigen": 363,
    "clean-text": 1_200,
    "lone-words": 300,
    "neutral-sentences": 200,
}
"""Training rows of the shorter mixture."""
GROUPS_MADE_ROWS: Mapping[Maker, int] = {named_groups: 3_600, swapped: 800, quoted: 800}
ANEW, AGAIN = 40_000, 20_000
"""Rows of the broad mixture in the third pass, and in the fourth."""
LAST, LAST_OWN, CONTRASTS, UNREADABLE = 6_000, 1_500, 2_400, 800
"""Rows of the last pass: of the mixture about groups, of our own sentences, pairs that contrast, unreadable ones."""
HELD_OUT = 1_000
"""Test rows, at most, of a set or of each of its parts."""


def load_corpus(data: Path) -> list[Row]:
    """
    Read all data sets, and keep each normalised text once.

    Raises:
        DataError: a file of a data set is missing below `data`.
    """
    rows: list[Row] = []
    for name, data_set in SETS.items():
        for pattern in data_set.files:
            if not any(data.glob(pattern)):
                msg = f"{data}: expected {pattern} of the data set {name!r}; found none; give a folder that has it"
                raise DataError(msg)
        rows += data_set.read(data)
    return without_duplicates(rows)


def without_duplicates(rows: list[Row]) -> list[Row]:
    """Keep the first row of each normalised text, test rows before training rows; drop empty texts."""
    kept: dict[str, Row] = {}
    for r in sorted(rows, key=lambda r: r.split != "test"):
        kept.setdefault(normalised(r.text), r)
    return [r for key, r in kept.items() if key]


def by_name(rows: Iterable[Row], name: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Group rows by the name that `name` gives them."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for r in rows:
        groups[name(r)].append(r)
    return groups


def held_out(rows: Sequence[Row], learnt: Iterable[Row], seed: int = 8) -> list[Row]:
    """
    Return the test rows; of each set, or of each of its parts, at most `HELD_OUT`.

    Rows made for training may happen to be a test's sentence: a cluster (a template) that has such a one is left out.
    """
    rng = random.Random(seed)
    groups = by_name((r for r in rows if r.split == "test"), lambda r: r.source)
    sampled = [r for group in groups.values() for r in rng.sample(group, min(len(group), HELD_OUT))]
    known_texts = {normalised(r.text) for r in learnt}
    seen = {
        (r.set, r.cluster) for group in groups.values() for r in group if normalised(r.text) in known_texts
    }
    return [r for r in sampled if (r.set, r.cluster) not in seen]


def drawn(rows: Sequence[Row], count: int, rng: random.Random) -> list[Row]:
    """Draw rows without replacement, and again where `count` is more than there are, at most twice each."""
    again = rng.sample(rows, max(0, min(count, 2 * len(rows)) - len(rows)))
    return [*rng.sample(rows, min(count, len(rows))), *again]


def training_passes(rows: Sequence[Row], seed: int) -> list[list[Row]]:
    """
    Draw the rows of each pass: the broad mixture, the one about groups, the broad one anew, both, and a last one.

    One pass over the broad mixture leaves all classes but toxicity unlearnt; the mixture about groups comes again
    because the third pass forgets most of what the second has taught. The short last pass, at a low rate, has insults
    and praise in the same frames, and texts that the tokenizer cannot read.
    """
    rng = random.Random(seed + 60)
    again = [*broad_mixture(rows, seed + 58)[:AGAIN], *groups_mixture(rows, seed + 59)]
    rng.shuffle(again)
    train = [r for r in rows if r.split == "train"]
    own = [r for r in train if r.set == "own-sentences"]
    last = [
        *groups_mixture(rows, seed + 61)[:LAST],
        *rng.sample(own, LAST_OWN),
        *contrasts(train, CONTRASTS, rng),
        *unreadable(train, UNREADABLE, rng),
    ]
    rng.shuffle(last)
    return [
        broad_mixture(rows, seed),
        groups_mixture(rows, seed + 1),
        broad_mixture(rows, seed + 57)[:ANEW],
        again,
        last,
    ]


def broad_mixture(rows: Sequence[Row], seed: int) -> list[Row]:
    """Sample the planned number of training rows of each set, and add the rows made of them."""
    return mixture(rows, {name: data_set.learnt for name, data_set in SETS.items()}, MADE_ROWS, seed)


def groups_mixture(rows: Sequence[Row], seed: int) -> list[Row]:
    """Sample fewer rows of each set, with pairs of sentences about the same group that differ in what they say."""
    return mixture(rows, GROUPS_MIXTURE, GROUPS_MADE_ROWS, seed)


def mixture(
    rows: Sequence[Row], planned: Mapping[str, int], made_rows: Mapping[Maker, int], seed: int
) -> list[Row]:
    """Draw the planned number of training rows of each set, add rows made of all of them, and shuffle."""
    rng = random.Random(seed)
    train = [r for r in rows if r.split == "train"]
    mixed = [
        r
        for name, group in by_name(train, lambda r: r.set).items()
        for r in drawn(group, planned.get(name, 0), rng)
    ]
    mixed += [r for make, count in made_rows.items() for r in make(train, count, rng)]
    rng.shuffle(mixed)
    return mixed
