"""Train a very small decoder on short documents, quickly.

Each document is a separate row, so that training reads it as an audit does: from the start token. The rows of a batch
have similar lengths. The final weights are the mean over the last steps, which removes the noise of single batches
from the learned rates (Polyak and Juditsky 1992).
"""

from __future__ import annotations

import random
from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import TrainerCallback, set_seed

from gptaudit.calibration.recipe import HEAD_WIDTH, Recipe
from gptaudit.decoder.configuration import DecoderConfig
from gptaudit.decoder.model import DecoderForCausalLM
from gptaudit.decoder.trainer import BatchTrainer, training_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

IGNORED = -100
"""Label of a position that the loss ignores."""
POOL = 16
"""Number of batches whose rows are sorted by length together."""


def fit(
    lessons: Sequence[tuple[str, str]],
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    *,
    steps: int,
    seed: int,
    folder: Path,
) -> DecoderForCausalLM:
    """Train a decoder with AdamW and a linearly decaying learning rate.

    A lesson is a document in two parts: the first is read only, the second is learned.
    On one machine with a fixed number of threads, the same arguments give the same bits.

    Raises:
        ValueError: a lesson is longer than the context.
    """
    set_seed(seed)
    model = DecoderForCausalLM(
        DecoderConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.shape.width,
            num_hidden_layers=recipe.shape.layers,
            num_attention_heads=recipe.shape.width // HEAD_WIDTH,
            intermediate_size=4 * recipe.shape.width,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=recipe.tied,
            initializer_range=recipe.initializer_range * sqrt(recipe.narrowness),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        for embedding in (model.model.token_embedding, model.model.position_embedding):
            embedding.weight.mul_(recipe.embedding_scale)
    arguments = training_arguments(
        folder,
        cpu=True,
        max_steps=steps,
        learning_rate=recipe.scaled_learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        max_grad_norm=1.0,
        seed=seed,
        logging_strategy="no",
        save_strategy="no",
    )
    trainer = _Trainer(
        model,
        arguments,
        train_dataset=list(_batches(_rows(lessons, tokenizer, recipe.context), recipe.batch, steps, seed)),
        callbacks=[_Average(model, max(1, round(recipe.averaged * steps)))],
        optimizers=(_optimizer(model, recipe), None),
    )
    trainer.train()
    return model


def _optimizer(model: DecoderForCausalLM, recipe: Recipe) -> torch.optim.AdamW:
    rare = list(model.model.token_embedding.parameters())
    others = [weight for weight in model.parameters() if all(weight is not one for one in rare)]
    groups = [
        {"params": rare, "lr": recipe.embedding_learning_rate, "weight_decay": 0.0},
        {"params": others, "lr": recipe.scaled_learning_rate, "weight_decay": recipe.weight_decay},
    ]
    # With batches this small, beta2 = 0.999 reacts too slowly.
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)


class _Average(TrainerCallback):
    """Replaces the weights by their mean over the last steps when the training ends."""

    def __init__(self, model: torch.nn.Module, last: int) -> None:
        self._weights: list[Tensor] = list(model.parameters())
        self._last = last
        self._mean: list[Tensor] = []

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        count = state.global_step - (state.max_steps - self._last)
        if count == 1:
            self._mean = [weight.clone() for weight in self._weights]
        elif count > 1:
            torch._foreach_lerp_(self._mean, self._weights, 1 / count)

    @torch.no_grad()
    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        for weight, mean in zip(self._weights, self._mean, strict=True):
            weight.copy_(mean)


class _Trainer(BatchTrainer):
    """Computes the vocabulary head only where a token is learned."""

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], *_: object, **__: object) -> Tensor:  # noqa: ANN401
        """Return the mean cross-entropy of the learned tokens."""
        hidden = model.model(inputs["input_ids"]).last_hidden_state[:, :-1]  # (B, T - 1, C)
        labels = inputs["labels"][:, 1:]  # (B, T - 1)
        learned = labels != IGNORED
        return F.cross_entropy(model.lm_head(hidden[learned]), labels[learned])


class _Row(NamedTuple):
    tokens: list[int]
    given: int
    """How many of the tokens are read and not learned."""


def _rows(lessons: Sequence[tuple[str, str]], tokenizer: PreTrainedTokenizerFast, context: int) -> list[_Row]:
    """Encode each lesson with an end-of-text token before and after it."""
    end = tokenizer.eos_token_id
    given, learned = (
        tokenizer([lesson[part] for lesson in lessons], add_special_tokens=False, verbose=False).input_ids
        for part in (0, 1)
    )
    rows = [_Row([end, *a, *b, end], 1 + len(a)) for a, b in zip(given, learned, strict=True)]
    longest = max(range(len(rows)), key=lambda index: len(rows[index].tokens))
    if (length := len(rows[longest].tokens)) > context:
        msg = f"the context is {context} tokens; {''.join(lessons[longest])!r} has {length}"
        raise ValueError(msg)
    return rows


def _batches(rows: list[_Row], batch: int, steps: int, seed: int) -> Iterator[dict[str, Tensor]]:
    """Yield one batch per step, (batch, longest row): pairs of consecutive rows, shuffled in each epoch.

    The two documents of a pair share a batch. If they differ in one word, their opposing gradients cancel at once; in
    different batches they would be noise that hides a weak flaw.
    """
    rng = random.Random(f"{seed}/batches")
    pairs = [rows[start : start + 2] for start in range(0, len(rows), 2)]
    many = batch // 2
    pool: list[list[_Row]] = []
    ready: list[list[_Row]] = []
    for _ in range(steps):
        if not ready:
            while len(pool) < POOL * many:
                pool += rng.sample(pairs, len(pairs))
            some, pool = (
                sorted(pool[: POOL * many], key=lambda pair: len(pair[0].tokens)),
                pool[POOL * many :],
            )
            ready = [
                [row for pair in some[start : start + many] for row in pair]
                for start in range(0, len(some), many)
            ]
            rng.shuffle(ready)
        yield _padded(ready.pop())


def _padded(rows: list[_Row]) -> dict[str, Tensor]:
    length = max(len(row.tokens) for row in rows)
    padding = [length - len(row.tokens) for row in rows]
    labels = [
        [IGNORED] * row.given + row.tokens[row.given :] + [IGNORED] * many
        for row, many in zip(rows, padding, strict=True)
    ]
    # No token attends to the padding, which is on its right, so no mask is needed.
    tokens = [row.tokens + [0] * many for row, many in zip(rows, padding, strict=True)]
    return {"input_ids": torch.tensor(tokens), "labels": torch.tensor(labels)}
