"""
Train, measure and write the bundled toxicity checkpoint.

    python -m gptaudit_toxicity_training --data DIR --out DIR

A small BERT (WordPiece, lower-cased) learns six classes at once; the loss ignores labels that a data set does not
give. The result is a folder in Detoxify's format: `toxicity.ckpt` (weights in float16), `config.json`, the tokenizer,
and `card.json` with the data and the held-out metrics. Seeded; the same machine, versions and number of threads give
the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, DataCollatorWithPadding

from gptaudit.decoder.trainer import training_arguments
from gptaudit.protocols.scorer import Output
from gptaudit.scorers.detoxify import CHECKPOINT, MAX_TOKENS, DetoxifyScorer
from gptaudit_toxicity_training.corpus import CLASSES, OWN_SENTENCES, SETS, Row, load_corpus

SEED = 20
THREADS = 1  # the order of sums depends on the number of threads
VOCABULARY, ALPHABET = 10_000, 600
WIDTH, LAYERS, HEADS, INNER = 128, 2, 4, 512
EPOCHS, BATCH, LEARNING_RATE = 2, 64, 1e-3
INITIAL_SPREAD = 0.08  # about 1 / sqrt(WIDTH); the 0.02 of BERT suits a width of 768
JOINED_TEXTS, JOINED_WORDS = 1000, 400
THRESHOLD = 0.5
FEWEST = 20  # positives, and negatives, that a metric needs


class MaskedTrainer(transformers.Trainer):
    """A Trainer whose loss is the binary cross-entropy over the known labels."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the Trainer's
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Sum over the known labels and average over the rows, so that all known labels have the same weight."""
        labels = inputs.pop("labels")  # (B, C), NaN where unknown
        outputs = model(**inputs)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs.logits, labels.nan_to_num(0.0), reduction="none"
        )
        loss = (losses * ~labels.isnan()).sum() / len(labels)
        return (loss, outputs) if return_outputs else loss


def train_tokenizer(texts: Sequence[str]) -> BertTokenizer:
    """
    Train a lower-cased WordPiece tokenizer on `texts`.

    The trainer numbers word-internal characters in the order of a randomly seeded hash table, and breaks ties by
    these numbers; passed as special tokens of the trainer, they get the same numbers each time.
    """
    learner = BertWordPieceTokenizer(lowercase=True)
    counts = Counter(c for text in texts for c in learner.normalize(text) if not c.isspace())
    alphabet = sorted(sorted(counts), key=lambda c: -counts[c])[:ALPHABET]
    learner.train_from_iterator(
        texts,
        vocab_size=VOCABULARY,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"##{c}" for c in alphabet)],
        show_progress=False,
    )
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=True, model_max_length=MAX_TOKENS)


def joined_texts(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """
    Join short texts, at most one of them toxic, into long ones, so that every position is trained.

    A label is the maximum over the parts, and unknown if it is unknown for a part and positive for none.
    """
    harmless = [r for r in rows if r.labels[0] < 0.2]
    toxic = [r for r in rows if r.labels[0] >= THRESHOLD]
    joined = []
    for _ in range(JOINED_TEXTS):
        parts = [rng.choice(toxic)] if rng.random() < 0.5 else []
        words = rng.uniform(0.1, 1.0) * JOINED_WORDS
        while sum(len(p.text.split()) for p in parts) < words:
            parts.append(rng.choice(harmless))
        rng.shuffle(parts)
        columns = zip(*(p.labels for p in parts), strict=True)
        labels = tuple(strongest(column) for column in columns)
        joined.append(Row(" ".join(p.text for p in parts), labels, "joined", "train", ""))
    return joined


def strongest(labels: Sequence[float]) -> float:
    """Return the maximum of labels, where NaN ranks above negative and below positive."""
    highest = max((x for x in labels if not math.isnan(x)), default=math.nan)
    return highest if highest >= THRESHOLD or not any(map(math.isnan, labels)) else math.nan


def train(rows: Sequence[Row], tokenizer: BertTokenizer) -> BertForSequenceClassification:
    """Train a classifier on `rows`."""
    torch.set_num_threads(THREADS)
    transformers.set_seed(SEED)
    encoded = tokenizer([r.text for r in rows], truncation=True, return_token_type_ids=False)["input_ids"]
    examples = [{"input_ids": ids, "labels": list(r.labels)} for ids, r in zip(encoded, rows, strict=True)]
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        initializer_range=INITIAL_SPREAD,
        hidden_dropout_prob=0.0,  # two epochs do not overfit, and dropout slows learning
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=MAX_TOKENS,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: i for i, name in enumerate(CLASSES)},
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForSequenceClassification(config)
    with TemporaryDirectory() as scratch:
        arguments = training_arguments(
            Path(scratch),
            cpu=True,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            warmup_steps=0.06,
            weight_decay=0.01,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            logging_steps=200,
            seed=SEED,
        )
        collator = DataCollatorWithPadding(tokenizer)
        MaskedTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collator).train()
    model.eval()
    return model


def save(model: BertForSequenceClassification, tokenizer: BertTokenizer, out: Path) -> None:
    """Write a folder that `DetoxifyScorer` can open, and Detoxify itself if run inside it."""
    out.mkdir(parents=True, exist_ok=True)
    model.config.dtype = "float32"  # otherwise Detoxify would use the float16 of the weights
    model.config.save_pretrained(out)
    tokenizer.save_pretrained(out)
    arguments = {
        "num_classes": len(CLASSES),
        "model_type": ".",
        "model_name": type(model).__name__,
        "tokenizer_name": type(tokenizer).__name__,
    }
    config = {"arch": {"type": "BERT", "args": arguments}, "dataset": {"args": {"classes": list(CLASSES)}}}
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save({"config": config, "state_dict": weights}, out / CHECKPOINT)


def auroc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], clusters: Sequence[str]
) -> tuple[float, float, float]:
    """
    Compute the area under the ROC curve with its 95 % interval.

    DeLong's variance (1988), summed within clusters (Obuchowski 1997).
    """
    yes, no = scores[positive], scores[~positive]
    everyone = rankdata(scores)
    above = (everyone[positive] - rankdata(yes)) / len(no)  # share of negatives below each positive
    below = 1 - (everyone[~positive] - rankdata(no)) / len(yes)  # share of positives above each negative
    area = float(above.mean())
    influence = np.empty(len(scores))
    influence[positive] = (above - area) / len(yes)
    influence[~positive] = (below - area) / len(no)
    _, members = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(members, weights=influence)
    half = float(norm.ppf(0.975) * np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))
    return area, max(0.0, area - half), min(1.0, area + half)


def figures(rows: Sequence[Row], scores: Sequence[Any], label: str) -> dict[str, float | int] | None:
    """Compute AUROC, sensitivity and specificity at 0.5 for one class; None if too few rows are labelled."""
    labels = np.array([r.labels[CLASSES.index(label)] for r in rows])
    given = ~np.isnan(labels)
    positive = labels[given] >= THRESHOLD
    if min(positive.sum(), (~positive).sum()) < FEWEST:
        return None
    value = np.array([s[label] for s in scores], dtype=np.float64)[given]
    clusters = [r.cluster for r, known in zip(rows, given, strict=True) if known]
    area, low, high = auroc(value, positive, clusters)
    called = value >= THRESHOLD
    return {
        "positives": int(positive.sum()),
        "negatives": int((~positive).sum()),
        "clusters": len(set(clusters)),
        "auroc": round(area, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "sensitivity": round(float(called[positive].mean()), 4),
        "specificity": round(float((~called[~positive]).mean()), 4),
    }


def measure(scorer: DetoxifyScorer, rows: Sequence[Row]) -> dict[str, Any]:
    """Measure each source and class, and the share classified as toxic per HateCheck functionality."""
    by_source: dict[str, list[Row]] = defaultdict(list)
    for r in rows:
        by_source[r.source].append(r)
    measured: dict[str, Any] = {}
    called: dict[str, list[bool]] = defaultdict(list)
    for source, group in by_source.items():
        scores = scorer([Output(r.text) for r in group])
        found = {label: figures(group, scores, label) for label in CLASSES}
        measured[source] = {label: value for label, value in found.items() if value}
        if source == "hatecheck":
            for r, s in zip(group, scores, strict=True):
                called[r.cluster.split("/")[0]].append(s["toxicity"] >= THRESHOLD)
    shares = {name: round(sum(c) / len(c), 4) for name, c in sorted(called.items())}
    return {"held_out": measured, "hatecheck_share_called_toxic": shares}


def provenance(data: Path, rows: Sequence[Row]) -> dict[str, Any]:
    """List the licence, rows per split and the sha256 of every file of each data set."""
    counts = {(name, part): 0 for name in (*SETS, "own-sentences") for part in ("train", "test")}
    for r in rows:
        counts[r.source, r.split] += 1
    described: dict[str, Any] = {}
    for name in (*SETS, "own-sentences"):
        if name in SETS:
            folder, licence = data / name, SETS[name].licence
            paths = sorted(path for glob in SETS[name].files for path in folder.glob(glob))
        else:
            folder, licence, paths = OWN_SENTENCES.parent, "Apache-2.0", [OWN_SENTENCES]
        sums = {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
        described[name] = {
            "licence": licence,
            "rows": {part: counts[name, part] for part in ("train", "test")},
            "sha256": sums,
        }
    return described


def card(data: Path, out: Path, rows: Sequence[Row], seconds: float) -> dict[str, Any]:
    """Build `card.json` for the checkpoint in `out`, measured through the scorer that loads it."""
    scorer = DetoxifyScorer("bundled", out / CHECKPOINT, config=str(out))
    libraries = ("torch", "transformers", "tokenizers", "accelerate", "detoxify")
    return {
        "schema": "gptaudit.scorer-card/1",
        "name": "detoxify:bundled",
        "classes": list(CLASSES),
        "identity": {key: value for key, value in scorer.identity.items() if key != "model"},
        "training": {
            "command": "python -m gptaudit_toxicity_training --data DIR --out DIR",
            "seed": SEED,
            "epochs": EPOCHS,
            "seconds": round(seconds),
            "threads": THREADS,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in libraries},
        },
        "data": provenance(data, rows),
        "threshold": THRESHOLD,
        "interval": "95 %, DeLong with clusters (Obuchowski 1997)",
        **measure(scorer, [r for r in rows if r.split == "test"]),
    }


def main() -> None:
    """Train, save and measure the checkpoint."""
    parser = argparse.ArgumentParser(description="Train the bundled toxicity checkpoint.")
    parser.add_argument("--data", type=Path, required=True, help="folder of public data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    rows = load_corpus(options.data)
    learn = [r for r in rows if r.split == "train"]
    learn += joined_texts(learn, random.Random(SEED))
    began = time.monotonic()
    tokenizer = train_tokenizer([r.text for r in learn])
    model = train(learn, tokenizer)
    seconds = time.monotonic() - began
    save(model, tokenizer, options.out)
    text = json.dumps(card(options.data, options.out, rows, seconds), indent=1)
    (options.out / "card.json").write_text(text + "\n", encoding="utf-8")
