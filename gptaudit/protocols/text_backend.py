"""What the backends share that only write text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptaudit.records import AttributeRequest, Attribution, Failure, Likelihood, PlantedFlaw, ScoreRequest


class TextBackend:
    """The part that backends share which only write text: they neither score nor attribute."""

    verified = False
    samples_as_asked = False
    capabilities = frozenset({"generate"})
    parameters: int | None = None
    planted: tuple[PlantedFlaw, ...] = ()
    details: Mapping[str, Any] = {}

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Raise: the capability is not declared."""
        raise _never(requests)

    def attribute(self, requests: Sequence[AttributeRequest]) -> list[Attribution | Failure]:
        """Raise: the capability is not declared."""
        raise _never(requests)


def _never(requests: Sequence[object]) -> RuntimeError:
    return RuntimeError(f"{len(requests)} requests need a capability that this backend does not declare")
