"""Sampling of completions: a prompt is read once for all its samples, and a finished row frees its place at once."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from gptaudit.causal_lm.decoding_rows import (
    CachedRows,
    Forward,
    RereadRows,
    Rows,
    compacted,
    keys_can_be_kept,
)
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.causal_lm.memory import OUT_OF_MEMORY, TokenBudget, empty_cache, is_out_of_memory
from gptaudit.causal_lm.sampling import choose, noise_source
from gptaudit.records import NOT_FINITE, Completion, Failure, Sampling

ROWS = 80
"""Most rows extended together on a CPU, where more are not faster; on other devices only the budget limits them."""

REFILL = 8
"""New rows start when 1/8 of the places is free: reading few prompts at a time is slow, and so are few rows."""

KEPT = 8
"""Cached tokens for each token of the budget; a token that is being computed takes more memory."""

DECIMALS = 5
"""Decimals of a stored log-probability: further ones are float32 noise, and every token has one."""

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""Decoders write this for bytes that form no character, such as the first bytes of a longer character."""

MARGIN = 4
"""Tokens decoded before those that may contain a stop string: some decoders depend on preceding tokens."""


Watch: TypeAlias = Callable[[str, bool], None]
"""Called after each token with the part of the text that no later token changes, and whether the text is complete.

If memory runs out, the text begins again and becomes the same."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A completion to draw: its prompt, and the 128-bit seed that alone determines its randomness.

    `room` is how many tokens the model can read after the prompt.
    """

    prompt: tuple[int, ...]
    noise_seed: int
    watch: Watch | None = None
    room: int = sys.maxsize


@dataclass(slots=True, eq=False)
class _Row:
    """A completion that is being drawn."""

    draw: Draw
    noise: np.random.Generator = field(init=False)
    tokens: list[int] = field(init=False)
    logprobs: list[float] = field(init=False)
    finish: Literal["stop", "length", "not-finite", "out-of-memory"] | None = None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin, or begin again with the same noise."""
        self.noise = noise_source(self.draw.noise_seed)
        self.tokens, self.logprobs = [], []


@dataclass(slots=True, eq=False)
class _Prompt:
    """A prompt that was read, and its rows that have not started yet."""

    number: int
    read: Any
    logits: Tensor
    waiting: list[_Row]


class TextGenerator:
    """Draws completions from one model."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - any causal language model of transformers
        encoder: Encoder,
        stop_tokens: frozenset[int],
        budget: TokenBudget,
    ) -> None:
        self.encoder = encoder
        self.stop_tokens = stop_tokens
        self.budget = budget
        self.keeps_keys = keys_can_be_kept(model)
        """Whether keys and values are cached, so that a step reads one token per row and not the whole row."""
        self._forward = Forward(model)
        self.on_cpu = self._forward.device.type == "cpu"

    def rows(self, count: int, longest: int) -> Rows:
        """Return an empty batch with places for `count` rows of at most `longest` tokens."""
        if self.keeps_keys:
            return CachedRows(self._forward, count, longest)
        return RereadRows(self._forward, self.budget.tokens)

    @torch.inference_mode()
    def complete(self, draws: Sequence[Draw], sampling: Sampling) -> list[Completion | Failure]:
        """Return one completion for each draw, up to the end token, a stop string or `max_new_tokens`."""
        rows = [_Row(draw) for draw in draws]
        if rows and sampling.max_new_tokens > 0:
            _Run(self, sampling, rows).run()
        return [self._answer(row, sampling.stop) for row in rows]

    def text(self, row: _Row, stop: Sequence[str]) -> tuple[str, bool]:
        """Return the text of a row up to the first stop string, and whether there is one."""
        text = self.encoder.decode_continuation(row.draw.prompt, row.tokens)
        ends = [text.index(end) for end in stop if end in text]
        return text[: min(ends, default=len(text))], bool(ends)

    def settled(self, row: _Row, stop: Sequence[str]) -> str:
        """Return the text that no later token changes: without an incomplete character or stop string at its end."""
        text, _ = self.text(row, stop)
        if row.finish is not None:
            return text
        text = text.rstrip(UNFINISHED)
        return text[: len(text) - max((len(end) - 1 for end in stop), default=0)]

    def _answer(self, row: _Row, stop: Sequence[str]) -> Completion | Failure:
        if row.finish == "not-finite":
            return NOT_FINITE
        if row.finish == "out-of-memory":
            return OUT_OF_MEMORY
        text, stopped = self.text(row, stop)
        return Completion(
            text,
            "stop" if stopped or row.finish == "stop" else "length",
            len(row.tokens),
            len(row.draw.prompt),
            tuple(row.logprobs),
        )


class _Run:
    """One call of `TextGenerator.complete`: rows with the same sampling settings."""

    def __init__(self, generator: TextGenerator, sampling: Sampling, rows: Sequence[_Row]) -> None:
        self._generator = generator
        self._sampling = sampling
        self._tail = MARGIN + max((len(stop.encode()) for stop in sampling.stop), default=0)
        self._all = sorted(rows, key=lambda row: -len(row.draw.prompt))
        self._begin()

    def run(self) -> None:
        """Draw until every row is finished; if memory runs out, restart the others, half as many at a time."""
        while self._growing or self._prompts or self._waiting:
            try:
                self._admit()
                self._grow()
                continue
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Not inside the handler: its traceback keeps the tensors of the failed step in memory.
            self._shrink()

    def _begin(self, most: int | None = None) -> None:
        """Queue all unfinished rows, grouped by prompt, longest prompts first; at most `most` run together."""
        if most is None:
            most = ROWS if self._generator.on_cpu else len(self._all)
        prompts: dict[tuple[int, ...], list[_Row]] = {}
        for row in self._all:
            if row.finish is None:
                prompts.setdefault(row.draw.prompt, []).append(row)
        self._waiting = deque(prompts.items())
        self._prompts: deque[_Prompt] = deque()
        self._growing: list[_Row] = []
        unfinished = (row.draw for row in self._all if row.finish is None)
        self._longest = max((len(draw.prompt) + self._most(draw) for draw in unfinished), default=1)
        kept = KEPT * self._generator.budget.tokens
        self._places = max(1, min(most, len(self._all), kept // self._longest))
        self._rows = self._generator.rows(self._places, self._longest)

    def _shrink(self) -> None:
        for row in self._all:
            if row.finish is None:
                row.restart()
        if self._places > 1:
            self._generator.budget.shrink(self._places * self._longest // KEPT)
            self._begin(self._places // 2)
        else:
            empty_cache()
            next(row for row in self._all if row.finish is None).finish = "out-of-memory"
            self._begin()

    def _admit(self) -> None:
        """Start waiting rows if enough places are free."""
        room = self._places - len(self._growing)
        if self._growing and room * REFILL < self._places:
            return
        begun: list[tuple[_Prompt, list[_Row]]] = []
        while room and (self._prompts or self._waiting):
            if not self._prompts:
                self._read(room)
            prompt = self._prompts[0]
            rows, prompt.waiting = prompt.waiting[:room], prompt.waiting[room:]
            if not prompt.waiting:
                self._prompts.popleft()
            begun.append((prompt, rows))
            room -= len(rows)
        if not begun:
            return
        logits = torch.cat([prompt.logits.expand(len(rows), -1) for prompt, rows in begun])
        self._extend([row for _, rows in begun for row in rows], logits)
        for prompt, rows in begun:
            growing = [row for row in rows if row.finish is None]
            if growing:
                self._rows.join(prompt.read, prompt.number, len(growing))
                self._growing += growing

    def _read(self, room: int) -> None:
        """Read the next prompts: as many as the free places and the budget allow, at least one."""
        prompts = [self._waiting.popleft()]
        while (
            self._waiting
            and sum(len(rows) for _, rows in prompts) < room
            and (len(prompts) + 1) * len(prompts[0][0]) <= self._generator.budget.tokens
        ):
            prompts.append(self._waiting.popleft())
        logits, read = self._rows.read([prompt for prompt, _ in prompts])
        for number, (_, rows) in enumerate(prompts):
            self._prompts.append(_Prompt(number, read, logits[number], rows))

    def _grow(self) -> None:
        """Draw a token for every growing row, and remove the finished rows."""
        if not self._growing:
            return
        self._extend(self._growing, self._rows.step([row.tokens[-1] for row in self._growing]))
        kept = [place for place, row in enumerate(self._growing) if row.finish is None]
        if len(kept) < len(self._growing):
            order = compacted(kept)
            self._rows.keep(order)
            self._growing = [self._growing[place] for place in order]

    def _extend(self, rows: Sequence[_Row], logits: Tensor) -> None:
        tokens, logprobs = choose(logits, self._sampling, [row.noise for row in rows])
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            if not isfinite(logprob):
                row.finish = "not-finite"
            elif token in self._generator.stop_tokens:
                row.finish = "stop"
            else:
                row.tokens.append(token)
                row.logprobs.append(round(logprob, DECIMALS))
                row.finish = self._finish(row)
            if row.draw.watch is not None and row.finish != "not-finite":
                settled = self._generator.settled(row, self._sampling.stop)
                row.draw.watch(settled, row.finish is not None)

    def _finish(self, row: _Row) -> Literal["stop", "length"] | None:
        """Return why a row is finished, or None; the whole text is decoded only if its end has a stop string."""
        if self._sampling.stop:
            last = [*row.draw.prompt[-MARGIN:], *row.tokens][-self._tail :]
            text = self._generator.encoder.decode(last)
            likely = any(stop in text for stop in self._sampling.stop)
            if likely and self._generator.text(row, self._sampling.stop)[1]:
                return "stop"
        return "length" if len(row.tokens) == self._most(row.draw) else None

    def _most(self, draw: Draw) -> int:
        return min(self._sampling.max_new_tokens, draw.room)
