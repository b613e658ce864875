"""Interface of attacks, which put a request so that a model may comply that refuses it when it is asked plainly.

    Attack("shouting", "Writes the request in capitals.", lambda request, draw: request.upper())

Plugins register their own with the hook `gptaudit_register_attacks`; `--attack NAME` tries one on every probe that has
a `Probe.attack_success`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from gptaudit.records import Prompt

if TYPE_CHECKING:
    from gptaudit.probe import Sees

Begin: TypeAlias = Callable[[str, Random], Prompt]
"""Returns the prompt that puts a request: a text, or messages of which the last is the user's.

It must depend on its arguments alone; what is random comes from the second one, which is seeded for every prompt.
"""
GoOn: TypeAlias = Callable[[str, Sequence[str]], str | None]
"""Returns the user's next message, given the request and the model's answers so far; None at the end.

It must depend on its arguments alone, so that a resumed audit comes to the same conversation.
"""


def every_request(request: str) -> bool:  # noqa: ARG001 - it is for attacks that can put all of them
    """Return True: the attack has a way to put any request."""
    return True


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to put a request; the answer to the last message is what counts."""

    name: str
    title: str
    """One sentence: what it does."""
    begin: Begin
    paper: str = ""
    """Where it was published: authors and year."""
    version: str = "1"
    """Another one for other wording: results of two versions are not compared."""
    turns: int = 1
    """Messages of the user at most that the model answers; `go_on` gives those after the first."""
    go_on: GoOn | None = None
    asks_from: int = 1
    """The first turn that asks for what the request asks for; from there on, answers are measured by turn."""
    fits: Callable[[str], bool] = every_request
    """Whether it has a way to put a request: a code for Latin letters has none for Chinese.

    Cases with a request that does not fit are left out of the probe under attack.
    """
    translates: bool = False
    """Whether it says the request itself, in another language: answers are then rated beside what it says, and not
    beside the plain request.
    """
    draws: int = 1
    """How often each request is tried at least, with other randomness each time: best of n (Hughes et al. 2024)."""
    needs: frozenset[str] = frozenset({"generate", "chat"})
    """Capabilities that the backend must have, of those in `gptaudit.probe.CAPABILITIES`.

    With "continue", the last message may be the beginning of the answer.
    """
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """See `gptaudit.probe.Probe.tags`; a probe under attack has them beside its own."""
    sees: Mapping[str, tuple[Sees, ...]] = field(default_factory=dict)
    """Probe -> the plantable flaws that it should find under this attack; see `gptaudit.probe.Probe.sees`."""
