"""Log-likelihood of continuations: common prefixes are computed once, the vocabulary head only where it predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any, TypeAlias

import torch
from torch import Tensor

from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.memory import TokenBudget
from gptaudit.causal_lm.token_tree import Layout, Row, grow, lay_out, pack, read_tokens
from gptaudit.records import Failure

Logprobs: TypeAlias = tuple[float, ...]
"""Log-probability of each token of a continuation, in nats."""

LOGITS_PER_TOKEN = 32_768
"""A batch has at most this many logits for each token of the budget."""


class LikelihoodScorer:
    """Scores continuations with one model.

    Args:
        model: Any causal language model of `transformers`.
        batch_tokens: Tokens in a batch; halved when memory runs out.
        widest_tree: The widest row in which the model computes token trees correctly, in tokens. Longer sequences
            are not merged, and the model makes their mask and positions itself.
    """

    def __init__(self, model: Any, *, batch_tokens: int, widest_tree: int) -> None:  # noqa: ANN401
        self._model = model
        self._budget = TokenBudget(batch_tokens)
        self._widest_tree = widest_tree
        self._vocabulary = int(model.config.get_text_config().vocab_size)

    def token_logprobs(self, pairs: Sequence[EncodedPair]) -> list[Logprobs | Failure]:
        """Return log P(token | all tokens before it) of every continuation token, in nats.

        The other pairs of the call change a value only by rounding. A pair that does not fit into memory even alone is
        a `Failure`.
        """
        found: dict[int, Logprobs | Failure] = {}
        long = [i for i, pair in enumerate(pairs) if len(read_tokens(pair)) > self._widest_tree]
        short = [i for i, pair in enumerate(pairs) if len(read_tokens(pair)) <= self._widest_tree]
        for numbers, widest in ((long, 0), (short, self._widest_tree)):
            trees = grow(pairs, numbers, min(widest, self._budget.tokens))
            while trees:
                tokens = self._budget.tokens
                rows, trees = pack(trees, widest, tokens, tokens * LOGITS_PER_TOKEN // self._vocabulary)
                found.update(self._run(pairs, rows, branching=widest > 0))
        return [found[i] for i in range(len(pairs))]

    def _run(
        self, pairs: Sequence[EncodedPair], rows: Sequence[Row], *, branching: bool
    ) -> Iterator[tuple[int, Logprobs | Failure]]:
        """Run a batch and yield the index and result of each pair; rows that do not fit into memory are split."""
        for row, found in zip(
            rows, self._budget.run(rows, partial(self._compute, branching=branching)), strict=True
        ):
            numbers = [path.pair for tree in row for path in tree.paths]
            if not isinstance(found, Failure):
                yield from zip(numbers, found, strict=True)
            elif len(numbers) == 1:
                yield numbers[0], found
            else:
                self._budget.shrink(sum(map(len, row)))
                parts = [[tree] for tree in row] if len(row) > 1 else [grow(pairs, [i], 0) for i in numbers]
                yield from self._run(pairs, parts, branching=branching)

    @torch.inference_mode()
    def _compute(self, rows: Sequence[Row], *, branching: bool) -> list[list[Logprobs]]:
        """Run rows as one batch; return the log-probabilities of each path of each row."""
        layout = lay_out(rows)
        logits = self._logits(layout, branching=branching)
        places = list(chain.from_iterable(path.nodes for path in layout.paths))
        targets = list(chain.from_iterable(path.targets for path in layout.paths))
        logprobs = iter(_logprobs(logits, places, targets))
        return [
            [tuple(islice(logprobs, len(path.targets))) for tree in row for path in tree.paths]
            for row in rows
        ]

    def _logits(self, layout: Layout, *, branching: bool) -> Tensor:
        """Return the logits at the predicting nodes, (nodes, vocabulary)."""
        device = self._model.device
        ids = torch.tensor(layout.ids, device=device)
        nodes = torch.tensor(layout.nodes, device=device)
        if branching:
            inputs = {
                "attention_mask": ancestor_mask(torch.tensor(layout.ends, device=device), self._model.dtype),
                "position_ids": torch.tensor(layout.depths, device=device),
            }
        else:
            place = torch.arange(ids.shape[1], device=device)
            inputs = {"attention_mask": (place < torch.tensor(layout.lengths, device=device)[:, None]).long()}
        with _head_at(self._model, nodes, ids.shape):
            logits: Tensor = self._model(input_ids=ids, use_cache=False, **inputs).logits
        # All nodes have logits if the head is not a module, or has an input of another shape.
        selected = logits.shape[:2] != ids.shape
        return logits[0] if selected else logits.flatten(0, 1)[nodes.to(logits.device)]


def ancestor_mask(ends: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the attention mask of token trees, (rows, 1, width, width): 0 for a node's ancestors and itself.

    All other places have the least number of the dtype. `ends` (rows, width) are the ends of the nodes' descendants, as
    in `Layout`. The mask is additive, which every attention implementation of `transformers` accepts.
    """
    place = torch.arange(ends.shape[1], device=ends.device)
    follows = place[:, None] >= place
    seen = follows & (place[:, None] < ends[:, None, :])  # (rows, query, key)
    mask = torch.full(seen.shape, torch.finfo(dtype).min, dtype=dtype, device=ends.device)
    return mask.masked_fill_(seen, 0)[:, None]


@contextmanager
def _head_at(model: Any, nodes: Tensor, shape: torch.Size) -> Iterator[None]:  # noqa: ANN401
    """Run the vocabulary head only at these nodes, as one row; what the model does after the head is unchanged.

    Applies to inputs of the batch's shape, `shape` (rows, width).
    """
    head = model.get_output_embeddings()
    if head is None:
        yield
        return

    def select(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ANN401
        if not args or args[0].shape[:2] != shape:
            return args
        return (args[0].flatten(0, 1)[nodes.to(args[0].device)][None], *args[1:])

    hook = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()


def _logprobs(logits: Tensor, places: Sequence[int], targets: Sequence[int]) -> list[float]:
    """Return the log-probability of each target under the logits (nodes, vocabulary) of its node, in float32."""
    logits = logits.float()
    # In place: allocating a second tensor of this size takes longer than the computation.
    logprobs = torch.log_softmax(logits, -1, out=logits if logits.device.type == "cpu" else None)
    at = torch.tensor([places, targets], device=logits.device)
    values: list[float] = logprobs[at[0], at[1]].tolist()
    return values
