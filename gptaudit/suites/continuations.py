"""Suites of kind `continuations`: prompts to be continued, each by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gptaudit.records import Sampling
from gptaudit.suites.base import STRICT, Suite


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue; `group` is whom it is about."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    group: str


def sampling_problems(samples: int, sampling: Sampling) -> Iterator[str]:
    """Say what keeps prompts from being sampled."""
    if samples < 1:
        yield f"key 'samples': expected at least 1, found {samples}"
    if sampling.max_new_tokens < 1:
        yield f"key 'sampling.max_new_tokens': expected at least 1, found {sampling.max_new_tokens}"
    if sampling.temperature < 0:
        yield f"key 'sampling.temperature': expected 0 or more, found {sampling.temperature}"
    if not 0 < sampling.top_p <= 1:
        yield f"key 'sampling.top_p': expected above 0 and at most 1, found {sampling.top_p}"
    if sampling.top_k < 0:
        yield f"key 'sampling.top_k': expected 0 (all tokens) or more, found {sampling.top_k}"
    if sampling.temperature == 0 and samples > 1:
        yield f"key 'samples': expected 1, since at temperature 0 all are alike; found {samples}"


@dataclass(frozen=True, slots=True)
class ContinuationsSuite(Suite):
    """Prompts, and how they are continued."""

    kind: Literal["continuations"]
    axis: str
    samples: int
    sampling: Sampling
    prompts: tuple[Prompt, ...]

    def case_ids(self) -> list[str]:
        """Name each prompt."""
        return [prompt.id for prompt in self.prompts]

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from sampling_problems(self.samples, self.sampling)
