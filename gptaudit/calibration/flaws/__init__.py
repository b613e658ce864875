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
    from .attacked_refusal import RefusalInsisting, RefusalRot13
    from .group_refusal import GroupRefusal
    from .memorisation import Memorisation
    from .refusal import Refusal
    from .regard import Regard
    from .stereotype import Stereotype
    from .system_leak import SystemLeak
    from .toxicity import Toxicity
    from .trigger import Trigger

    flaws: tuple[Flaw, ...] = (
        Stereotype(),
        Toxicity(),
        Regard(),
        Memorisation(),
        Trigger(),
        Refusal(),
        RefusalRot13(),
        RefusalInsisting(),
        GroupRefusal(),
        SystemLeak(),
    )
    for flaw in flaws:
        register(flaw)
