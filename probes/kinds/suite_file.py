"""Shared base of all kinds of suite files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gptaudit.probe import Sees

STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class SuiteFile(ABC):
    """Keys of every suite file."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    named_suites: ClassVar[Mapping[str, str]] = {}
    """The keys that name another suite file, with the kind it has to be of."""

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
        """Return the ids of the cases, in order."""

    @abstractmethod
    def problems(self) -> Iterator[str]:
        """Yield the reasons why the file is invalid.

        Later checks assume that earlier ones passed, so only the first problem is reliable.
        """


@dataclass(frozen=True, slots=True)
class Template:
    """A text with slots, which `gptaudit.probes.kinds.words` defines."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    slices: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Axis -> group, in addition to the suite file's own axis: `{ domain = "lending" }`."""
