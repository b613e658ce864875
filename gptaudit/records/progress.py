"""What is told about the work while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Step:
    """How far a task is."""

    task: str
    done: int
    total: int
    cached: int = 0
    """How much of `done` was there before."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Requests without an answer, by reason."""
    note: str = ""
    """What else there is to say: `loss 1.234`."""


Progress: TypeAlias = Callable[[Step], None]
"""Called after each step; it must return quickly."""


def silent(step: Step) -> None:
    """Tell nobody."""
