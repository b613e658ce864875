"""Token trees: every distinct prefix once, every node below its ancestors alone, every batch within its budget."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.token_tree import ATTENTION, COMMON_WIDTH, grow, lay_out, pack, read_tokens


def random_pairs(seed, count=40, alphabet=3):
    """Pairs over few tokens, so that many begin alike; with duplicates, prefixes and contexts of one token."""
    random = Random(seed)
    pairs = []
    for _ in range(count):
        context = random.choices(range(alphabet), k=random.choice([1, 1, 4, 6, 9]))
        if pairs and random.random() < 0.7:
            old = random.choice(pairs)
            whole = [*old.context, *old.continuation]
            context = whole[: random.randint(1, len(whole))]
        continuation = random.choices(range(alphabet), k=random.randint(1, 5))
        pairs.append(EncodedPair(tuple(context), tuple(continuation)))
    return [*pairs, *pairs[:5]]


def prefix(ids, ends, node):
    """The tokens that a node sees: of its ancestors, then its own."""
    return tuple(ids[i] for i in range(node + 1) if ends[i] > node)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("widest", [0, 12, 1000])
class TestGrow:
    def test_each_prediction_sees_what_stands_before_it(self, seed, widest):
        """The node that predicts a token sees the tokens before it, in order, and its depth is their number."""
        pairs = random_pairs(seed)

        for tree in grow(pairs, range(len(pairs)), widest):
            for scored in tree.paths:
                pair = pairs[scored.pair]
                assert scored.targets == pair.continuation
                for i, node in enumerate(scored.nodes):
                    before = (*pair.context, *pair.continuation[:i])
                    assert prefix(tree.ids, tree.ends, node) == before
                    assert tree.depths[node] == len(before) - 1

    def test_every_pair_once(self, seed, widest):
        """No pair is lost or scored twice, and only the pairs asked for are."""
        pairs = random_pairs(seed)
        trees = grow(pairs, range(3, len(pairs)), widest)

        assert sorted(r.pair for tree in trees for r in tree.paths) == list(range(3, len(pairs)))
        assert [len(tree) for tree in trees] == sorted(map(len, trees), reverse=True)

    def test_no_prefix_twice_in_a_tree(self, seed, widest):
        """Nodes of one tree differ in what they have seen: nothing is computed twice."""
        pairs = random_pairs(seed)

        for tree in grow(pairs, range(len(pairs)), widest):
            seen = [prefix(tree.ids, tree.ends, node) for node in range(len(tree))]
            assert len(seen) == len(set(seen))

    def test_size_and_branches(self, seed, widest):
        """A tree is not wider than allowed, but for a single sequence; with 0 it has no branch."""
        pairs = random_pairs(seed)

        for tree in grow(pairs, range(len(pairs)), widest):
            longest = max(len(read_tokens(pairs[scored.pair])) for scored in tree.paths)
            assert len(tree) <= max(widest, longest)
            assert widest or tree.depths == list(range(len(tree)))


def test_two_sequences():
    """Two continuations of one context are one tree, by hand: 5 6 7 8 with 1 and 2 3 below."""
    pairs = [EncodedPair((5, 6, 7, 8), (2, 3, 9)), EncodedPair((5, 6, 7, 8), (1, 9))]

    (tree,) = grow(pairs, [0, 1], 100)

    assert tree.ids == [5, 6, 7, 8, 1, 2, 3]
    assert tree.depths == [0, 1, 2, 3, 4, 4, 5]
    assert tree.ends == [7, 7, 7, 7, 5, 7, 7]
    assert tree.predicting == {3, 4, 5, 6}


@pytest.mark.parametrize(("shared", "trees"), [(1, 10), (90, 1)])
def test_merged_where_it_pays(shared, trees):
    """Long sequences that share their start token alone stay apart, as a wide row costs more than a token saves."""
    pairs = [EncodedPair((0,) * shared, (*[i] * (120 - shared), 1)) for i in range(1, 11)]

    assert len(grow(pairs, range(10), 1000)) == trees


def test_grouping_costs_the_least():
    """No other way to part the sorted sequences into trees costs less."""
    for seed in range(10):
        pairs = random_pairs(seed, count=6, alphabet=2)
        ordered = sorted(pairs, key=read_tokens)
        trees = grow(pairs, range(len(pairs)), 1000)
        numbers = range(len(pairs))

        def cost(trees):
            return sum(len(tree) * (1 + ATTENTION * max(len(tree), COMMON_WIDTH)) for tree in trees)

        for cuts in range(2 ** (len(pairs) - 1)):
            ends = [i for i in range(1, len(pairs)) if cuts >> (i - 1) & 1]
            parts = [numbers[a:b] for a, b in pairwise([0, *ends, len(pairs)])]
            assert cost(trees) <= cost([merged([ordered[i] for i in part]) for part in parts]) + 1e-9


def merged(pairs):
    """The prefixes that pairs have, each once, as a tree has them."""
    return {read_tokens(pair)[:end] for pair in pairs for end in range(1, len(read_tokens(pair)) + 1)}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("widest", [0, 40, 1000])
@pytest.mark.parametrize(("tokens", "predictions"), [(1, 1000), (64, 1000), (300, 20), (300, 1000)])
def test_batches_hold_all_trees_within_the_budget(seed, widest, tokens, predictions):
    """Batch after batch takes each tree once; a row is opened only within the budget of places and of logits."""
    pairs = random_pairs(seed, count=60)
    trees = grow(pairs, range(len(pairs)), widest)
    found = []
    rest = trees
    while rest:
        rows, rest = pack(rest, widest, tokens, predictions)
        layout = lay_out(rows)
        width = len(layout.ids[0])
        packed = [tree for row in rows for tree in row]
        found += packed
        assert len(rows) == 1 or len(rows) * width <= tokens
        before = [
            t for t in trees if any(t is p for p in packed) and trees.index(t) < trees.index(rows[-1][0])
        ]
        assert len(rows) == 1 or sum(len(tree.predicting) for tree in before) < predictions
        assert width <= max(widest, len(rows[0][0]))
        assert widest or all(len(row) == 1 for row in rows)

    assert sorted(map(id, found)) == sorted(map(id, trees))


@pytest.mark.parametrize("seed", range(10))
def test_layout_keeps_what_each_node_sees(seed):
    """Side by side in padded rows, nodes see what they saw in their tree; padding sees itself alone."""
    pairs = random_pairs(seed)
    rows, rest = pack(grow(pairs, range(len(pairs)), 60), 60, 10_000, 10_000)
    layout = lay_out(rows)
    width = len(layout.ids[0])

    assert not rest
    assert layout.nodes == sorted(set(layout.nodes))
    assert sorted(scored.pair for scored in layout.paths) == list(range(len(pairs)))
    for scored in layout.paths:
        pair = pairs[scored.pair]
        for i, place in enumerate(scored.nodes):
            row, node = divmod(layout.nodes[place], width)
            before = (*pair.context, *pair.continuation[:i])
            assert prefix(layout.ids[row], layout.ends[row], node) == before
            assert layout.depths[row][node] == len(before) - 1
    for row, length in enumerate(layout.lengths):
        for node in range(length, width):
            assert prefix(layout.ids[row], layout.ends[row], node) == (0,)
