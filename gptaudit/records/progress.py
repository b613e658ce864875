"""Progress of long tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of one task."""

    task: str
    done: int
    total: int
    """0 while nobody knows."""
    cached: int = 0
    """How much of `done` comes from earlier runs."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Requests without an answer, by reason."""
    note: str = ""
    """Further information, such as `loss 1.234`."""
    left: float | None = None
    """Seconds left, where they are known better than from `done` and `total`."""
    part: bool = False
    """Whether it is a part of a larger task that has steps of its own."""


Progress: TypeAlias = Callable[[Step], None]
"""Called after each step; it must return quickly."""


def silent(step: Step) -> None:
    """Ignore the step."""
