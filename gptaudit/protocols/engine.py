"""Interface of engines, which send requests to the model and collect the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gptaudit.protocols.backend import Backend
from gptaudit.protocols.options import NoOptions
from gptaudit.records import Answer, Request


@dataclass(frozen=True, slots=True)
class Work:
    """The input of an engine."""

    requests: Iterable[Request]
    """Distinct requests, ordered as `gptaudit.evidence.plan` describes; read from the store as they are taken."""
    seed: int
    backend: Backend
    """The model, open in this process."""
    low_precision: bool = False
    """Whether to answer score requests with `MixedPrecisionBackend.score_in_low_precision`."""
    target: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the backend. `gptaudit.run.target.open_target(target, options, plugins)` opens the model elsewhere."""
    settings: Any = field(default_factory=NoOptions)
    """An instance of the engine's own `EngineType.options`."""


Engine: TypeAlias = Callable[[Work], Generator[tuple[Request, Answer]]]
"""Generator function that yields each request once with its answer, in any order, as soon as it has it.

A `BackendError` becomes a `Failure` of the requests concerned, except `BackendLostError`, which is raised: the model
can no longer be asked anything. Closing the generator stops the engine. It is read in one thread, which also writes the
store.
"""


@dataclass(frozen=True, slots=True)
class EngineType:
    """An engine, chosen by `--engine NAME`."""

    name: str
    title: str
    run: Engine
    options: type[Any] = NoOptions
    """A frozen dataclass; each field is an option of `-b KEY=VALUE`, in addition to those of the backend."""
