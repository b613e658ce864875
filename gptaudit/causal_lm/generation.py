"""Continuous batching: a prompt is read once for all its samples, and a finished row frees its place at once."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil, isfinite
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

FIRST_ROWS = 8
"""Most rows of a stream until the first one ends: steps of few rows are short, so its first answers come early."""

AHEAD = 128
"""Rows that wait for a place: the longest of them start together, so that reading them needs little padding."""

REFILL = 8
"""New rows start when 1/8 of the places is free: reading few prompts at a time is slow, and so are few rows."""

COLUMNS = 64
"""The batch is fitted to its longest row in steps of so many tokens, since its rows are then copied."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """A completion to draw: its prompt, and the 128-bit seed that alone determines its randomness.

    `room` is how many tokens the model can read after the prompt.
    """

    prompt: tuple[int, ...]
    noise_seed: int
    sampling: Sampling
    watch: Watch | None = None
    room: int = sys.maxsize

    @property
    def most(self) -> int:
        """Most tokens to draw."""
        return min(self.sampling.max_new_tokens, self.room)

    @property
    def longest(self) -> int:
        """Most tokens of the prompt and the completion."""
        return len(self.prompt) + self.most


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
        if self.draw.most == 0:
            self.finish = "length"

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

    def empty_rows(self) -> Rows:
        """Return a batch without rows."""
        return CachedRows(self._forward) if self.keeps_keys else RereadRows(self._forward, self.budget.tokens)

    def complete(self, draws: Sequence[Draw]) -> list[Completion | Failure]:
        """Return one completion for each draw, up to the end token, a stop string or `max_new_tokens`."""
        longest_first = sorted(draws, key=lambda draw: (-len(draw.prompt), draw.prompt))
        answers = dict(self.stream(longest_first, first_rows=sys.maxsize))
        return [answers[draw] for draw in draws]

    @torch.inference_mode()
    def stream(
        self, draws: Iterable[Draw], *, first_rows: int = FIRST_ROWS
    ) -> Iterator[tuple[Draw, Completion | Failure]]:
        """Yield each draw with its completion as soon as that ends; draws are taken as places become free.

        Draws of the same prompt should follow each other: the prompt is then read once. At most `first_rows` rows grow
        until the first one ends.
        """
        for row in _Run(self, draws, first_rows).finished():
            yield row.draw, self._answer(row)

    def text(self, row: _Row) -> tuple[str, bool]:
        """Return the text of a row up to the first stop string, and whether there is one."""
        text = self.encoder.decode_continuation(row.draw.prompt, row.tokens)
        ends = [text.index(end) for end in row.draw.sampling.stop if end in text]
        return text[: min(ends, default=len(text))], bool(ends)

    def settled(self, row: _Row) -> str:
        """Return the text that no later token changes: without an incomplete character or stop string at its end."""
        text, _ = self.text(row)
        if row.finish is not None:
            return text
        text = text.rstrip(UNFINISHED)
        return text[: len(text) - max((len(end) - 1 for end in row.draw.sampling.stop), default=0)]

    def finish(self, row: _Row) -> Literal["stop", "length"] | None:
        """Return why a row is finished, or None; the whole text is decoded only if its end has a stop string."""
        stops = row.draw.sampling.stop
        if stops:
            tail = MARGIN + max(len(stop.encode()) for stop in stops)
            text = self.encoder.decode([*row.draw.prompt[-MARGIN:], *row.tokens][-tail:])
            if any(stop in text for stop in stops) and self.text(row)[1]:
                return "stop"
        return "length" if len(row.tokens) == row.draw.most else None

    def _answer(self, row: _Row) -> Completion | Failure:
        if row.finish == "not-finite":
            return NOT_FINITE
        if row.finish == "out-of-memory":
            return OUT_OF_MEMORY
        text, stopped = self.text(row)
        return Completion(
            text,
            "stop" if stopped or row.finish == "stop" else "length",
            len(row.tokens),
            len(row.draw.prompt),
            tuple(row.logprobs),
        )


class _Run:
    """The rows of one call of `TextGenerator.stream`."""

    def __init__(self, generator: TextGenerator, draws: Iterable[Draw], first_rows: int) -> None:
        self._generator = generator
        self._draws = iter(draws)
        self._next = next(self._draws, None)
        self._unfinished: list[_Row] = []
        self._most_later = ROWS if generator.on_cpu else sys.maxsize
        self._most = min(first_rows, self._most_later)
        self._begin()

    def finished(self) -> Iterator[_Row]:
        """Yield rows as they end; if memory runs out, the others start again, half as many at a time."""
        while self._next is not None or self._unfinished:
            self._take()
            try:
                self._admit()
                self._grow()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                crowded = True
            else:
                crowded = False
            # Not inside the handler: its traceback keeps the tensors of the failed step in memory.
            if crowded:
                self._shrink()
            ended = [row for row in self._unfinished if row.finish is not None]
            if ended:
                self._most = self._most_later
                self._unfinished = [row for row in self._unfinished if row.finish is None]
                yield from ended

    def _begin(self) -> None:
        """Put all unfinished rows back to those that wait."""
        self._waiting: dict[tuple[int, ...], list[_Row]] = {}
        for row in self._unfinished:
            if row.finish is None:
                self._waiting.setdefault(row.draw.prompt, []).append(row)
        self._prompts: deque[_Prompt] = deque()
        self._growing: list[_Row] = []
        self._places = self._longest = 0
        self._rows = self._generator.empty_rows()

    def _take(self) -> None:
        """Take draws until enough rows wait, and all that have the prompt of the last one."""
        last = None
        while self._next is not None and (self._waiting_rows < AHEAD or self._next.prompt == last):
            row, last = _Row(self._next), self._next.prompt
            self._unfinished.append(row)
            if row.finish is None:
                self._waiting.setdefault(last, []).append(row)
            self._next = next(self._draws, None)

    @property
    def _waiting_rows(self) -> int:
        return len(self._unfinished) - len(self._growing)

    def _shrink(self) -> None:
        for row in self._unfinished:
            if row.finish is None:
                row.restart()
        if self._places > 1:
            self._generator.budget.shrink(self._places * self._longest // KEPT)
            self._most = self._most_later = self._places // 2
        else:
            empty_cache()
            next(row for row in self._unfinished if row.finish is None).finish = "out-of-memory"
        self._begin()

    def _admit(self) -> None:
        """Start waiting rows if enough places are free."""
        room = self._places - len(self._growing)
        if not (self._prompts or self._waiting) or (self._growing and room * REFILL < self._places):
            return
        room = self._free_places()
        begun: list[tuple[_Prompt, list[_Row]]] = []
        while room > 0 and (self._prompts or self._waiting):
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

    def _free_places(self) -> int:
        """Fit the batch to the rows that grow and wait; return how many more rows may grow."""
        longest = ceil(max(row.draw.longest for row in self._unfinished) / COLUMNS) * COLUMNS
        if longest > self._longest or 2 * longest <= self._longest:
            self._longest = longest
        kept = KEPT * self._generator.budget.tokens
        self._places = max(1, min(self._most, len(self._unfinished), kept // self._longest))
        self._rows.fit(max(self._places, len(self._growing)), self._longest)
        return self._places - len(self._growing)

    def _read(self, room: int) -> None:
        """Read the longest prompts: as many as the free places and the budget allow, at least one."""
        longest = sorted(self._waiting, key=len, reverse=True)
        most = max(1, self._generator.budget.tokens // len(longest[0]))
        rows = accumulate(len(self._waiting[prompt]) for prompt in longest)
        count = min(most, 1 + sum(1 for so_far in rows if so_far < room))
        prompts = longest[:count]
        logits, read = self._rows.read(prompts)
        for number, prompt in enumerate(prompts):
            self._prompts.append(_Prompt(number, read, logits[number], self._waiting.pop(prompt)))

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
        """Draw the next token of each row."""
        alike: dict[tuple[float, int, float], list[int]] = {}
        for place, row in enumerate(rows):
            sampling = row.draw.sampling
            alike.setdefault((sampling.temperature, sampling.top_k, sampling.top_p), []).append(place)
        for places in alike.values():
            self._draw([rows[place] for place in places], logits if len(alike) == 1 else logits[places])

    def _draw(self, rows: Sequence[_Row], logits: Tensor) -> None:
        tokens, logprobs = choose(logits, rows[0].draw.sampling, [row.noise for row in rows])
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            if not isfinite(logprob):
                row.finish = "not-finite"
            elif token in self._generator.stop_tokens:
                row.finish = "stop"
            else:
                row.tokens.append(token)
                row.logprobs.append(round(logprob, DECIMALS))
                row.finish = self._generator.finish(row)
            if row.draw.watch is not None and row.finish != "not-finite":
                row.draw.watch(self._generator.settled(row), row.finish is not None)
