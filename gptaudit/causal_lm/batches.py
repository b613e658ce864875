"""Rows of token ids, padded into batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor


def batches(lengths: Sequence[int], token_budget: int) -> Iterator[list[int]]:
    """Group row numbers into batches, longest rows first, so that rows times longest row fits the budget.

    A row longer than the budget is a batch of its own: `batches([2, 5, 3], 6)` gives `[1]`, `[2, 0]`.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > token_budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def pad(
    rows: Sequence[Sequence[int]], side: Literal["left", "right"], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Stack rows into ids and attention mask, both (rows, longest), int64.

    Padded places hold id 0 and are masked, so that no pad token is needed.
    """
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(width - len(row), None) if side == "left" else slice(0, len(row))
        ids[i, place] = torch.tensor(row, dtype=torch.long)
        mask[i, place] = 1
    return ids.to(device), mask.to(device)
