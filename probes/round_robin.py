"""Round-robin order of the cases of many groups, so that `--limit` takes equally many of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def interleaved(groups: Iterable[Iterable[T]]) -> Iterator[T]:
    """Yield the first of each group, then the second of each that has one, and so on.

    >>> list(interleaved(["ab", "c", "def"]))
    ['a', 'c', 'd', 'b', 'e', 'f']
    """
    waiting = [iter(group) for group in groups]
    while waiting:
        still = []
        for group in waiting:
            for item in group:
                yield item
                still.append(group)
                break
        waiting = still
