"""The model of a finished audit, as its results describe it: a backend that can be asked nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from gptaudit.errors import BackendLostError
from gptaudit.records import (
    AttributeRequest,
    AuditResult,
    GenerateRequest,
    PlantedFlaw,
    Request,
    ScoreRequest,
)
from gptaudit.run.selection import OWN_SAMPLING


@dataclass(slots=True)
class AbsentModel:
    """A `Backend` whose properties are known, and whose answers are in the evidence or nowhere."""

    fingerprint: str
    verified: bool
    capabilities: frozenset[str]
    samples_as_asked: bool
    parameters: int | None
    planted: tuple[PlantedFlaw, ...]
    details: Mapping[str, Any]

    @classmethod
    def of(cls, result: AuditResult) -> Self:
        """Return the model that was audited."""
        target = result.target
        return cls(
            target.fingerprint,
            target.verified,
            frozenset(target.capabilities),
            not any(OWN_SAMPLING.items() <= probe.method.items() for probe in result.probes),
            target.parameters,
            target.planted,
            target.details,
        )

    def score(self, requests: Sequence[ScoreRequest]) -> NoReturn:
        """Refuse."""
        self._refuse(requests)

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> NoReturn:  # noqa: ARG002 - as the protocol has it
        """Refuse."""
        self._refuse(requests)

    def attribute(self, requests: Sequence[AttributeRequest]) -> NoReturn:
        """Refuse."""
        self._refuse(requests)

    def _refuse(self, requests: Sequence[Request]) -> NoReturn:
        msg = f"the model is not here, and {len(requests)} requests were put to it"
        raise BackendLostError(msg)
