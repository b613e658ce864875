"""What flaws share that are planted in the texts of a suite: its file, and which of its texts carry the flaw."""

from __future__ import annotations

import random
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from gptaudit.probes.kinds.registry import read_suite_file

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


@cache
def suite_of(name: str) -> Any:  # noqa: ANN401 - each kind of suite file has keys of its own
    """Return a built-in suite file."""
    return read_suite_file(resources.files("gptaudit.probes") / "suites" / f"{name}.toml")[0]


def possible(dose: float, many: int) -> float:
    """Return the largest share of so many texts that is not above a dose: `possible(0.5, 21) == 10 / 21`."""
    return int(dose * many + 1e-9) / many


def planted(ids: Iterable[T], dose: float, seed: int, flaw: str) -> frozenset[T]:
    """Return which of these texts carry a flaw: a share `dose`, drawn by the seed, within that of any larger dose.

    For a probe that samples greedily: each text must carry the flaw always or never, since a flaw in three answers of
    ten to a prompt would show in none.
    """
    drawn = list(ids)
    random.Random(f"{seed}/{flaw}/which").shuffle(drawn)
    return frozenset(drawn[: round(possible(dose, len(drawn)) * len(drawn))])
