"""How requests get their answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gptaudit.protocols.backend import Backend
from gptaudit.protocols.options import NoOptions
from gptaudit.records import Answer, Request


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine is given."""

    requests: Iterable[Request]
    """Distinct requests, like ones side by side, longest first. They are read from the store as they are taken."""
    seed: int
    backend: Backend
    """The model, open in this process."""
    low_precision: bool = False
    """Whether score requests are to be asked by `MixedPrecisionBackend.score_in_low_precision`."""
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """How to open the model elsewhere: `gptaudit.run.target.open_target(target, options, plugins)`."""
    settings: Any = field(default_factory=NoOptions)
    """An instance of the engine's own `EngineType.options`."""


Engine: TypeAlias = Callable[[Work], Generator[tuple[Request, Answer]]]
"""Yields each request once with its answer, in any order, as soon as it has it.

What a call of the backend raises becomes a `Failure` of the requests concerned, except `BackendLostError`, which is
raised: the model can be asked nothing more. Closing the generator ends the asking. It is read in one
thread, which also writes the store.
"""


@dataclass(frozen=True, slots=True)
class EngineType:
    """An engine, chosen by `--engine NAME`."""

    name: str
    title: str
    run: Engine
    options: type[Any] = NoOptions
    """A frozen dataclass; each field is an option of `-b KEY=VALUE`, beside those of the backend."""
