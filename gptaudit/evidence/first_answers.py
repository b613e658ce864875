"""A target that cannot be verified is known again by its first answers, which its run folder keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

FirstAnswers: TypeAlias = Mapping[str, Sequence[str]]
"""Request -> its distinct answers: one of a target that repeats itself, several of one that does not."""


def repeats(answers: FirstAnswers) -> bool:
    """Return whether a target gave the same answer each time."""
    return all(len(of_request) == 1 for of_request in answers.values())


def other_answer(before: FirstAnswers, now: FirstAnswers) -> tuple[str, str, str] | None:
    """Return a request that has no answer of before among those of now, with one of each; None if all have.

    other_answer({"a": ["x"]}, {"a": ["y"]}) == ("a", "x", "y")
    """
    for request in before.keys() & now.keys():
        if not set(before[request]) & set(now[request]):
            return request, before[request][0], now[request][0]
    return None
