"""Check that servers which share the work serve the same model, and what all of them can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gptaudit.errors import TargetError
from gptaudit.remote.probing import Abilities


def common_abilities(found: Mapping[str, Abilities]) -> Abilities:
    """Return what all servers can do, given by their URLs; raise `TargetError` if two answer differently."""
    first, *others = found
    for other in others:
        _require_same(first, found[first], other, found[other])
    every = list(found.values())
    return replace(
        every[0],
        manner=replace(
            every[0].manner,
            refused=frozenset().union(*(one.manner.refused for one in every)),
            own=frozenset().union(*(one.manner.own for one in every)),
        ),
        scores=all(one.scores for one in every),
        greedy=tuple(dict.fromkeys(text for one in every for text in one.greedy)),
        shows=min(one.shows for one in every),
        heeded=frozenset.intersection(*(one.heeded for one in every)),
        findings={name: _finding(name, found) for name in every[0].findings},
    )


def _require_same(url: str, abilities: Abilities, other_url: str, others: Abilities) -> None:
    for what, here, there in (
        ("the greedy completion of the same prompt", abilities.greedy[0], others.greedy[0]),
        (
            "the model that the answer names",
            abilities.findings["answered_as"],
            others.findings["answered_as"],
        ),
        ("the endpoint", abilities.manner.api, others.manner.api),
        ("the field that limits an answer", abilities.manner.limit, others.manner.limit),
    ):
        if here != there:
            msg = f"{url} and {other_url}: expected the same model behind both, but {what} differs: "
            raise TargetError(f"{msg}{here!r} and {there!r}. Leave one of them out of base_url")


def _finding(name: str, found: Mapping[str, Abilities]) -> Any:  # noqa: ANN401 - JSON
    """Return what was found at every server; where that differs, each server's finding by its URL."""
    findings = {url: abilities.findings.get(name) for url, abilities in found.items()}
    first, *others = findings.values()
    return first if all(other == first for other in others) else findings
