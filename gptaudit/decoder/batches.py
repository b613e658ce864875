"""Batches in training order; batch n depends on seed and n alone, so any batch can be built directly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from gptaudit.decoder.token_file import Tokens

Batch: TypeAlias = dict[str, Tensor]


class Examples(Protocol):
    """Training or validation examples."""

    def __len__(self) -> int: ...

    def batch(self, numbers: NDArray[np.int64], epoch: int) -> Batch:
        """Return the examples with these indices, (n,), as model inputs; they may differ between epochs."""


class Blocks:
    """A token stream cut into blocks of one context; it wraps around, and each epoch cuts at another offset.

    Where a block spans two documents, an end-of-text token separates them, and later tokens attend to earlier ones
    across it, as in the training of GPT-2.

    A batch of n examples is `input_ids` and, shifted by one token, `shift_labels`, both (n, context).
    """

    def __init__(self, tokens: Tokens, context: int, *, seed: int = 0) -> None:
        self._tokens = tokens
        self._context = context
        self._seed = seed

    def __len__(self) -> int:
        return (len(self._tokens) - 1) // self._context

    def batch(self, numbers: NDArray[np.int64], epoch: int) -> Batch:
        """Read the blocks with these indices."""
        first = np.random.default_rng((self._seed, epoch)).integers(self._context) if epoch else 0
        places = (numbers[:, None] * self._context + first) + np.arange(self._context + 1)  # (n, context + 1)
        read = torch.from_numpy(self._tokens[places % len(self._tokens)].astype(np.int64))
        labels = read[:, 1:].contiguous()
        # The loss uses `shift_labels`; `labels` only makes the model compute it.
        return {"input_ids": read[:, :-1], "labels": labels, "shift_labels": labels}


class ShuffledBatches(Dataset[Batch]):
    """`count` batches of `size` examples from consecutive shuffled epochs; a batch may span two."""

    def __init__(self, examples: Examples, *, size: int, count: int, seed: int) -> None:
        self._examples = examples
        self._size = size
        self._count = count
        self._seed = seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number * self._size, len(self._examples))
        taken, rest, later = [], self._size, epoch
        while rest:
            taken.append(self._shuffled(later)[place : place + rest])
            rest, later, place = rest - len(taken[-1]), later + 1, 0
        return self._examples.batch(np.concatenate(taken), epoch)

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            rng = np.random.default_rng((self._seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(len(self._examples))
        return self._order


class EvenBatches(Dataset[Batch]):
    """At most `limit` examples, evenly spaced over all, in batches of `size`; the last may be smaller."""

    def __init__(self, examples: Examples, *, size: int, limit: int) -> None:
        taken = min(limit, len(examples))
        self._examples = examples
        self._numbers = np.arange(taken, dtype=np.int64) * len(examples) // max(taken, 1)
        self._size = size

    def __len__(self) -> int:
        return math.ceil(len(self._numbers) / self._size)

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._examples.batch(self._numbers[number * self._size : (number + 1) * self._size], 0)
