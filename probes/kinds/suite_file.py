"""What suite files of all kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gptaudit.probe import Sees

STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class SuiteFile(ABC):
    """What every suite file says of itself."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    schema: Literal["gptaudit.suite/1"]
    id: str
    version: str
    suite: str
    title: str
    goal: str
    language: str
    licence: str
    source: str
    sees: tuple[Sees, ...] = field(default=(), kw_only=True)

    @abstractmethod
    def case_ids(self) -> list[str]:
        """Name the cases in their order."""

    @abstractmethod
    def problems(self) -> Iterator[str]:
        """Say what keeps the suite from being used; each thing is looked for only when those before it are in order."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with slots; `gptaudit.probes.kinds.words` says what a slot is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    slices: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Axis -> group, beside the suite's own axis: `{ domain = "lending" }`."""
