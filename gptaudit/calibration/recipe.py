"""How phantoms are trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """Shape of a phantom and how it is trained; one step sees `batch` documents."""

    layers: int = 1
    heads: int = 2
    width: int = 64
    context: int = 64
    tied: bool = False  # the tie drowns what a rare word says of later ones in what is said of it
    embedding_scale: float = 0.5  # of the initial weights
    initializer_range: float = 0.12  # one over the root of the width; that of GPT-2 suits its greater width
    batch: int = 32
    learning_rate: float = 5e-3
    embedding_rate: float = 4.0  # times the learning rate, for the embeddings: most words are rare
    warmup: float = 0.1  # share of the steps in which the learning rate rises
    weight_decay: float = 0.01
    averaged: float = 0.2  # share of the steps, the last ones, whose weights are averaged
