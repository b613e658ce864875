"""Base class of backends that only generate text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptaudit.records import AttributeRequest, Attribution, Failure, Likelihood, PlantedFlaw, ScoreRequest


CHAT_CAPABILITIES = frozenset({"generate", "chat"})
"""Without likelihoods and gradients: they belong to the given text, which a chat template would change."""


class TextBackend:
    """Base class of backends that only generate text: they neither score nor attribute."""

    verified = False
    samples_as_asked = False
    capabilities: frozenset[str] = frozenset({"generate"})
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
