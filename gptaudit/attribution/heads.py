"""What attention heads do for a contrast: a ranking in one backward pass, and the effect of taking heads out.

A head is one of the query heads, `LAYER.HEAD`, both counted from 0. Where several query heads share keys and values
(grouped queries), each is still a head of its own: what is changed is its part of the input of the layer's output
projection. Letters in the shape comments: Q questions, R rows, T tokens, L layers, H heads, D width of a head.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.model_state import frozen
from gptaudit.attribution.question import Batch
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.errors import BackendError, UsageError

PROJECTION = re.compile(r"\.(self_attn\.(o_proj|out_proj)|attn\.c_proj|attention\.(output|dense))$")
"""Names of the output projection of attention: Llama, Gemma, Qwen, Mistral; OPT; GPT-2; the bundled decoder; NeoX."""

How: TypeAlias = Literal["zero", "mean", "resample"]
"""What a head's output is replaced by: nothing, its mean over neutral texts, or its output at the counterfactual."""

Change: TypeAlias = Callable[[int, int, Tensor], Tensor]
"""Called with the number of the forward pass, the layer and the outputs of its heads (R, T, H, D), returns new ones."""

Outputs: TypeAlias = list[list[Tensor]]
"""Outputs of heads by forward pass and layer, each (Q, T, H, D)."""


class Head(NamedTuple):
    """A query head; layers and heads count from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        """Return `LAYER.HEAD`."""
        return f"{self.layer}.{self.head}"


class Heads:
    """The attention heads of one model, which is left as it was found.

    Raises `UsageError` where the model's heads are not known.
    """

    def __init__(self, model: Any, attributor: Attributor, neutral: Sequence[EncodedQuestion]) -> None:  # noqa: ANN401
        self._model = model
        self._attributor = attributor
        self._neutral = neutral
        self._projections = [module for name, module in model.named_modules() if PROJECTION.search(name)]
        config = model.config.get_text_config()
        self.layers = len(self._projections)
        self.heads = int(config.num_attention_heads)
        self.key_heads = int(getattr(config, "num_key_value_heads", None) or self.heads)
        if self.layers != config.num_hidden_layers:
            msg = (
                f"{type(model).__name__}: found {self.layers} output projections of attention for "
                f"{config.num_hidden_layers} layers, so its heads are not known; its tokens can be explained"
            )
            raise UsageError(msg)

    def require(self, heads: Sequence[Head]) -> None:
        """Raise `UsageError` for heads that the model does not have."""
        for head in heads:
            if head.layer >= self.layers or head.head >= self.heads:
                msg = f"head {head}: the model has layers 0 to {self.layers - 1} and heads 0 to {self.heads - 1}"
                raise UsageError(msg)

    def predict(
        self, questions: Sequence[EncodedQuestion], how: How, counterfactuals: Sequence[EncodedQuestion] = ()
    ) -> Tensor:
        """Return how much replacing a head alone would change each question's value, (Q, L, H), to first order.

        Attribution patching (Nanda 2023): the gradient at a head's output times the change of that output. It ranks
        heads, and is no effect: see `values`.
        """
        found = torch.zeros(len(questions), self.layers, self.heads, dtype=torch.float64)
        with frozen(self._model):
            for numbers, batch, others in self._batches(questions, counterfactuals):
                embeddings = batch.inputs.clone().requires_grad_()
                outputs, value = self._outputs(batch, embeddings)
                means = self._means if how == "mean" else []
                gradients = iter(torch.autograd.grad(value.sum(), [z for each in outputs for z in each]))
                for call, of_call in enumerate(outputs):
                    for layer, z in enumerate(of_call):
                        change = self._other(how, means, others, call, layer, z) - z
                        effect = (change * next(gradients)).sum((1, 3)).detach()
                        found[numbers, layer] += effect.double().cpu()
        if not bool(torch.isfinite(found).all()):
            msg = "the gradients are not finite numbers; use another dtype (-b dtype=float32)"
            raise BackendError(msg)
        return found

    @torch.no_grad()
    def values(
        self,
        questions: Sequence[EncodedQuestion],
        sets: Sequence[Sequence[Head]],
        how: How,
        counterfactuals: Sequence[EncodedQuestion] = (),
    ) -> Tensor:
        """Return the value of each question with each set of heads replaced, (sets, Q), from forward passes."""
        for heads in sets:
            self.require(heads)
        out = torch.zeros(len(sets), self.layers, self.heads, dtype=torch.bool)
        for number, heads in enumerate(sets):
            for head in heads:
                out[number, head.layer, head.head] = True
        found = torch.zeros(len(sets), len(questions), dtype=torch.float64)
        with frozen(self._model):
            for numbers, batch, others in self._batches(questions, counterfactuals):
                rows = batch.rows.repeat(len(sets))
                of_row = torch.arange(len(sets)).repeat_interleave(len(numbers))
                parts = zip(*(torch.split(each, batch.rows_at_once) for each in (rows, of_row)), strict=True)
                values = [self._value(batch, some, out[its], how, others) for some, its in parts]
                found[:, numbers] = torch.cat(values).view(len(sets), len(numbers)).double().cpu()
        return found

    def _value(self, batch: Batch, rows: Tensor, out: Tensor, how: How, others: Outputs) -> Tensor:
        """Return the values of rows with their heads replaced, (R,); `out` (R, L, H) is true for those heads."""
        out = out.to(batch.device)
        # Not within a hook, where the model would run again.
        means = self._means if how == "mean" else []

        def change(call: int, layer: int, z: Tensor) -> Tensor:
            other = self._other(how, means, others, call, layer, z)
            other = other[rows] if how == "resample" else other
            return torch.where(out[:, layer, None, :, None], other, z)

        with self._changed(change):
            return batch.value(batch.inputs[rows], rows)

    def _batches(
        self, questions: Sequence[EncodedQuestion], counterfactuals: Sequence[EncodedQuestion]
    ) -> Iterator[tuple[list[int], Batch, Outputs]]:
        """Yield batches of questions with the outputs of the heads at their counterfactuals."""
        for i, (question, other) in enumerate(zip(questions, counterfactuals, strict=False)):
            if len(question.ids) != len(other.ids):
                msg = (
                    f"counterfactual {i}: {len(other.ids)} tokens against {len(question.ids)} of the prompt; they must "
                    "be as many, so that each token has its counterpart"
                )
                raise UsageError(msg)
        for numbers, batch in self._attributor.batches(questions):
            batch.check()
            # The counterfactual is read before the same target and foil.
            read = [replace(questions[i], ids=counterfactuals[i].ids) for i in numbers if counterfactuals]
            yield numbers, batch, self._outputs_at(replace(batch, questions=read)) if read else []

    @torch.no_grad()
    def _outputs_at(self, batch: Batch) -> Outputs:
        return self._outputs(batch, batch.inputs)[0]

    def _outputs(self, batch: Batch, embeddings: Tensor) -> tuple[Outputs, Tensor]:
        """Return the outputs of the heads at a batch, and its values (Q,)."""
        found: Outputs = []

        def keep(call: int, layer: int, z: Tensor) -> Tensor:
            if layer == 0:
                found.append([])
            found[call].append(z)
            return z

        with self._changed(keep):
            return found, batch.value(embeddings, batch.rows)

    def _other(
        self, how: How, means: Sequence[Tensor], others: Outputs, call: int, layer: int, z: Tensor
    ) -> Tensor:
        """Return what replaces the outputs of a layer's heads (R, T, H, D)."""
        if how == "zero":
            return torch.zeros_like(z)
        if how == "mean":
            return means[layer].to(z).expand_as(z)
        return others[call][layer]

    @cached_property
    @torch.no_grad()
    def _means(self) -> list[Tensor]:
        """Mean output of each head over the tokens of the neutral texts but the first of each, by layer (H, D)."""
        totals: list[Tensor] = []
        tokens = 0
        for _, batch in self._attributor.batches(self._neutral):
            for question in batch.questions:
                alone = replace(batch, questions=[question])
                (outputs,) = self._outputs_at(alone)
                sums = [z[0, 1:].double().sum(0) for z in outputs]
                totals = [a + b for a, b in zip(totals, sums, strict=True)] if totals else sums
                tokens += outputs[0].shape[1] - 1
        return [total / tokens for total in totals]

    @contextmanager
    def _changed(self, change: Change) -> Iterator[None]:
        """Replace the outputs of all heads by what `change` returns; a layer's module runs once in a forward pass."""
        calls = -1

        def hook(layer: int) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
            def before(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
                nonlocal calls
                calls += layer == 0
                z = inputs[0].unflatten(-1, (self.heads, -1))
                return (change(calls, layer, z).flatten(-2), *inputs[1:])

            return before

        handles = [
            projection.register_forward_pre_hook(hook(layer))
            for layer, projection in enumerate(self._projections)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def read_heads(text: str) -> tuple[Head, ...]:
    """Read `5.8,5.10`; raise `UsageError` for anything else."""
    found = []
    for part in text.split(","):
        if not re.fullmatch(r"\d{1,6}\.\d{1,6}", part.strip()):
            msg = f"{text!r}: expected LAYER.HEAD,LAYER.HEAD such as 5.8,5.10, both counted from 0; found {part!r}"
            raise UsageError(msg)
        layer, head = part.split(".")
        found.append(Head(int(layer), int(head)))
    return tuple(dict.fromkeys(found))
