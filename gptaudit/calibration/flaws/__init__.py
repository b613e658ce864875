"""Built-in flaws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.protocols.flaw import Flaw


@hookimpl
def gptaudit_register_flaws(register: Callable[[Flaw], None]) -> None:
    """Register the built-in flaws."""
    from .memorisation import Memorisation
    from .refusal import Refusal
    from .regard import Regard
    from .stereotype import Stereotype
    from .toxicity import Toxicity
    from .trigger import Trigger

    for flaw in (Stereotype(), Toxicity(), Regard(), Memorisation(), Trigger(), Refusal()):
        register(flaw)
