"""Conclusions from the answers to the first requests: sampling fields that a server applies, models it lists."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final, TypeAlias

from gptaudit.remote.faults import RequestFault
from gptaudit.remote.wire import cut

STABLE: Final = (
    "id",
    "root",
    "parent",
    "owned_by",
    "max_model_len",
    "context_length",
    "context_window",
    "meta",
)
"""Fields of a model's entry in `/models` that describe the model. Times and permissions change from call to call."""

Texts: TypeAlias = list[str] | RequestFault


@dataclass(frozen=True, slots=True)
class SampledTexts:
    """Completions of one prompt with different sampling settings."""

    greedy: str
    stop: tuple[str, ...]
    """A piece from the middle of `greedy`; empty if that is too short."""
    first: Texts
    again: Texts
    """As `first`, with the same seed."""
    other: Texts
    """As `first`, with another seed."""
    top_k: Texts
    """At a high temperature with `top_k` 1: equal to greedy decoding if the server applies it."""
    top_p: Texts
    """At a high temperature with a tiny `top_p`: likewise."""
    repeated: Texts
    """Greedy decoding with another seed, and with `stop`."""

    def findings(self, refused: frozenset[str]) -> dict[str, str]:
        """Return for each field whether the server was seen to apply it: heeded, ignored, refused or unknown."""
        found = {
            "temperature": self._temperature(),
            "seed": self._seed(),
            "top_k": self._as_greedy(self.top_k),
            "top_p": self._as_greedy(self.top_p),
            "stop": self._stop(),
        }
        return {name: "refused" if name in refused else finding for name, finding in found.items()}

    def _varies(self) -> bool:
        return len({text for texts in (self.first, self.again, self.other) for text in _known(texts)}) > 1

    def _temperature(self) -> str:
        """Return the finding: a server that applies it gives equal texts at 0 and different ones at 2."""
        if isinstance(self.repeated, RequestFault) or not (_known(self.first) and _known(self.other)):
            return "unknown"
        repeats = self.repeated[0] in {self.greedy, cut(self.greedy, self.stop)}
        return "heeded" if repeats and self._varies() else "ignored"

    def _seed(self) -> str:
        if isinstance(self.first, RequestFault) or isinstance(self.again, RequestFault) or not self._varies():
            return "unknown"
        return "heeded" if self.first == self.again else "ignored"

    def _as_greedy(self, texts: Texts) -> str:
        if isinstance(texts, RequestFault):
            return "refused" if texts.reason == "refused-by-server" else "unknown"
        if not self._varies() or not self.greedy:
            return "unknown"
        # Not every server repeats a text exactly; but at a high temperature, half of it would never be equal by chance.
        shared = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(texts[0], self.greedy, strict=False))
        )
        return "heeded" if 2 * shared >= len(self.greedy) else "ignored"

    def _stop(self) -> str:
        if isinstance(self.repeated, RequestFault) or not self.stop:
            return "unknown"
        return "heeded" if self.repeated == [cut(self.greedy, self.stop)] else "ignored"


def ids_of(listed: Any) -> list[str]:  # noqa: ANN401 - JSON or a fault
    """Return the names of the models in the body of `/models`; none if it has another form."""
    return [str(entry["id"]) for entry in _entries(listed)]


def entry_of(listed: Any, model: str) -> dict[str, Any]:  # noqa: ANN401
    """Return the lasting fields of one model's entry in the body of `/models`."""
    found = next((entry for entry in _entries(listed) if entry["id"] == model), {})
    return {name: found[name] for name in STABLE if name in found}


def _entries(listed: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]


def _known(texts: Texts) -> list[str]:
    return [] if isinstance(texts, RequestFault) else texts
