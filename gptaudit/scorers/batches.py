"""Batches of a bounded number of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Group row indices into batches, longest rows first, so that rows times longest row is within the budget.

    A row longer than the budget is a batch by itself: `batches([2, 5, 3], 6)` gives `[1]`, `[2, 0]`.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > token_budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
