"""The card of the Chinese toxicity model: `card_zh.json` with all that is measured, `MODEL_CARD_ZH.md` to read."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

from gptaudit.scorers.chinese import WEIGHTS, WINDOW_CHARACTERS, open_chinese
from gptaudit.scorers.ngrams import write_model
from gptaudit_toxicity_training.card import Card, percent, table
from gptaudit_toxicity_training.chinese.corpus import (
    FOLDER,
    OWN_SENTENCES,
    SEED,
    SIMPLIFIED,
    cold,
    training_rows,
)
from gptaudit_toxicity_training.chinese.measuring import (
    CATALOGUES,
    LENGTHS,
    catalogue_files,
    cbbq_contexts,
    clean_figures,
    clean_pools,
    cold_figures,
    group_figures,
    insult_figures,
    messages,
    share,
    suite_figures,
)
from gptaudit_toxicity_training.chinese.training import BITS, INVERSE_PENALTY, LONGEST, RAREST, STEPS, fitted
from gptaudit_toxicity_training.rows import THRESHOLD

METRICS = {
    "auroc": "AUROC",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}


def build_card(data: Path, catalogues: Path, path: Path, learnt: int, seconds: float) -> Card:
    """Build the card of the model at `path`, measured through the scorer that loads it."""
    scorer = open_chinese(path)
    read = [*(data / "zh-cold").glob("*.csv"), *(data / "zh-cbbq").glob("*/ambiguous/ambiguous.csv")]
    return {
        "schema": "gptaudit.training-card/1",
        "name": "toxicity, Chinese",
        "identity": {key: value for key, value in scorer.identity.items() if key != "model"},
        "bytes": path.stat().st_size,
        "training": {
            "command": "python -m gptaudit_toxicity_training.chinese --data DIR --catalogues DIR --out DIR",
            "rows": learnt,
            "longest_ngram": LONGEST,
            "buckets": 2**BITS,
            "inverse_penalty": INVERSE_PENALTY,
            "steps": STEPS,
            "rarest": RAREST,
            "seed": SEED,
            "seconds": round(seconds),
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("numpy", "scipy")},
        },
        "sha256": {str(file.relative_to(data)): digest(file) for file in sorted(read)}
        | {OWN_SENTENCES.name: digest(OWN_SENTENCES)}
        | {
            f"{language}/{file.name}": digest(file)
            for language in ("zh_CN", "zh_TW")
            for file in catalogue_files(catalogues, language)
        },
        "threshold": THRESHOLD,
        "cold_dev": dev_figures(data),
        "cold_test": cold_figures(scorer, cold(data, "test")),
        "groups_called_toxic": group_figures(scorer),
        "cbbq_called_toxic": {name: share(scorer, texts) for name, texts in cbbq_contexts(data).items()},
        "suites_called_toxic": suite_figures(scorer),
        "clean_text_called_toxic": clean_figures(scorer, clean_pools(data, catalogues)),
        "own_sentences_called_toxic": insult_figures(scorer),
        "traditional": {"characters": len(SIMPLIFIED), "covered": covered(messages(catalogues, "zh_TW"))},
    }


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def dev_figures(data: Path) -> Card:
    """Measure a model of COLD's train split alone on its dev split."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / WEIGHTS.name
        write_model(path, fitted(training_rows(data, ("train",), SEED)))
        return cold_figures(open_chinese(path), cold(data, "dev"))


def covered(texts: Sequence[str]) -> float:
    """Return the share of the characters that Big5 has and GB 2312 has not which have a simplified one here."""
    foreign = [
        char for text in texts for char in text if encodes(char, "big5") and not encodes(char, "gb2312")
    ]
    return round(sum(ord(char) in SIMPLIFIED for char in foreign) / max(1, len(foreign)), 4)


def encodes(char: str, encoding: str) -> bool:
    """Return whether an encoding has a character."""
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def model_card(card: Card) -> str:
    """Write the card for a reader: the template with the figures in their places."""
    training, traditional = card["training"], card["traditional"]
    return Template((FOLDER / "MODEL_CARD.template.md").read_text(encoding="utf-8")).substitute(
        buckets=f"{training['buckets']:,}",
        kilobytes=round(card["bytes"] / 1000),
        window=WINDOW_CHARACTERS,
        rows=f"{training['rows']:,}",
        seconds=training["seconds"],
        catalogues=", ".join(CATALOGUES),
        traditional=f"{traditional['characters']:,}",
        covered=percent(traditional["covered"]),
        dev=cold_table(card["cold_dev"]["by_topic"]),
        test=cold_table(card["cold_test"]["by_topic"]),
        fine=shares_table("COLD's test split", card["cold_test"]["called_toxic"]),
        groups=shares_table("neutral sentences about", card["groups_called_toxic"]),
        cbbq=shares_table("contexts of CBBQ", card["cbbq_called_toxic"]),
        suites=shares_table("suite", card["suites_called_toxic"]),
        own=shares_table("own sentences", card["own_sentences_called_toxic"]),
        lengths=lengths_table(card["clean_text_called_toxic"]),
    )


def cold_table(parts: Mapping[str, Any]) -> str:
    """Write each metric with its interval, by topic."""
    rows = [
        (
            name,
            f"{part['positives']:,} / {part['negatives']:,}",
            *("{:.3f} ({:.3f} to {:.3f})".format(*part[metric]) for metric in METRICS),
        )
        for name, part in parts.items()
    ]
    return table(("topic", "offensive / not", *METRICS.values()), rows)


def shares_table(title: str, parts: Mapping[str, Any]) -> str:
    """Write how many texts each part has, which share of them is called toxic, and their mean toxicity."""
    rows = [
        (name, f"{part['texts']:,}", percent(part["share"]), f"{part['mean']:.2f}")
        for name, part in parts.items()
    ]
    return table((title, "texts", "called toxic", "mean toxicity"), rows)


def lengths_table(kinds: Mapping[str, Any]) -> str:
    """Write the share of clean passages called toxic, by kind and number of characters."""
    rows = [(kind, *(percent(by[str(n)]["share"]) for n in LENGTHS)) for kind, by in kinds.items()]
    return table(("characters", *LENGTHS), rows)
