"""
A linear model on hashed character n-grams: how texts become buckets, and the file of the weights.

The hash is our own and uses integers alone, so that it is the same on every machine, Python and numpy; Python's
`hash()` is not. Collisions are left as they are (Weinberger et al., "Feature Hashing for Large Scale Multitask
Learning", ICML 2009). Weights are whole numbers of steps, so that their sums are exact in whatever order.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptaudit.errors import ScorerError, first_line

FORMAT = "gptaudit.ngrams/1"
LARGEST = 127
"""Largest weight in steps."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINAL = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""


@dataclass(frozen=True)
class NgramModel:
    """Weights of the buckets, and how a text is turned into buckets."""

    weights: NDArray[np.int8]
    """(2 ** bits,), in steps."""
    step: float
    """Log-odds of a weight of 1."""
    bias: float
    """Log-odds of a text without n-grams."""
    longest: int
    """Most characters of an n-gram."""
    alike: Mapping[int, str]
    """Code of a character -> the character as which it is read."""

    def log_odds(self, texts: Sequence[str]) -> list[float]:
        """Return the log-odds of each text; those of one do not depend on the others."""
        plain = [normalised(text, self.alike) for text in texts]
        rows, found = buckets(plain, self.longest, self.weights.size.bit_length() - 1)
        sums = np.bincount(rows, self.weights[found], minlength=len(texts))
        return [self.bias + self.step * total for total in sums.tolist()]


def normalised(text: str, alike: Mapping[int, str]) -> str:
    r"""
    Return a text as it is hashed: NFKC, lower case, without white space and invisible characters, then `alike`.

    >>> normalised("\uff21 \u66f8\u200b", {0x66F8: "\u4e66"}) == "a\u4e66"
    True
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    unseen = {ord(c): "" for c in set(plain) if c.isspace() or unicodedata.category(c) in {"Cc", "Cf"}}
    return plain.translate(unseen).translate(alike)


def buckets(texts: Sequence[str], longest: int, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return row and bucket of each n-gram of 1 to `longest` characters, each pair once, sorted.

    Args:
        texts: N texts; the row is the index of one.
        longest: most characters of an n-gram.
        bits: there are 2 ** `bits` buckets.

    >>> rows, found = buckets(["aaa", "", "b"], 2, 16)
    >>> rows.tolist()
    [0, 0, 2]
    """
    encoded = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(encoded, dtype="<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), lengths)
    left = np.repeat(lengths.cumsum(), lengths) - np.arange(len(codes))  # characters to the end of the text
    pairs = [np.zeros(0, dtype=np.int64)]
    hashed = np.zeros(len(codes), dtype=np.uint64)
    for size in range(1, min(longest, len(codes)) + 1):
        starts = len(codes) - size + 1
        hashed = (hashed[:starts] + codes[size - 1 :] + np.uint64(1)) * _MULTIPLIER
        whole = left[:starts] >= size
        bucket = _mixed(hashed[whole]) >> np.uint64(64 - bits)
        pairs.append((rows[:starts][whole] << bits) | bucket.astype(np.int64))
    distinct = np.unique(np.concatenate(pairs))
    return distinct >> bits, distinct & ((1 << bits) - 1)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the differences of numbers over all bits."""
    for shift, factor in zip((30, 27), _FINAL, strict=True):
        values = (values ^ (values >> np.uint64(shift))) * factor
    return values ^ (values >> np.uint64(31))


def write_model(path: Path, model: NgramModel) -> None:
    """Write a model as safetensors: the weights, and the rest as metadata."""
    from safetensors.numpy import save_file

    metadata = {
        "format": FORMAT,
        "sha256": hashlib.sha256(model.weights.tobytes()).hexdigest(),
        "step": repr(model.step),
        "bias": repr(model.bias),
        "longest": str(model.longest),
        "alike": "".join(chr(code) + other for code, other in sorted(model.alike.items())),
    }
    save_file({"weights": model.weights}, path, metadata)


def read_model(path: Path) -> NgramModel:
    """
    Read a model that `write_model` wrote; no code is run.

    Raises:
        ScorerError: the file is missing, damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as error:
        msg = f"{path}: cannot be read: {first_line(error)}; expected n-gram weights in safetensors"
        raise ScorerError(msg) from error
    if metadata.get("format") != FORMAT:
        msg = f"{path}: expected n-gram weights of the format {FORMAT!r}; got {metadata.get('format')!r}"
        raise ScorerError(msg)
    try:
        return _model(tensors["weights"], metadata)
    except (KeyError, ValueError) as error:
        msg = f"{path}: the file is damaged, install gptaudit again: {error!r}"
        raise ScorerError(msg) from error


def _model(weights: NDArray[np.int8], metadata: Mapping[str, str]) -> NgramModel:
    """Put a model together; raise `KeyError` or `ValueError` if a part is missing or makes no sense."""
    alike, step, bias = metadata["alike"], float(metadata["step"]), float(metadata["bias"])
    longest = int(metadata["longest"])
    bits = weights.size.bit_length() - 1
    if weights.dtype != np.int8 or weights.shape != (2 ** max(1, bits),):
        msg = f"expected 2 ** n weights of int8; got {weights.dtype} {weights.shape}"
        raise ValueError(msg)
    if hashlib.sha256(weights.tobytes()).hexdigest() != metadata["sha256"]:
        msg = "the weights are not those that were written"
        raise ValueError(msg)
    if not (math.isfinite(step) and math.isfinite(bias) and longest >= 1):
        msg = f"expected a finite step and bias, and longest n-grams from 1; got {step}, {bias}, {longest}"
        raise ValueError(msg)
    pairs = dict(zip(map(ord, alike[::2]), alike[1::2], strict=True))
    return NgramModel(weights, step, bias, longest, pairs)
