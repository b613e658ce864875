"""
Public labelled sets, read from their published files below one folder: the part that no bundled model was trained on.

Sets that are most like what a model writes come first, since the first one gives the error rates that figures carry.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from gptaudit.errors import DataError
from gptaudit.files import parse_json, read_json, read_lines, read_text
from gptaudit.scorers.evaluation.held_out import hashed_split, one_in
from gptaudit.scorers.evaluation.labelled import LabelledSet, LabelledText

TOXIC: Sequence[str] = ("toxicity",)
COMPLIED: Sequence[str] = ("complied",)
REFUSED: Sequence[str] = ("refused", "partly")
PERSPECTIVE = 0.5
"""Perspective's score from which RealToxicityPrompts calls a text toxic (Gehman et al. 2020, section 2)."""
PASSAGE_WORDS = (5, 10, 20, 40, 60, 120, 200, 300, 400)
PASSAGES = 40
"""Of each length and work."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set that is read where its files are in the folder."""

    name: str
    role: str
    labels: Sequence[str]
    """The scorer's labels whose sum is compared with people's label."""
    labelled_by: str
    files: Sequence[str]
    """Globs below the folder."""
    read: Callable[[Sequence[Path]], Iterable[LabelledText]]
    language: str = "en"

    def found(self, folder: Path) -> LabelledSet | None:
        """Read the set, or return None where the folder has no file of it."""
        paths = sorted(path for glob in self.files for path in folder.glob(glob))
        if not paths:
            return None
        try:
            texts = list(self.read(paths))
        except (AttributeError, LookupError, OSError, TypeError, ValueError, csv.Error) as error:
            msg = f"{paths[0]}: expected the published file of {self.name}: {error!r}; fetch it anew"
            raise DataError(msg) from error
        return LabelledSet(self.name, self.labelled_by, texts, self.language)


def continuations(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read the continuations of RealToxicityPrompts whose prompts were held out."""
    for record in chain.from_iterable(map(_records, paths)):
        toxicity = record["continuation"]["toxicity"]
        if toxicity is not None and hashed_split(record["prompt"]["text"]) == "test":
            yield LabelledText(
                record["continuation"]["text"], toxicity >= PERSPECTIVE, cluster=record["filename"]
            )


def hatecheck(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read HateCheck's functional tests; a cluster is a template."""
    for row in _rows(paths):
        groups = {"functionality": row["functionality"]} | (
            {"group": row["target_ident"]} if row["target_ident"] else {}
        )
        template = f"{row['functionality']}/{row['templ_id']}"
        yield LabelledText(row["test_case"], row["label_gold"] == "hateful", "", template, groups)


def toxigen(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read the half of ToxiGen's sentences that is held out; a cluster is a group."""
    seen = set()
    for path in paths:
        group = re.sub(r"^(hate|neutral)_|_1k$|_sentences$", "", path.stem)
        for sentence in read_text(path, error=DataError).replace("\\n", "\n").splitlines():
            text = " ".join(sentence.strip().removeprefix("-").split())
            if text and text not in seen and one_in(2, text) == "test":
                seen.add(text)
                yield LabelledText(text, path.name.startswith("hate"), "", group, {"group": group})


def talk_pages(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read Wikipedia talk-page comments that were rated beside their parent comment, all of them held out."""
    for row in _rows(paths):
        yield LabelledText(row["text"], float(row["label"]) >= PERSPECTIVE)


def prose(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Cut passages of every length from works that are clean by their kind and that nothing was trained on."""
    for path in paths:
        words = read_text(path, error=DataError).split()
        for length in PASSAGE_WORDS:
            step = max(1, (len(words) - length) // PASSAGES)
            for start in range(0, max(1, len(words) - length), step)[:PASSAGES]:
                text = " ".join(words[start : start + length])
                yield LabelledText(text, label=False, groups={"length": f"{length} words"})


def cold(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read the test split of COLD, with its topics."""
    for row in _rows(paths):
        yield LabelledText(row["TEXT"], row["label"] == "1", groups={"topic": row["topic"]})


def xstest(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read XSTest's labelled answers; positive are full and partial refusals; a cluster is a prompt."""
    for path in paths:
        model = path.stem.removeprefix("xstest_v2_completions_").removesuffix("_gpteval")
        for row in _rows([path]):
            refused = row["final_label"] != "1_full_compliance"
            groups = {"type": row["type"], "model": model}
            yield LabelledText(row["completion"], refused, row["prompt"], row["id"], groups)


def jailbreaks(paths: Sequence[Path]) -> Iterator[LabelledText]:
    """Read JailbreakBench's attacked answers, beside the plain request, with its judge's verdicts, by behaviour."""
    for path in paths:
        for row in read_json(path, error=DataError)["jailbreaks"]:
            if row["response"] is not None and row["prompt"] is not None:
                yield LabelledText(
                    row["response"],
                    bool(row["jailbroken"]),
                    row["goal"],
                    row["behavior"],
                    {"model": path.stem},
                )


def _records(path: Path) -> Iterator[Any]:
    for number, line in read_lines(path, error=DataError):
        yield parse_json(line, str(path), line=number)


def _rows(paths: Sequence[Path]) -> Iterator[Mapping[str, str]]:
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)


SETS = (
    PublicSet(
        "RealToxicityPrompts, continuations",
        "toxicity",
        TOXIC,
        "Perspective, toxicity of 0.5 and more",
        ("realtoxicityprompts/rtp_5000_val.jsonl",),
        continuations,
    ),
    PublicSet(
        "HateCheck", "toxicity", TOXIC, "its authors, hateful", ("hatecheck/test_suite_cases.csv",), hatecheck
    ),
    PublicSet(
        "ToxiGen, sentences", "toxicity", TOXIC, "its authors, hateful", ("toxigen/**/*.txt",), toxigen
    ),
    PublicSet(
        "Wikipedia talk pages",
        "toxicity",
        TOXIC,
        "half of the raters",
        ("context-toxicity-wikipedia/gc.csv",),
        talk_pages,
    ),
    PublicSet(
        "clean prose",
        "toxicity",
        TOXIC,
        "the kind of text, none toxic",
        (
            "corpus-gutenberg/alice.txt",
            "corpus-gutenberg/sherlock_holmes.txt",
            "corpus-us-speeches/inaugural.txt",
        ),
        prose,
    ),
    PublicSet(
        "COLD, test split", "toxicity", TOXIC, "its annotators, offensive", ("zh-cold/test.csv",), cold, "zh"
    ),
    PublicSet(
        "JailbreakBench, answers",
        "refusal",
        COMPLIED,
        "its judge, jailbroken",
        ("jailbreakbench/attack-artifacts/*/*/*.json",),
        jailbreaks,
    ),
    PublicSet(
        "XSTest, answers",
        "refusal",
        REFUSED,
        "its annotators, refused in part or whole",
        ("xstest/completions/*_gpteval.csv",),
        xstest,
    ),
)
