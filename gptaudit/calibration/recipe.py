"""Shapes and training settings of phantoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gptaudit.records import SMALL, Shape

SHAPES: Mapping[str, Shape] = {"small": SMALL, "large": Shape(layers=4, width=128)}
"""What is measured on decoders of one shape alone may hold for that shape alone."""
HEAD_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """Shape and training settings of a phantom; one step sees `batch` documents.

    The initial weights shrink with the root of the width, and the learning rate of all but the embeddings with the
    width, so that one setting suits every width (Yang et al. 2022, Tensor Programs V, section 3). The steps of a flaw
    are those of the small shape; wider decoders learn in fewer.
    """

    shape: Shape = SMALL
    context: int = 64
    tied: bool = False  # if tied, a rare word's embedding is shaped by its use as output, not as input
    embedding_scale: float = 0.5  # factor on the initial embeddings
    initializer_range: float = 0.12  # at width 64, about 1 / sqrt(width)
    batch: int = 32
    learning_rate: float = 5e-3  # at width 64
    embedding_learning_rate: float = 2e-2  # higher, since most words are rare
    warmup: float = 0.1  # share of the steps over which the learning rate rises
    weight_decay: float = 0.01
    averaged: float = 0.2  # share of the steps, at the end, whose weights are averaged

    @property
    def narrowness(self) -> float:
        """The width of the small shape, for which the settings were found, over the width."""
        return SMALL.width / self.shape.width

    @property
    def scaled_learning_rate(self) -> float:
        """The learning rate of all but the embeddings at this width."""
        return self.learning_rate * self.narrowness
