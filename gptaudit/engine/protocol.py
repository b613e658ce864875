"""How requests get their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gptaudit.backends.protocol import Backend
from gptaudit.records import Answer, Request

Engine: TypeAlias = Callable[[Backend, Sequence[Request], int], Iterator[tuple[Request, Answer]]]
"""Called with a backend, distinct requests and the run's seed; yields each request once with its answer,
in any order, as soon as it has it. A backend that fails is a `Failure`, never an exception."""


@dataclass(frozen=True, slots=True)
class EngineType:
    """An engine, chosen by `--engine NAME`."""

    name: str
    title: str
    run: Engine
