"""Fine-tuning examples: read from JSONL, tokenized, and batched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gptaudit.data.datasets import read_json_lines
from gptaudit.decoder.chat import encode_exchange
from gptaudit.decoder.corpus import encodable
from gptaudit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IGNORED = -100
"""Label of a token that the loss ignores, in torch and `transformers`."""

KEYS = {"lm": ("text",), "instruct": ("prompt", "response"), "classify": ("text", "label")}
"""Required keys of a line, by task."""

Row: TypeAlias = dict[str, str]


class Example(NamedTuple):
    """Tokens with their targets: one label per token, or one for the whole text."""

    ids: list[int]
    labels: list[int] | int


def read_rows(path: Path, task: str) -> list[Row]:
    """Read a JSONL file with the keys of a task; other keys are ignored, and labels may be integers.

    Raises:
        DataError: a line is malformed, lacks a key or has blank text; the message names file, line and key.
    """
    rows = [_row(found, f"{path}, line {number}", KEYS[task]) for number, found in read_json_lines(path)]
    if not rows:
        msg = f"{path}: is empty; give one JSON object per line, with {_named(KEYS[task])}"
        raise DataError(msg)
    return rows


def _row(found: object, place: str, keys: Sequence[str]) -> Row:
    if not isinstance(found, dict):
        msg = f"{place}: expected an object with {_named(keys)}, found {type(found).__name__}"
        raise DataError(msg)
    return {key: _text(found, key, place) for key in keys}


def _text(found: dict[str, Any], key: str, place: str) -> str:
    if key not in found:
        msg = f"{place}: {key} is missing; found {_named(list(found)) or 'no key'}"
        raise DataError(msg)
    value = found[key]
    if key == "label" and isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        msg = f"{place}: {key}: expected text, found {type(value).__name__}"
        raise DataError(msg)
    if not value.strip():
        msg = f"{place}: {key} is blank; give text, or remove the line"
        raise DataError(msg)
    return encodable(value, f"{place}: {key}")


def _named(keys: Sequence[str]) -> str:
    return " and ".join(json.dumps(key) for key in keys)


def encode_exchanges(rows: Sequence[Row], tokenizer: Any) -> list[Example]:  # noqa: ANN401
    """Encode prompts and responses; the loss covers the response and its end token, not the prompt."""
    examples = []
    for row in rows:
        prompt, response = encode_exchange(tokenizer, row["prompt"], row["response"])
        examples.append(Example(prompt + response, [IGNORED] * len(prompt) + response))
    return examples


def encode_labelled(rows: Sequence[Row], tokenizer: Any, labels: Sequence[str]) -> list[Example]:  # noqa: ANN401
    """Encode texts as for inference, each with the index of its label."""
    encoded = tokenizer([row["text"] for row in rows], verbose=False).input_ids
    return [Example(ids, labels.index(row["label"])) for ids, row in zip(encoded, rows, strict=True)]


def encode_documents(rows: Sequence[Row], tokenizer: Any) -> NDArray[np.uint32]:  # noqa: ANN401
    """Encode texts as one stream, (tokens,), with an end token before the first and after each."""
    import numpy as np

    ids = [tokenizer.eos_token_id]
    for row in rows:
        ids += tokenizer(
            row["text"], add_special_tokens=False, split_special_tokens=True, verbose=False
        ).input_ids
        ids.append(tokenizer.eos_token_id)
    return np.array(ids, dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class Padded:
    """Examples of different lengths; batches are padded on the right."""

    examples: Sequence[Example]
    padding: int
    """Token id of the padding, which is masked."""

    def __len__(self) -> int:
        return len(self.examples)

    def batch(self, numbers: Sequence[int] | NDArray[np.int64], epoch: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Stack examples as `input_ids` and `attention_mask`, (n, longest), and `labels`, (n, longest) or (n,)."""
        taken = [self.examples[number] for number in numbers]
        ids = [torch.tensor(example.ids) for example in taken]
        mask = [torch.ones_like(one) for one in ids]
        labels = [torch.tensor(example.labels) for example in taken]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=self.padding),
            "attention_mask": pad_sequence(mask, batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED)
            if labels[0].dim()
            else torch.stack(labels),
        }
