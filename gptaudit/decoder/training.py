"""Train a decoder on text, through `transformers.Trainer`."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Any

from gptaudit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from gptaudit.decoder.model import DecoderForCausalLM


@dataclass(frozen=True, slots=True)
class Preset:
    """Shape of a decoder and how it is trained; one step sees `batch` blocks of `context` tokens."""

    layers: int
    heads: int
    width: int
    context: int
    vocab_size: int
    batch: int
    steps: int
    learning_rate: float
    warmup: float = 0.05  # share of the steps in which the learning rate rises
    weight_decay: float = 0.1
    dropout: float = 0.0


PRESETS = {
    "nano": Preset(
        layers=2, heads=2, width=64, context=64, vocab_size=512, batch=16, steps=500, learning_rate=3e-3
    ),
    "mini": Preset(
        layers=4, heads=4, width=128, context=128, vocab_size=1536, batch=8, steps=4800, learning_rate=4e-3
    ),
}


def read_corpus(path: Path) -> list[str]:
    """Read a text file as one document.

    Raises:
        DataError: the file cannot be read, is empty, or is not UTF-8 text; the message names file and byte.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        msg = f"corpus {path}: cannot be read ({error.strerror}); give a UTF-8 text file"
        raise DataError(msg) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"corpus {path}: byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8; give a UTF-8 text file"
        raise DataError(msg) from error
    if (offset := raw.find(b"\0")) >= 0:
        msg = f"corpus {path}: byte {offset} is NUL, so this is a binary file; give a UTF-8 text file"
        raise DataError(msg)
    if not text.strip():
        msg = f"corpus {path}: is empty; give a file with text"
        raise DataError(msg)
    return [text]


def train(
    documents: Sequence[str],
    out: Path,
    *,
    preset: str = "mini",
    steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Train tokenizer and decoder; write both and `training.json` to `out`; return what `training.json` holds.

    Documents are packed into blocks of one context, with an end-of-text token between them. AdamW, linear warm-up
    and cosine decay to 0, gradients clipped to norm 1. On one machine with one number of threads, the same
    arguments give the same bits.

    ```python
    train(read_corpus(Path("book.txt")), Path("my-decoder"), preset="nano", steps=300)
    ```

    Raises:
        UsageError: `out` is not an empty or new folder, or cannot be written.
        DataError: the documents hold fewer tokens than one context.
    """
    shape = PRESETS[preset]
    _make_folder(out)

    from transformers import set_seed
    from transformers.utils import logging

    from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
    from gptaudit.decoder.tokenizer import train_tokenizer

    if not progress:
        logging.disable_progress_bar()
    tokenizer = train_tokenizer(documents, vocab_size=shape.vocab_size, context=shape.context)
    blocks = pack(documents, tokenizer, shape.context)
    set_seed(seed)
    model = DecoderForCausalLM(
        DecoderConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
            max_position_embeddings=shape.context,
            dropout=shape.dropout,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    steps = steps or shape.steps
    losses = _fit(model, blocks, out, shape, steps=steps, seed=seed, progress=progress)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    record = {
        "schema": "gptaudit.training/1",
        "preset": preset,
        "config": asdict(shape) | {"steps": steps, "vocab_size": len(tokenizer), "seed": seed},
        "parameters": model.num_parameters(),
        "tokens": steps * shape.batch * shape.context,
        "loss": losses[-1],
        "losses": losses,
        "corpus": {
            "documents": len(documents),
            "tokens": blocks.numel(),
            "sha256": corpus_sha256(documents),
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("gptaudit", "torch", "transformers", "tokenizers", "accelerate")},
    }
    (out / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def pack(documents: Sequence[str], tokenizer: PreTrainedTokenizerFast, context: int) -> Tensor:
    """Cut the documents, each followed by an end-of-text token, into blocks, (blocks, context); the rest is dropped.

    Raises:
        DataError: not even one block.
    """
    import torch

    encoded = tokenizer(list(documents), add_special_tokens=False, verbose=False).input_ids
    ids = torch.tensor(
        [tokenizer.eos_token_id, *chain.from_iterable([*x, tokenizer.eos_token_id] for x in encoded)]
    )
    blocks = len(ids) // context
    if blocks == 0:
        msg = f"the corpus holds {len(ids)} tokens, fewer than one context of {context}; give more text"
        raise DataError(msg)
    return ids[: blocks * context].view(blocks, context)


def _fit(
    model: DecoderForCausalLM,
    blocks: Tensor,
    out: Path,
    shape: Preset,
    *,
    steps: int,
    seed: int,
    progress: bool,
) -> list[float]:
    """Train in place; return the mean loss (nats per token) of each tenth of the steps."""
    import torch
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=shape.batch,
        learning_rate=shape.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(shape.warmup * steps),
        weight_decay=shape.weight_decay,
        adam_beta2=0.99,  # with batches this small, 0.999 reacts too late
        max_grad_norm=1.0,
        seed=seed,
        data_seed=seed,
        logging_steps=max(steps // 10, 1),
        save_strategy="no",
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        disable_tqdm=not progress,
    )
    trainer = Trainer(model, arguments, train_dataset=[{"input_ids": x, "labels": x} for x in blocks])
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def corpus_sha256(documents: Sequence[str]) -> str:
    """Hash the documents in their order; NUL, which no document holds, stands between them."""
    return hashlib.sha256("\0".join(documents).encode()).hexdigest()


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        occupied = any(out.iterdir())
    except OSError as error:
        msg = f"output folder {out}: cannot be made or read ({error.strerror}); choose another with --out"
        raise UsageError(msg) from error
    if occupied:
        msg = f"output folder {out}: is not empty; choose a new or empty folder with --out"
        raise UsageError(msg)
    if not os.access(out, os.W_OK):
        msg = f"output folder {out}: cannot be written; choose another with --out"
        raise UsageError(msg)
