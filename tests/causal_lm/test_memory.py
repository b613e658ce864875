"""Batches that do not fit into memory: halved, remembered, and no item lost."""

from __future__ import annotations

import logging

import pytest
import torch

from gptaudit.causal_lm.memory import OUT_OF_MEMORY, TokenBudget


class Allocator:
    """Doubles its items, as long as their sum fits; raises what an allocator raises otherwise."""

    def __init__(self, capacity, error):
        self.capacity = capacity
        self.error = error
        self.refused = 0

    def __call__(self, items):
        if sum(items) > self.capacity:
            self.refused += 1
            raise self.error
        return [2 * item for item in items]


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("capacity", range(1, 60))
def test_every_item_is_answered_at_its_place(error, capacity):
    """Whatever fits, each item gets its own answer in order; only one that is too large alone fails."""
    items = [3, 1, 20, 8, 2, 5, 9, 4, 1]

    answers = TokenBudget(64).run(items, Allocator(capacity, error))

    assert answers == [2 * item if item <= capacity else OUT_OF_MEMORY for item in items]


def test_the_smaller_size_is_remembered():
    """The budget becomes that of the largest part which fitted, and stays."""
    budget = TokenBudget(64)
    allocator = Allocator(16, MemoryError())

    budget.run([1] * 64, allocator)

    assert budget.tokens == 16
    assert allocator.refused == 3
    budget.run([1] * budget.tokens, allocator)
    assert allocator.refused == 3


def test_one_item_that_is_too_large_leaves_the_budget():
    """A text that does not fit alone says nothing about the size of batches."""
    budget = TokenBudget(64)

    assert budget.run([99], Allocator(50, MemoryError())) == [OUT_OF_MEMORY]
    assert budget.tokens == 64


def test_it_is_said_once(caplog):
    """The user is told at the first time, with the size that is left."""
    with caplog.at_level(logging.WARNING, "gptaudit"):
        budget = TokenBudget(64)
        budget.run([1] * 64, Allocator(10, MemoryError()))
        budget.run([1] * 64, Allocator(10, MemoryError()))

    assert [record.message for record in caplog.records] == [
        "out of memory: going on with batches of half the size, 32 tokens"
    ]


def test_other_errors_are_raised():
    """A fault that has nothing to do with memory is not hidden by trying again."""
    allocator = Allocator(1, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        TokenBudget(64).run([1, 2, 3], allocator)
    assert allocator.refused == 1
