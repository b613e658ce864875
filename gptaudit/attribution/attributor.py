"""Attribution of any number of questions to the tokens of their prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from math import fsum, isfinite
from typing import Any

from torch import Tensor

from gptaudit.attribution.methods import INTEGRATED_GRADIENTS
from gptaudit.attribution.model_state import frozen, mean_embedding
from gptaudit.attribution.path import tolerance
from gptaudit.attribution.question import Batch, kind
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.causal_lm.memory import OUT_OF_MEMORY, TokenBudget, is_out_of_memory
from gptaudit.errors import PluginError, UsageError
from gptaudit.protocols.attribution import EmbeddingMethod
from gptaudit.records import NOT_FINITE, Attribution, Failure

BASELINE = "mean token embedding"
PADDED = 1.25
"""The longest prompt of a batch by the shortest: each prompt is read many times, and its padding as often."""


class Attributor:
    """Attributes with one model, which is left as it was found.

    Args:
        model: Any causal language model of `transformers` that takes `inputs_embeds`.
        batch_tokens: Tokens in flight; halved when memory runs out.
    """

    def __init__(self, model: Any, *, batch_tokens: int = 1024) -> None:  # noqa: ANN401
        self.model = model
        self._budget = TokenBudget(batch_tokens)

    @cached_property
    def baseline(self) -> Tensor:
        """Embedding of a token that says nothing, (D,): the mean of all.

        A zero vector would not do: for models that normalise the embedding first, the path from zero is a single step.
        """
        return mean_embedding(self.model)

    def attribute(
        self,
        questions: Sequence[EncodedQuestion],
        method: EmbeddingMethod = INTEGRATED_GRADIENTS,
        *,
        seed: int = 0,
    ) -> list[Attribution | Failure]:
        """Return the scores of each question's tokens; the other questions of the call change them only by rounding.

        Raises:
            UsageError: the model gives no gradients, and the method needs them.
            BackendError: read as embeddings the model computes something else than read as tokens.
        """
        found: dict[int, Attribution | Failure] = {}
        with frozen(self.model):
            if method.gradients:
                _require_gradients(self.model)
            for numbers, batch in self.batches(questions):
                found.update(zip(numbers, self._run(batch, method, seed), strict=True))
        return [found[i] for i in range(len(questions))]

    def batches(self, questions: Sequence[EncodedQuestion]) -> Iterator[tuple[list[int], Batch]]:
        """Yield questions of one kind and similar length that fit into the budget together, with their numbers."""
        left = sorted(range(len(questions)), key=lambda i: (kind(questions[i]), len(questions[i].ids)))
        while left:
            alike = [i for i in left if kind(questions[i]) == kind(questions[left[0]])]
            most = max(1.0, PADDED * len(questions[alike[0]].ids))
            # The last of them is the longest.
            lengths = enumerate((len(questions[i].ids) for i in alike), 1)
            fitting = sum(length <= most and n * length <= self._budget.tokens for n, length in lengths)
            numbers = alike[: fitting or 1]
            left = left[len(numbers) :]
            asked = [questions[i] for i in numbers]
            yield numbers, Batch(self.model, asked, self.baseline, self._budget.tokens)

    def _run(self, batch: Batch, method: EmbeddingMethod, seed: int) -> Sequence[Attribution | Failure]:
        """Compute a batch; with fewer rows at once where memory runs out."""
        while True:
            try:
                return list(_compute(batch, method, seed))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Not inside the handler: its traceback keeps the tensors of the failed call in memory.
            if batch.rows_at_once == 1:
                return [OUT_OF_MEMORY] * len(batch.questions)
            self._budget.shrink(batch.rows_at_once * batch.cost)
            batch = replace(batch, budget=self._budget.tokens)


def _compute(batch: Batch, method: EmbeddingMethod, seed: int) -> Iterator[Attribution | Failure]:
    batch.check()
    scores, runs = method.compute(batch, seed)
    if scores.shape != batch.explained.shape or len(runs) != len(batch.questions):
        expected = (
            f"scores of shape {tuple(batch.explained.shape)} and {len(batch.questions)} numbers of runs"
        )
        msg = f"method {method.name}: expected {expected}, found {tuple(scores.shape)} and {len(runs)}"
        raise PluginError(msg)
    for row, (question, value, at_baseline) in enumerate(
        zip(batch.questions, *map(Tensor.tolist, batch.at_ends), strict=True)
    ):
        own = scores[row][batch.explained[row].cpu()].tolist()
        change = value - at_baseline
        delta = fsum(own) - change
        if not isfinite(delta):
            yield NOT_FINITE
            continue
        yield Attribution(
            tokens=question.tokens,
            offsets=question.offsets,
            scores=tuple(own),
            contrast=value,
            baseline_contrast=at_baseline,
            delta=delta,
            steps=runs[row],
            converged=abs(delta) <= tolerance(change) if method.complete else None,
            baseline=BASELINE,
            method=method.title,
        )


def _require_gradients(model: Any) -> None:  # noqa: ANN401
    """Refuse a quantised model: its kernels have no gradients, or those of rounded numbers."""
    if getattr(model, "hf_quantizer", None) is None and not getattr(model, "is_quantized", False):
        return
    msg = (
        "the weights are quantised, and gradients through them cannot be relied on; use a method without gradients, "
        "such as feature_ablation"
    )
    raise UsageError(msg)
