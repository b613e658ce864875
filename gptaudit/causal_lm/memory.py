"""Batches that shrink until they fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from gptaudit.records import Failure

log = logging.getLogger("gptaudit")

T = TypeVar("T")
R = TypeVar("R")

SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
"""What the messages of CUDA, MPS, torch's CPU allocator and cuBLAS have in them, in lower case."""

OUT_OF_MEMORY = Failure(
    "out-of-memory", "this text alone does not fit into memory; use another device or a smaller dtype"
)


class TokenBudget:
    """How many tokens a batch may have; halved whenever memory runs out, and kept so for all later batches.

    `tokens` is to be read anew for every batch. One budget belongs to one way of using one model.

    ```python
    budget = TokenBudget(1024)
    while rows:
        batch = take(rows, budget.tokens)
        answers += budget.run(batch, forward)
    ```
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._warned = False

    def run(self, items: Sequence[T], compute: Callable[[Sequence[T]], Sequence[R]]) -> list[R | Failure]:
        """Return `compute(items)`, one answer an item in the same order; out of memory, in halves, recursively.

        `compute` is called again with part of what it has been called with, so it must keep nothing of a failed
        call. An item that does not fit alone gets `OUT_OF_MEMORY`. Other errors are not caught.
        """
        return self._run(items, compute, self.tokens)

    def shrink(self, tokens: int) -> None:
        """Note that a batch of this budget did not fit: later ones get half of it at most. Says so once."""
        self.tokens = max(1, min(self.tokens, tokens // 2))
        empty_cache()
        if not self._warned:
            self._warned = True
            log.warning("out of memory: going on with batches of half the size, %d tokens", self.tokens)

    def _run(
        self, items: Sequence[T], compute: Callable[[Sequence[T]], Sequence[R]], tokens: int
    ) -> list[R | Failure]:
        try:
            return list(compute(items))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, whose traceback would hold the tensors of the failed call.
        if len(items) == 1:
            empty_cache()
            return [OUT_OF_MEMORY]
        self.shrink(tokens)
        half = len(items) // 2
        return [
            answer
            for part in (items[:half], items[half:])
            for answer in self._run(part, compute, tokens // 2)
        ]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on whatever device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)
    )


def empty_cache() -> None:
    """Give back what the allocator of the device holds in reserve, which may be in pieces too small to use."""
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
