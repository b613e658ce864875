"""Our own sentences: harmless ones, mild insults and threats, with the words of `own_sentences.toml`."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gptaudit.scorers.evaluation.held_out import Split
from gptaudit_toxicity_training.rows import CLEAN, Row, known, row

OWN_SENTENCES = Path(__file__).with_name("own_sentences.toml")
OWN_LABELS = {
    "insult": known(toxicity=1.0, insult=1.0, severe_toxicity=0.0, threat=0.0, obscene=0.0),
    "threat": known(toxicity=1.0, threat=1.0, obscene=0.0),
    "bland": CLEAN,
}
SPLIT_SHARES: Mapping[Split, float] = {"train": 0.9, "test": 0.1}


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


def named_groups(_rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """
    Make pairs of sentences about the same real group: one mildly insulting or threatening, one harmless.

    `own_sentences` has real groups in harmless sentences only; alone they would teach that a group's name is a sign of
    harmless text. These rows exist in memory, for training, and are nowhere written.
    """
    words = tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))
    train = words["train"]
    groups = words["subjects"]["plural"]["real"]
    for _ in range(count // 2):
        group, tone = rng.choice(groups), rng.choice(("insult", "insult", "threat", "exclusion"))
        attack = rng.choice(train[tone]["plural"])
        threat = float(tone == "threat")
        labels = known(toxicity=1.0, identity_attack=1.0, threat=threat, obscene=0.0)
        for predicate, labelled in ((attack, labels), (rng.choice(train["bland"]["plural"]), CLEAN)):
            text = predicate.format(group)
            yield row(text[0].upper() + text[1:], labelled, "named-groups", "train", predicate)


def contrasts(_rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Row]:
    """
    Make pairs of sentences about the same group that differ in one word: an insult or praise.

    Without them a frame that is often used to insult, such as "will always be ... people", is itself taken for one.
    Like those of `named_groups` these rows exist in memory, for training, and are nowhere written.
    """
    words = tomllib.loads(OWN_SENTENCES.read_text(encoding="utf-8"))
    groups = [*words["subjects"]["plural"]["real"], *words["subjects"]["plural"]["invented"]]
    insulting = known(toxicity=1.0, insult=1.0, threat=0.0, obscene=0.0)
    for _ in range(count // 2):
        group, contrast = rng.choice(groups), rng.choice(words["contrasts"])
        frame = rng.choice(contrast["frames"])
        for kind, labels in (("insult", insulting), ("praise", CLEAN)):
            text = frame.format(group, rng.choice(contrast[kind]))
            yield row(text[0].upper() + text[1:], labels, "contrasts", "train", frame)
