from __future__ import annotations

import numpy as np

from gptaudit.decoder.batches import Blocks, EvenBatches, ShuffledBatches


def numbers(count):
    return np.arange(count, dtype=np.uint16)


class Seen:
    """Examples that are their own indices."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def batch(self, numbers, epoch):
        return {"numbers": numbers.tolist()}


def test_each_epoch_holds_every_example_once():
    """Batches cover all examples, then all again in another order, without a gap."""
    batches = ShuffledBatches(Seen(10), size=4, count=10, seed=0)

    order = [number for n in range(10) for number in batches[n]["numbers"]]
    epochs = [order[start : start + 10] for start in range(0, 40, 10)]

    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_depends_on_its_number_alone():
    """Any batch can be built without the previous ones, and another seed gives other batches."""
    one, other = (ShuffledBatches(Seen(7), size=3, count=50, seed=seed) for seed in (1, 2))
    in_order = [one[n] for n in range(50)]

    assert [one[n] for n in (49, 3, 20)] == [in_order[n] for n in (49, 3, 20)]
    assert [other[n] for n in range(50)] != in_order


def test_fewer_examples_than_a_batch_are_repeated():
    """A batch is full, however few examples there are."""
    batch = ShuffledBatches(Seen(2), size=5, count=1, seed=0)[0]["numbers"]

    assert sorted(batch[:4]) == [0, 0, 1, 1]
    assert len(batch) == 5


def test_blocks_predict_the_next_token():
    """Each token is followed by its label, each block has one context, and every token but the rest is in one."""
    blocks = Blocks(numbers(43), 4)
    batch = blocks.batch(np.arange(len(blocks)), 0)

    assert batch["input_ids"].flatten().tolist() == list(range(40))
    assert (batch["shift_labels"] == batch["input_ids"] + 1).all()
    assert batch["input_ids"].shape == (10, 4)


def test_epochs_cut_elsewhere():
    """A later epoch cuts the token ring at another offset, and still covers the same number of tokens."""
    blocks = Blocks(numbers(40), 4)
    firsts = {blocks.batch(np.array([0]), epoch)["input_ids"][0, 0].item() for epoch in range(12)}
    batch = blocks.batch(np.arange(len(blocks)), 5)

    assert firsts == {0, 1, 2, 3}
    assert len(set(batch["input_ids"].flatten().tolist())) == 36
    assert ((batch["shift_labels"] - batch["input_ids"]) % 40 == 1).all()


def test_validation_is_spread_evenly():
    """A limited validation takes examples from the whole range, each once; an unlimited one takes all."""
    limited = EvenBatches(Seen(100), size=3, limit=10)
    whole = EvenBatches(Seen(5), size=3, limit=10)

    assert [number for batch in limited for number in batch["numbers"]] == list(range(0, 100, 10))
    assert [batch["numbers"] for batch in whole] == [[0, 1, 2], [3, 4]]
