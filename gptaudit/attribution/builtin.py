"""Built-in methods of attribution, registered through the same hook as those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.protocols.attribution import AttributionMethod


@hookimpl
def gptaudit_register_attributions(register: Callable[[AttributionMethod], None]) -> None:
    """Register the built-in methods."""
    from gptaudit.attribution.methods import METHODS
    from gptaudit.attribution.word_methods import WORD_METHODS

    for method in (*METHODS, *WORD_METHODS):
        register(method)
