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
