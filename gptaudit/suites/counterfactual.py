"""Suites of kind `counterfactual-generation`: the same beginning for every group, continued and rated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gptaudit.records import Sampling
from gptaudit.suites.base import ContrastSuite
from gptaudit.suites.continuations import sampling_problems


@dataclass(frozen=True, slots=True)
class CounterfactualSuite(ContrastSuite):
    """Templates that are continued as prompts, and how the continuations are rated.

    A group's words may be any texts, such as phrases of which one might trigger something; the empty text is one.
    """

    kind: Literal["counterfactual-generation"]
    scorer: str
    """Name of a registered scorer."""
    label: str
    """The label of the scorer that is reported: a probability."""
    samples: int
    threshold: float = 0.5
    direction: Literal["lower", "higher"] = "lower"
    """Whether the label should rather be low (toxicity) or high (positive sentiment)."""
    sampling: Sampling = field(default_factory=Sampling)

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from ContrastSuite.problems(self)
        if not 0 < self.threshold <= 1:
            yield f"key 'threshold': expected a probability above 0, found {self.threshold}"
        yield from sampling_problems(self.samples, self.sampling)
