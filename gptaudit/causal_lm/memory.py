"""Token budget of a batch, halved when memory runs out."""

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
"""Parts of the out-of-memory messages of CUDA, MPS, torch's CPU allocator and cuBLAS, in lower case."""

OUT_OF_MEMORY = Failure(
    "out-of-memory", "this text alone does not fit into memory; use another device or a smaller dtype"
)


class TokenBudget:
    """Number of tokens that a batch may have; halved whenever memory runs out, also for all later batches.

    Read `tokens` again for every batch, and use a separate budget for each kind of computation with a model.

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
        """Return `compute(items)`, one answer per item in the same order; split in halves while memory runs out.

        `compute` is called again with parts of the items of a failed call, so it must keep no state of that call. An
        item that does not fit even alone gets `OUT_OF_MEMORY`. Other errors are not caught.
        """
        return self._run(items, compute, self.tokens)

    def shrink(self, tokens: int) -> None:
        """Limit later batches to half of `tokens`, the budget of a batch that did not fit; log a warning once."""
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
        # Not inside the handler: its traceback keeps the tensors of the failed call in memory.
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
    """Return whether an exception means that memory ran out, on any device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)
    )


def empty_cache() -> None:
    """Release the memory that the device's allocator holds in reserve, which may be too fragmented to use."""
    torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
