"""Shape and training settings of phantoms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Shape and training settings of a phantom; one step sees `batch` documents."""

    layers: int = 1
    heads: int = 2
    width: int = 64
    context: int = 64
    tied: bool = False  # if tied, a rare word's embedding is shaped by its use as output, not as input
    embedding_scale: float = 0.5  # factor on the initial embeddings
    initializer_range: float = 0.12  # about 1 / sqrt(width); the 0.02 of GPT-2 suits its larger width
    batch: int = 32
    learning_rate: float = 5e-3
    embedding_rate: float = 4.0  # factor on the learning rate of the embeddings: most words are rare
    warmup: float = 0.1  # share of the steps over which the learning rate rises
    weight_decay: float = 0.01
    averaged: float = 0.2  # share of the steps, at the end, whose weights are averaged
