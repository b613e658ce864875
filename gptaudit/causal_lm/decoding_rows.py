"""Batches of token rows that a model extends by one token per step, with or without a key-value cache."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from gptaudit.causal_lm.memory import is_out_of_memory
from gptaudit.causal_lm.padding import pad
from gptaudit.causal_lm.row_cache import KeysAndValues, RowCache
from gptaudit.errors import first_line

log = logging.getLogger("gptaudit")

Ids: TypeAlias = Sequence[int]
ReadPrompts: TypeAlias = tuple[Sequence[KeysAndValues], Sequence[Ids]]
"""Keys and values of left-padded prompts by layer, and the prompts."""


class Rows(Protocol):
    """Rows that are extended together. A row is numbered by its position, which `keep` changes."""

    def fit(self, rows: int, longest: int) -> None:
        """Make place for `rows` rows of at most `longest` tokens; rows that are there are kept."""

    def read(self, prompts: Sequence[Ids]) -> tuple[Tensor, Any]:
        """Read prompts; return the next-token logits (prompts, vocabulary), and the state that `join` needs."""

    def join(self, read: Any, prompt: int, count: int) -> None:  # noqa: ANN401 - each kind has its own
        """Append `count` rows with the prompt of that index."""

    def step(self, tokens: Ids) -> Tensor:
        """Append a token to each row; return the next-token logits (rows, vocabulary)."""

    def keep(self, order: Sequence[int]) -> None:
        """Keep only these rows, in this order; see `compacted`."""


class Forward:
    """Computes a model's last logits, (rows, vocabulary) in float32, with the arguments that its `forward` accepts."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - any causal language model of transformers
        self._model = model
        self.device: torch.device = model.device
        known = inspect.signature(model.forward).parameters
        self._head_on_last = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        self._positions = "position_ids" in known

    def __call__(self, ids: Tensor, positions: Tensor | None = None, **inputs: Any) -> Tensor:  # noqa: ANN401
        """Run on ids (rows, tokens)."""
        if positions is not None and self._positions:
            inputs["position_ids"] = positions
        logits: Tensor = self._model(input_ids=ids, **inputs, **self._head_on_last).logits
        return logits[:, -1].float()


class CachedRows:
    """Rows with cached keys and values: a prompt is read once, and each step reads one token per row."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._shape = (0, 0)
        self._cache: RowCache | None = None
        self._lengths: list[int] = []

    def fit(self, rows: int, longest: int) -> None:
        """See `Rows`."""
        if longest == self._shape[1] and rows <= self._shape[0]:
            return
        self._shape = (rows, longest)
        if self._cache is not None:
            self._cache.fit(rows, longest, len(self._lengths))

    def read(self, prompts: Sequence[Ids]) -> tuple[Tensor, ReadPrompts]:
        """See `Rows`."""
        ids, mask = pad(prompts, "left", self._forward.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache()  # without the config: its sliding-window layers would drop columns
        logits = self._forward(ids, positions, attention_mask=mask, past_key_values=cache, use_cache=True)
        layers: Any = cache.layers  # the forward pass has filled them, so none is None
        return logits, ([(layer.keys, layer.values) for layer in layers], prompts)

    def join(self, read: ReadPrompts, prompt: int, count: int) -> None:
        """See `Rows`."""
        layers, prompts = read
        if self._cache is None:
            self._cache = RowCache(layers, *self._shape)
        tokens, first = len(prompts[prompt]), len(self._lengths)
        self._lengths += [tokens] * count
        self._cache.resize(max(self._lengths))
        self._cache.join(slice(first, first + count), layers, prompt, tokens)

    def step(self, tokens: Ids) -> Tensor:
        """See `Rows`."""
        assert self._cache is not None  # noqa: S101 - set by the first `join`
        device = self._forward.device
        ids = torch.tensor(tokens, device=device)[:, None]
        lengths = torch.tensor(self._lengths, device=device)[:, None]
        longest = max(self._lengths)
        mask = torch.arange(longest + 1, device=device) >= longest - lengths  # (rows, longest + 1)
        self._lengths = [length + 1 for length in self._lengths]
        return self._forward(
            ids, lengths, attention_mask=mask.long(), past_key_values=self._cache, use_cache=True
        )

    def keep(self, order: Sequence[int]) -> None:
        """See `Rows`."""
        moved = [(row, place) for place, row in enumerate(order) if row != place]
        self._lengths = [self._lengths[row] for row in order]
        if self._cache is not None:
            self._cache.move([row for row, _ in moved], [place for _, place in moved])
            self._cache.resize(max(self._lengths, default=0))


class RereadRows:
    """Rows of a model with another kind of cache: every step reads each row from its start, without padding."""

    def __init__(self, forward: Forward, token_budget: int) -> None:
        self._forward = forward
        self._token_budget = token_budget
        self._rows: list[list[int]] = []

    def fit(self, rows: int, longest: int) -> None:
        """See `Rows`; nothing is allocated."""

    def read(self, prompts: Sequence[Ids]) -> tuple[Tensor, Sequence[Ids]]:
        """See `Rows`."""
        logits: dict[int, Tensor] = {}
        by_length = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for length, group in groupby(by_length, key=lambda row: len(prompts[row])):
            rows, size = list(group), max(1, self._token_budget // length)
            for part in (rows[i : i + size] for i in range(0, len(rows), size)):
                ids = torch.tensor([list(prompts[row]) for row in part], device=self._forward.device)
                logits.update(zip(part, self._forward(ids, use_cache=False), strict=True))
        return torch.stack([logits[row] for row in range(len(prompts))]), prompts

    def join(self, read: Sequence[Ids], prompt: int, count: int) -> None:
        """See `Rows`."""
        self._rows += [list(read[prompt]) for _ in range(count)]

    def step(self, tokens: Ids) -> Tensor:
        """See `Rows`."""
        for row, token in zip(self._rows, tokens, strict=True):
            row.append(token)
        return self.read(self._rows)[0]

    def keep(self, order: Sequence[int]) -> None:
        """See `Rows`."""
        self._rows = [self._rows[row] for row in order]


def compacted(kept: Sequence[int]) -> list[int]:
    """Order the kept rows, given in ascending order, so that few move: rows beyond the new end fill the gaps.

    `compacted([0, 2, 3])` is `[0, 3, 2]`: row 3 goes to place 1, row 2 stays.
    """
    staying = {row for row in kept if row < len(kept)}
    movers = [row for row in reversed(kept) if row >= len(kept)]
    return [place if place in staying else movers.pop(0) for place in range(len(kept))]


@torch.inference_mode()
def keys_can_be_kept(model: Any) -> bool:  # noqa: ANN401
    """Return whether a model gives rows with cached keys and values the same logits as each row alone.

    Determined by a trial: a model may have another kind of cache (a recurrent state, a compressed one), or ignore
    padding or positions. The logits may differ by the square root of the dtype's precision, relative to their range.
    """
    forward = Forward(model)
    vocabulary = model.config.get_text_config().vocab_size
    prompts = [[i % vocabulary for i in ids] for ids in (range(1, 8), range(9, 12))]
    after = [i % vocabulary for i in (13, 14, 15)]
    try:
        if not _has_plain_cache(model, torch.tensor(prompts[:1], device=forward.device)):
            return False
        rows = CachedRows(forward)
        rows.fit(3, 9)
        _, read = rows.read(prompts)
        rows.join(read, 0, 2)
        rows.join(read, 1, 1)
        found = rows.step(after)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        log.info("the model does not support cached rows: %s: %s", type(error).__name__, first_line(error))
        return False
    whole = [[*prompts[i], token] for i, token in zip((0, 0, 1), after, strict=True)]
    expected, _ = RereadRows(forward, 1).read(whole)
    allowed = torch.finfo(model.dtype).eps ** 0.5 * (expected.amax() - expected.amin())
    # Not `<=`: a model that outputs NaN passes here, and its completions fail as `not-finite`.
    return not bool((found - expected).abs().amax() > allowed)


def _has_plain_cache(model: Any, ids: Tensor) -> bool:  # noqa: ANN401
    cache = getattr(model(input_ids=ids, use_cache=True), "past_key_values", None)
    return isinstance(cache, DynamicCache) and all(
        type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in cache.layers
    )
