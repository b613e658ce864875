"""Token trees: sequences merged at their common prefixes and packed into the rows of a batch.

In a causal model, sequences with a common prefix have the same states there. A tree of tokens is run as one row, in
which each node attends only to its ancestors and has its depth as position; the result is that of each sequence alone
(the tree attention of SpecInfer, Miao et al. 2023, arXiv 2305.09781).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from gptaudit.causal_lm.encoding import EncodedPair

ATTENTION = 1 / 2048
"""Additional cost of a node for each node in its row, in nodes; measured for models of width 300 to 700."""
COMMON_WIDTH = 128
"""Trees smaller than this share a row, so each costs at least the attention of a row this wide."""
WIDTHS = (1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5)
"""Row widths to try, as multiples of the largest tree."""


@dataclass(frozen=True, slots=True)
class ScoredPath:
    """The nodes that predict a pair's continuation: `nodes[i]` predicts `targets[i]`."""

    pair: int
    nodes: Sequence[int]
    targets: Sequence[int]


@dataclass(slots=True)
class Tree:
    """Nodes in depth-first order, so that node i and its descendants are `i:ends[i]`."""

    ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    paths: list[ScoredPath] = field(default_factory=list)
    predicting: set[int] = field(default_factory=set)
    """Nodes at which the vocabulary head is needed."""

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, number: int, pair: EncodedPair, path: list[int]) -> list[int]:
        """Add a pair whose first tokens are the existing nodes `path`; return the nodes of all its tokens but the last.

        The last token is only predicted, not read.
        """
        tokens = read_tokens(pair)
        nodes = [*path, *range(len(self), len(self) + len(tokens) - len(path))]
        self.ids.extend(tokens[len(path) :])
        self.depths.extend(range(len(path), len(tokens)))
        self.ends.extend([0] * (len(self.ids) - len(self.ends)))
        for node in nodes:
            self.ends[node] = len(self.ids)
        scored = ScoredPath(number, nodes[len(pair.context) - 1 :], pair.continuation)
        self.paths.append(scored)
        self.predicting.update(scored.nodes)
        return nodes


Row: TypeAlias = list[Tree]
"""Trees side by side in one row."""


def read_tokens(pair: EncodedPair) -> tuple[int, ...]:
    """Return the tokens that a model must read to predict the whole continuation."""
    return (*pair.context, *pair.continuation[:-1])


def grow(pairs: Sequence[EncodedPair], numbers: Sequence[int], widest: int) -> list[Tree]:
    """Merge the pairs with these indices into trees of at most `widest` nodes; return the largest trees first.

    With `widest` 0 no tree branches: a pair is merged only with one that is a prefix of it.
    """
    ordered = sorted((read_tokens(pairs[number]), number) for number in numbers)
    shared = [0, *(_shared(a, b) for (a, _), (b, _) in pairwise(ordered))]
    trees = []
    for group in _groups([len(tokens) for tokens, _ in ordered], shared, widest):
        tree = Tree()
        path: list[int] = []
        for i in group:
            number = ordered[i][1]
            path = tree.add(number, pairs[number], path[: shared[i]])
        trees.append(tree)
    return sorted(trees, key=len, reverse=True)


def _groups(lengths: Sequence[int], shared: Sequence[int], widest: int) -> list[range]:
    """Split sorted sequences into groups, one per tree, with the least total cost.

    `shared[i]` is the length of the prefix that sequences i - 1 and i have in common. The best split of the first n
    sequences extends the best split of fewer of them by one group (dynamic programming).
    """
    costs = [0.0]
    starts = [0]
    for stop in range(1, len(lengths) + 1):
        best, best_start = math.inf, 0
        nodes = 0
        for start in range(stop - 1, -1, -1):
            nodes += lengths[start]
            if nodes > (widest or nodes) and start < stop - 1:
                break
            cost = costs[start] + _cost(nodes)
            if cost < best:
                best, best_start = cost, start
            # Without branches, the previous sequence must be a prefix of this one. As `_cost` is convex, splitting a
            # larger group here would cost at most the shared prefix more: beyond that, no larger group is cheaper.
            if shared[start] < (1 if widest else lengths[start - 1]) or cost > best + _cost(shared[start]):
                break
            nodes -= shared[start]
        costs.append(best)
        starts.append(best_start)
    groups = []
    stop = len(lengths)
    while stop:
        groups.append(range(starts[stop], stop))
        stop = starts[stop]
    return groups[::-1]


def _cost(nodes: int) -> float:
    """Return the cost of a tree: its nodes, and for each node the attention to its row."""
    return nodes * (1 + ATTENTION * max(nodes, COMMON_WIDTH))


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Return the length of the common prefix of two sequences."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def pack(trees: Sequence[Tree], widest: int, tokens: int, predictions: int) -> tuple[list[Row], list[Tree]]:
    """Pack trees into the rows of one batch; return the rows and the trees that are left.

    A row is added while the batch has at most `tokens` places, padding included, and fewer than `predictions` nodes
    that need the vocabulary head. Trees come in descending size; neither a tree nor a row is wider than `widest`. With
    `widest` 0 each tree has its own row. Several row widths are tried, and the one with the least cost per node wins.
    """
    largest = len(trees[0])
    wanted = (int(max(largest, COMMON_WIDTH // 2) * factor) for factor in WIDTHS) if widest else ()
    widths = {largest, *(max(largest, min(width, widest)) for width in wanted)}
    batches = [_first_fit(trees, width, tokens, predictions, alone=not widest) for width in sorted(widths)]
    return min(batches, key=lambda batch: _cost_of_node(batch[0]))


def _first_fit(
    trees: Sequence[Tree], width: int, tokens: int, predictions: int, *, alone: bool
) -> tuple[list[Row], list[Tree]]:
    """Pack as `pack` does, for one row width: each tree goes into the first row with room."""
    rows: list[Row] = []
    room: list[int] = []
    rest: list[Tree] = []
    for tree in trees:
        row = next((i for i, free in enumerate(room) if free >= len(tree) and not alone), len(rows))
        if row == len(rows):
            if rows and (predictions <= 0 or (row + 1) * width > tokens):
                rest.append(tree)
                continue
            rows.append([])
            room.append(width)
        rows[row].append(tree)
        room[row] -= len(tree)
        predictions -= len(tree.predicting)
    return rows, rest


def _cost_of_node(rows: Sequence[Row]) -> float:
    """Return the cost of a batch, padding included, per node."""
    lengths = [sum(map(len, row)) for row in rows]
    return len(rows) * max(lengths) * (1 + ATTENTION * max(lengths)) / sum(lengths)


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of a batch of rows. Padding follows the last tree of a row."""

    ids: list[list[int]]
    """(rows, width)"""
    depths: list[list[int]]
    """The position of each node, (rows, width)."""
    ends: list[list[int]]
    """Node i of a row and its descendants are `i:ends[i]`, (rows, width); each padding place is a tree of one node."""
    lengths: list[int]
    """Number of nodes in each row, without padding."""
    nodes: list[int]
    """Nodes that need the vocabulary head, in order, as indices into the flattened rows."""
    paths: list[ScoredPath]
    """The scored paths; their nodes are indices into `nodes`."""


def lay_out(rows: Sequence[Row]) -> Layout:
    """Return the layout of rows, with the trees of each row side by side."""
    lengths = [sum(map(len, trees)) for trees in rows]
    width = max(lengths)
    layout = Layout([], [], [], lengths, [], [])
    for row, trees in enumerate(rows):
        layout.ids.append([0] * width)
        layout.depths.append([0] * width)
        layout.ends.append(list(range(1, width + 1)))
        start = 0
        for tree in trees:
            stop = start + len(tree)
            layout.ids[row][start:stop] = tree.ids
            layout.depths[row][start:stop] = tree.depths
            layout.ends[row][start:stop] = [start + end for end in tree.ends]
            _lay_out_paths(layout, tree, row * width + start)
            start = stop
    return layout


def _lay_out_paths(layout: Layout, tree: Tree, start: int) -> None:
    predicting = sorted(tree.predicting)
    place = {node: len(layout.nodes) + i for i, node in enumerate(predicting)}
    layout.nodes.extend(start + node for node in predicting)
    for scored in tree.paths:
        nodes = [place[node] for node in scored.nodes]
        layout.paths.append(ScoredPath(scored.pair, nodes, scored.targets))
