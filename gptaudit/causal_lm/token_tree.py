"""Token sequences merged where they begin alike, and laid side by side in rows of a batch.

A model computes a token from the tokens before it, so sequences that begin alike share that beginning's states. A tree
of tokens is run as one row in which each node attends to its ancestors alone and has its depth as position; the result
is that of each sequence by itself (the tree attention of SpecInfer, Miao et al. 2023, arXiv 2305.09781).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from gptaudit.causal_lm.encoding import EncodedPair

ATTENTION = 1 / 2048
"""What a node costs more for each node of its row, in nodes: that of a model of width 300 to 700."""
COMMON_WIDTH = 128
"""Trees smaller than this share a row."""
WIDTHS = (1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5)
"""Widths of a row to be tried, in sizes of the largest tree."""


@dataclass(frozen=True, slots=True)
class ScoredPath:
    """Where a pair's continuation is predicted: `nodes[i]` predicts `targets[i]`."""

    pair: int
    nodes: Sequence[int]
    targets: Sequence[int]


@dataclass(slots=True)
class Tree:
    """Nodes in depth-first order, so that the descendants of a node follow it: node i and they are `i:ends[i]`."""

    ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    paths: list[ScoredPath] = field(default_factory=list)
    predicting: set[int] = field(default_factory=set)
    """The nodes for which the vocabulary head is needed."""

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, number: int, pair: EncodedPair, path: list[int]) -> list[int]:
        """Add a pair whose first tokens have the nodes `path`; return the nodes of all its tokens but the last.

        The last token is predicted, never read.
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
"""Trees side by side."""


def read_tokens(pair: EncodedPair) -> tuple[int, ...]:
    """Return the tokens that a model must read to predict all of the continuation."""
    return (*pair.context, *pair.continuation[:-1])


def grow(pairs: Sequence[EncodedPair], numbers: Sequence[int], widest: int) -> list[Tree]:
    """Merge the pairs of these numbers into trees of at most `widest` nodes, the largest trees first.

    With `widest` 0 no tree branches: a pair is merged only with one that it begins with.
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
    """Part sorted sequences into the groups, one a tree, that cost the least; `shared[i]` is with sequence i - 1.

    The best parting of the first sequences is that of fewer of them and one more group (dynamic programming).
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
            # Without branches, a group goes on only while the sequence before begins this one. And parting a larger
            # group here would cost it at most what is shared, as `_cost` is convex: if that is too dear, so is it.
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
    """What a tree costs: its nodes, and for each what it attends to."""
    return nodes * (1 + ATTENTION * max(nodes, COMMON_WIDTH))


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def pack(trees: Sequence[Tree], widest: int, tokens: int, predictions: int) -> tuple[list[Row], list[Tree]]:
    """Take a batch of trees in rows; return the rows and the trees that are left.

    A row is added as long as the batch has at most `tokens` places, padding included, and so far fewer than
    `predictions` nodes that need the vocabulary head. Trees come in falling size, at most `widest`, which is also as
    wide as a row may be; with `widest` 0 each tree has a row of its own. Of several widths, the one that costs the
    least for each node is taken.
    """
    largest = len(trees[0])
    wanted = (int(max(largest, COMMON_WIDTH // 2) * factor) for factor in WIDTHS) if widest else ()
    widths = {largest, *(max(largest, min(width, widest)) for width in wanted)}
    batches = [_first_fit(trees, width, tokens, predictions, alone=not widest) for width in sorted(widths)]
    return min(batches, key=lambda batch: _cost_of_node(batch[0]))


def _first_fit(
    trees: Sequence[Tree], width: int, tokens: int, predictions: int, *, alone: bool
) -> tuple[list[Row], list[Tree]]:
    """Put each tree into the first row with room; as `pack`, for one width."""
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
    """What a batch costs, padding included, for each of its nodes."""
    lengths = [sum(map(len, row)) for row in rows]
    return len(rows) * max(lengths) * (1 + ATTENTION * max(lengths)) / sum(lengths)


@dataclass(frozen=True, slots=True)
class Layout:
    """A batch of rows as numbers. Padding follows the last tree of a row."""

    ids: list[list[int]]
    """(rows, width)"""
    depths: list[list[int]]
    """The position of each node, (rows, width)."""
    ends: list[list[int]]
    """Node i of a row and its descendants are `i:ends[i]`, (rows, width); padding is a tree of its own node."""
    lengths: list[int]
    """Nodes of each row, without padding."""
    nodes: list[int]
    """The nodes that need the vocabulary head, in order, as indices into all rows one after the other."""
    paths: list[ScoredPath]
    """With indices into `nodes` for nodes."""


def lay_out(rows: Sequence[Row]) -> Layout:
    """Put the trees of each row side by side."""
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
