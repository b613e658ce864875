"""A batch of encoded questions, as a function from embeddings to what is explained."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from gptaudit.attribution.model_state import head_of
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.causal_lm.padding import pad
from gptaudit.causal_lm.tree_support import ROUGH_TOLERANCE, TOLERANCE
from gptaudit.errors import BackendError


def kind(question: EncodedQuestion) -> tuple[bool, bool]:
    """Return whether a question is a contrast, and whether its target and foil are one token each.

    Questions of one kind can share a batch.
    """
    foil = question.foil
    return foil is not None, foil is not None and len(question.target) == len(foil) == 1


@dataclass(frozen=True)
class Batch:
    """Questions of one kind; letters in the shape comments: Q questions, R rows, T tokens of a prompt, D width.

    Prompts are padded on the left. A continuation of several tokens is read after each prompt, padded on the right, so
    that the positions which predict it stand in the same columns of all rows.
    """

    model: Any
    questions: Sequence[EncodedQuestion]
    baseline: Tensor
    """(D,)"""
    budget: int
    """Tokens in flight."""
    at: Tensor | None = None
    """Embeddings that are read in place of those of the prompts, (Q, T, D)."""

    @cached_property
    def device(self) -> torch.device:
        """Where the model reads its input."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    @cached_property
    def _padded(self) -> tuple[Tensor, Tensor]:
        return pad([question.ids for question in self.questions], "left", self.device)  # both (Q, T)

    @property
    def width(self) -> int:
        """Number of tokens of the longest prompt, T."""
        return self._padded[0].shape[1]

    @property
    def cost(self) -> int:
        """Number of tokens that the model reads for a row: its prompt before each side of several tokens."""
        return self.width if self._single else sum(self.width + ids.shape[1] - 1 for ids, _ in self._sides)

    @property
    def rows_at_once(self) -> int:
        """Number of rows that may be in flight, at least one."""
        return max(1, self.budget // self.cost)

    @property
    def _single(self) -> bool:
        return kind(self.questions[0])[1]

    @cached_property
    def inputs(self) -> Tensor:
        """Embeddings of the prompts, (Q, T, D)."""
        if self.at is not None:
            return self.at
        with torch.no_grad():
            found: Tensor = self.model.get_input_embeddings()(self._padded[0]).detach()
        return found

    def moved(self, row: int, embeddings: Tensor) -> Batch:
        """Return a batch of one prompt alone, at several embeddings of its own tokens (R, T, D)."""
        return replace(self, questions=[self.questions[row]] * len(embeddings), at=embeddings)

    @cached_property
    def explained(self) -> Tensor:
        """Where a token is that may get a score, (Q, T)."""
        found = torch.zeros_like(self._padded[0], dtype=torch.bool)
        for row, question in zip(found, self.questions, strict=True):
            row[[self.width - len(question.ids) + place for place in question.explained]] = True
        return found

    @cached_property
    def baselines(self) -> Tensor:
        """Embeddings of prompts that say nothing, (Q, T, D): tokens that are not explained stay as they are."""
        return torch.where(self.explained[..., None], self.baseline.to(self.inputs), self.inputs)

    @cached_property
    def _sides(self) -> list[tuple[Tensor, Tensor]]:
        """Ids and mask of the targets, and of the foils, each (Q, K)."""
        sides = [[question.target for question in self.questions]]
        if self.questions[0].foil is not None:
            sides.append([question.foil or () for question in self.questions])
        return [pad(side, "right", self.device) for side in sides]

    def value(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return what is explained, (R,), in nats, of embeddings (R, T, D) in place of the prompts of `rows` (R,).

        That is the log-probability of the target, less that of the foil where there is one.
        """
        if self._single:
            return self._contrast(embeddings, rows)
        parts = [self._logprob(embeddings, rows, *side) for side in self._sides]
        return parts[0] - parts[1] if len(parts) > 1 else parts[0]

    def _contrast(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return the difference of two logits: the normaliser, and with it all other tokens, cancels."""
        (targets, _), (foils, _) = self._sides
        both = torch.cat([targets, foils], 1)[rows]  # (R, 2)
        tokens, places = torch.unique(both, return_inverse=True)
        with head_of(self.model, tokens.tolist()) as few:
            logits = self._logits(embeddings, self._padded[1][rows], 1)[:, -1]
        found = logits.gather(1, (places if few else both).to(logits.device))
        return found[:, 0] - found[:, 1]

    def _logprob(self, embeddings: Tensor, rows: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        ids, mask = ids[rows], mask[rows]  # (R, K)
        read = self.model.get_input_embeddings()(ids[:, :-1]).to(embeddings)
        whole = torch.cat([embeddings, read], 1)
        attended = torch.cat([self._padded[1][rows], mask[:, 1:]], 1)
        logits = self._logits(whole, attended, ids.shape[1])  # (R, K, V)
        chosen = logits.gather(2, ids[..., None].to(logits.device))[..., 0]
        return ((chosen - logits.logsumexp(-1)) * mask.to(logits.device)).sum(1)

    def _logits(self, embeddings: Tensor, mask: Tensor, kept: int) -> Tensor:
        """Return the logits at the last `kept` places, in float32 at least."""
        placed = {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if self._takes_positions else {}
        output = self.model(
            inputs_embeds=embeddings, attention_mask=mask, use_cache=False, logits_to_keep=kept, **placed
        )
        logits: Tensor = output.logits[:, -kept:]
        return logits if logits.dtype == torch.float64 else logits.float()

    @cached_property
    def _takes_positions(self) -> bool:
        """Models without positions of their own, as those with ALiBi, take none."""
        return "position_ids" in inspect.signature(self.model.forward).parameters

    @cached_property
    def begins(self) -> Tensor:
        """Where the first token of a row is, (Q, T)."""
        mask = self._padded[1]
        return (mask.cumsum(1) == 1) & mask.bool()

    @cached_property
    def rows(self) -> Tensor:
        """The number of each question, (Q,)."""
        return torch.arange(len(self.questions), device=self.device)

    @torch.no_grad()
    def values(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return `value` without gradients, (R,) in float64 on the CPU."""
        parts = (torch.split(each, self.rows_at_once) for each in (embeddings, rows))
        return torch.cat([self.value(*part) for part in zip(*parts, strict=True)]).double().cpu()

    @cached_property
    def at_inputs(self) -> Tensor:
        """What is explained at the prompts, (Q,)."""
        return self.values(self.inputs, self.rows)

    @cached_property
    def at_ends(self) -> tuple[Tensor, Tensor]:
        """What is explained at the prompts and at their baselines, each (Q,)."""
        return self.at_inputs, self.values(self.baselines, self.rows)

    @torch.no_grad()
    def check(self) -> None:
        """Compare the most padded row with a plain forward pass; raise `BackendError` where they differ."""
        row = min(range(len(self.questions)), key=lambda row: len(self.questions[row].ids))
        here = float(self.values(self.inputs[row, None], self.rows[row, None]))
        plain = plain_value(self.model, self.questions[row])
        most = TOLERANCE.get(self.inputs.dtype, ROUGH_TOLERANCE) * max(1.0, abs(plain))
        if isfinite(plain) and not abs(here - plain) <= most:
            msg = (
                f"read as embeddings the prompt has the value {here:.4f}, and read as tokens {plain:.4f}: an "
                "explanation would be of another function than the model; its tokens can be scored, not explained"
            )
            raise BackendError(msg)


@torch.no_grad()
def plain_value(model: Any, question: EncodedQuestion) -> float:  # noqa: ANN401 - as in `Batch`
    """Return what is explained as a plain forward pass over the tokens gives it, one row at a time."""
    device = model.get_input_embeddings().weight.device

    def logprob(continuation: Sequence[int]) -> float:
        ids = torch.tensor([[*question.ids, *continuation]], device=device)
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits[0, len(question.ids) - 1 :]
        found = logits.double().log_softmax(-1).gather(1, ids[0, len(question.ids) :, None].to(logits.device))
        return float(found.sum())

    return logprob(question.target) - (0.0 if question.foil is None else logprob(question.foil))
