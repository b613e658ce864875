"""Settings and corpus of a training that takes a second."""

from __future__ import annotations

import random

import torch
from safetensors.torch import load_file

TINY = {
    "layers": 1,
    "heads": 2,
    "width": 16,
    "context": 16,
    "vocab_size": 280,
    "batch": 4,
    "precision": "float32",
}


def tiny_documents():
    rng = random.Random(0)
    return [f"The {rng.choice(['cat', 'dog'])} sat on the {rng.choice(['mat', 'box'])}." for _ in range(600)]


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
