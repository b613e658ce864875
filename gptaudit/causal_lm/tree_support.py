"""Trial of whether a model computes token trees correctly."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import torch

from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.likelihood import LikelihoodScorer
from gptaudit.records import Failure

LEAST_WIDTH = 64
"""Tokens; narrower rows gain too little from trees, and do not fit the trial's tree."""
MOST_WIDTH = 4096
"""Tokens; the mask has the square of this many numbers. In wider rows, attention without a mask saves more."""
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
ROUGH_TOLERANCE = 0.25
"""Nats by which the log-probability of a token in the tree may differ. Rounding causes about 1e-5 in float32 and 0.05
in 16 bits; a model that ignores the mask or the positions differs by more than 1."""

WINDOW = re.compile("(window|window_size|attention_chunk_size)$")
"""Names of the window size of local attention in model configurations."""


def widest_tree(model: Any, context: int) -> int:  # noqa: ANN401 - any causal language model of transformers
    """Return the widest row that may contain token trees, in tokens; 0 if the model does not support them.

    The mask of a tree replaces the model's own, and with it a sliding window. So a row with a tree must not be wider
    than the smallest window, nor than the model's `context`.
    """
    config = model.config.get_text_config().to_dict()
    windows = [
        size for key, size in config.items() if WINDOW.search(key) and isinstance(size, int) and size > 0
    ]
    width = min(context, MOST_WIDTH, *windows)
    return width if width >= LEAST_WIDTH and _computes_trees(model, width) else 0


def _computes_trees(model: Any, width: int) -> bool:  # noqa: ANN401
    """Return whether sequences scored as a tree have the same log-probabilities as with one row each."""
    pairs = _trial(model.config.get_text_config().vocab_size)
    try:
        tree, alone = (
            LikelihoodScorer(model, batch_tokens=LEAST_WIDTH, widest_tree=widest).token_logprobs(pairs)
            for widest in (width, 0)
        )
    except Exception:  # noqa: BLE001 - an unexpected mask may raise an error of any type
        return False
    tolerance = TOLERANCE.get(model.dtype, ROUGH_TOLERANCE)
    return all(
        not isinstance(one, Failure)
        and not isinstance(other, Failure)
        and all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))
        for one, other in zip(tree, alone, strict=True)
    )


def _trial(vocabulary: int) -> list[EncodedPair]:
    """Return the pairs of a tree of 35 nodes that branches at depths 4, 12 and 20, and of a second tree of 8."""
    random = Random(0)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(random.randrange(vocabulary) for _ in range(count))

    trunk = tokens(24)
    branches = [EncodedPair(trunk[:depth], tokens(5)) for depth in (4, 12, 20)]
    return [EncodedPair(trunk[:8], trunk[8:]), *branches, EncodedPair(tokens(3), tokens(6))]
