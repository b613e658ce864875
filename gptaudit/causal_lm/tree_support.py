"""Whether a model computes a token tree right: found out by trying."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import torch

from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.likelihood import LikelihoodScorer
from gptaudit.records import Failure

LEAST_WIDTH = 64
"""A row below this holds no tree worth its while, nor the one that is tried."""
MOST_WIDTH = 4096
"""The mask has this many numbers squared; beyond, a model's own way of not making one is worth more."""
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
ROUGH_TOLERANCE = 0.25
"""Nats by which a token of the tree may differ. Rounding makes about 1e-5 in float32 and 0.05 in 16 bits; a mask or
positions that are not obeyed make more than 1."""

WINDOW = re.compile("(window|window_size|attention_chunk_size)$")
"""How configurations name the reach of a local attention."""


def widest_tree(model: Any, context: int) -> int:  # noqa: ANN401 - any causal language model of transformers
    """Return the widest row that may hold a token tree, in tokens; 0 where the model takes none.

    A mask of the caller's replaces the model's own, and with it a sliding window: a row with a tree must not be wider
    than the smallest window, nor than the model's `context`.
    """
    config = model.config.get_text_config().to_dict()
    windows = [
        size for key, size in config.items() if WINDOW.search(key) and isinstance(size, int) and size > 0
    ]
    width = min(context, MOST_WIDTH, *windows)
    return width if width >= LEAST_WIDTH and _computes_trees(model, width) else 0


def _computes_trees(model: Any, width: int) -> bool:  # noqa: ANN401
    """Compare sequences scored as a tree with the same ones scored one a row."""
    pairs = _trial(model.config.get_text_config().vocab_size)
    try:
        tree, alone = (
            LikelihoodScorer(model, batch_tokens=LEAST_WIDTH, widest_tree=widest).token_logprobs(pairs)
            for widest in (width, 0)
        )
    except Exception:  # noqa: BLE001 - a model that does not expect such a mask may fail in any way
        return False
    tolerance = TOLERANCE.get(model.dtype, ROUGH_TOLERANCE)
    return all(
        not isinstance(one, Failure)
        and not isinstance(other, Failure)
        and all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))
        for one, other in zip(tree, alone, strict=True)
    )


def _trial(vocabulary: int) -> list[EncodedPair]:
    """Make a tree of 40 nodes that branches at depths 4, 12 and 20, and another one beside it."""
    random = Random(0)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(random.randrange(vocabulary) for _ in range(count))

    trunk = tokens(24)
    branches = [EncodedPair(trunk[:depth], tokens(5)) for depth in (4, 12, 20)]
    return [EncodedPair(trunk[:8], trunk[8:]), *branches, EncodedPair(tokens(3), tokens(6))]
