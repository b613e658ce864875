"""Built-in attacks; all wording is our own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptaudit.protocols.attack import Attack


def built_in_attacks() -> Iterator[Attack]:
    """Yield the attacks of one turn, those of several, and best of n, each with its tags."""
    from gptaudit.probes.tags import tags_of_attacks

    from .best_of_n import BEST_OF_N
    from .conversations import CONVERSATIONS
    from .encodings import ENCODINGS
    from .framings import FRAMINGS
    from .many_shot import MANY_SHOT
    from .other_language import OTHER_LANGUAGE
    from .tasks import TASKS

    tags = tags_of_attacks()
    for attack in (
        *ENCODINGS,
        OTHER_LANGUAGE,
        *FRAMINGS,
        *TASKS,
        *MANY_SHOT,
        *CONVERSATIONS,
        BEST_OF_N,
    ):
        yield replace(attack, tags=tags)
