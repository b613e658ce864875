"""Key-value cache of rows that can be added, moved and dropped while the others continue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

KeysAndValues: TypeAlias = tuple[Tensor, Tensor]
"""Keys and values of one layer, each (rows, heads, columns, width)."""

SLACK = 64
"""Columns beyond the longest row: once in so many steps, the columns in use are moved to the front."""


class RowLayer(CacheLayerMixin):
    """Keys and values of one layer, each (rows, heads, columns, width), updated in place.

    All rows end in the same column, `end`; a row shorter than the longest, which has `length` columns, begins later.
    The model sees the last `length` columns of the first rows, as many rows as it has just computed. All columns are
    kept for a model with a sliding window too: its mask hides the others.
    """

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor, rows: int, columns: int) -> None:
        """Allocate `rows` x `columns` for keys and values like the given ones, (any, heads, any, width)."""
        super().__init__()
        self.keys: Tensor = keys.new_empty(rows, keys.shape[1], columns, keys.shape[3])
        self.values: Tensor = values.new_empty(rows, values.shape[1], columns, values.shape[3])
        self.is_initialized = True
        self.end = 0
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: the constructor has allocated the tensors."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Append one column to the first rows; return all their columns in use."""
        if self.end == self.keys.shape[2]:
            self._move_to_front()
        rows = key_states.shape[0]
        self.keys[:rows, :, self.end] = key_states[:, :, 0]
        self.values[:rows, :, self.end] = value_states[:, :, 0]
        self.end += 1
        self.length += 1
        return self.keys[:rows, :, self._used], self.values[:rows, :, self._used]

    def fit(self, rows: int, columns: int, used: int) -> None:
        """Allocate `rows` x `columns` anew, with the columns in use of the first `used` rows."""
        old = (self.keys, self.values)
        self.keys, self.values = (held.new_empty(rows, held.shape[1], columns, held.shape[3]) for held in old)
        for held, given in zip((self.keys, self.values), old, strict=True):
            held[:used, :, : self.length] = given[:used, :, self._used]
        self.end = self.length

    def resize(self, length: int) -> None:
        """Use the last `length` columns, as many as the longest row has; 0 empties the layer."""
        if self.length and length > self.length:
            self._add_before(length)
        self.length = length
        self.end = max(self.end, length) if length else 0

    def join(self, rows: slice, keys: Tensor, values: Tensor) -> None:
        """Write a prompt, (1, heads, tokens, width), into rows, and zeros into the columns in use before it."""
        start = self.end - keys.shape[2]
        for held, given in ((self.keys, keys), (self.values, values)):
            # Attention multiplies a masked column by zero, but NaN of an earlier row would stay NaN.
            held[rows, :, self.end - self.length : start] = 0
            held[rows, :, start : self.end] = given

    def move(self, sources: Tensor, places: Tensor) -> None:
        """Copy rows to other places."""
        for held in (self.keys, self.values):
            held[places, :, self._used] = held[sources, :, self._used]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the number of columns seen with the next tokens, and the first of them."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Return the number of columns in use."""
        return self.length

    def get_max_length(self) -> int:
        """Return -1, for no limit."""
        return -1

    @property
    def _used(self) -> slice:
        return slice(self.end - self.length, self.end)

    def _add_before(self, length: int) -> None:
        """Write zeros before the columns in use, up to `length` columns: other rows may have left NaN there."""
        for held in (self.keys, self.values):
            if length > self.end:
                held[:, :, length - self.length : length] = held[:, :, self._used].clone()
            end = max(self.end, length)
            held[:, :, end - length : end - self.length] = 0
        self.end = max(self.end, length)

    def _move_to_front(self) -> None:
        for held in (self.keys, self.values):
            held[:, :, : self.length] = held[:, :, self._used].clone()
        self.end = self.length


class RowCache(Cache):
    """A cache of `rows` rows of up to `longest` tokens, for layers with keys and values like the given ones."""

    def __init__(self, like: Sequence[KeysAndValues], rows: int, longest: int) -> None:
        self._rows = [RowLayer(keys, values, rows, longest + SLACK) for keys, values in like]
        super().__init__(layers=list(self._rows))

    def fit(self, rows: int, longest: int, used: int) -> None:
        """Make place for `rows` rows of up to `longest` tokens; the first `used` rows are kept."""
        for layer in self._rows:
            layer.fit(rows, longest + SLACK, used)

    def resize(self, length: int) -> None:
        """Use the last `length` columns, as many as the longest row has."""
        for layer in self._rows:
            layer.resize(length)

    def join(self, rows: slice, read: Sequence[KeysAndValues], prompt: int, tokens: int) -> None:
        """Write the last `tokens` columns of one prompt of a left-padded batch into rows."""
        for layer, (keys, values) in zip(self._rows, read, strict=True):
            one = slice(prompt, prompt + 1)
            layer.join(rows, keys[one, :, -tokens:], values[one, :, -tokens:])

    def move(self, sources: Sequence[int], places: Sequence[int]) -> None:
        """Copy rows to other places."""
        moved, to = (torch.tensor(rows, dtype=torch.long) for rows in (sources, places))
        for layer in self._rows:
            layer.move(moved.to(layer.keys.device), to.to(layer.keys.device))
