"""`python -m gptaudit_toxicity_training.chinese --data DIR --catalogues DIR --out DIR`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from gptaudit.scorers.chinese import WEIGHTS
from gptaudit.scorers.ngrams import write_model
from gptaudit_toxicity_training.chinese.card import build_card, model_card
from gptaudit_toxicity_training.chinese.corpus import SEED, training_rows
from gptaudit_toxicity_training.chinese.training import fitted


def main() -> None:
    """Train, save and measure the model; a model of the train split alone is measured on the dev split."""
    parser = argparse.ArgumentParser(description="Train the bundled Chinese toxicity model.")
    parser.add_argument("--data", type=Path, required=True, help="folder of public data sets")
    parser.add_argument(
        "--catalogues", type=Path, required=True, help="folder of message catalogues, as /usr/share/locale"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = training_rows(options.data, ("train", "dev"), SEED)
    write_model(options.out / WEIGHTS.name, fitted(rows))
    seconds = time.monotonic() - began
    card = build_card(options.data, options.catalogues, options.out / WEIGHTS.name, len(rows), seconds)
    (options.out / "card_zh.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (options.out / "MODEL_CARD_ZH.md").write_text(model_card(card), encoding="utf-8")


if __name__ == "__main__":
    main()
