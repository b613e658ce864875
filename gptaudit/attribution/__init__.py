"""Attribution of predictions to tokens and heads, computed by captum and proved by ablation.

What it offers is loaded when it is first used: methods are registered without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptaudit.attribution.attributor import Attributor
    from gptaudit.attribution.explanation import Explanation
    from gptaudit.attribution.models_at_hand import attribute

__all__ = ["Attributor", "Explanation", "attribute"]

_MODULES = {
    "Attributor": "gptaudit.attribution.attributor",
    "Explanation": "gptaudit.attribution.explanation",
    "attribute": "gptaudit.attribution.models_at_hand",
}
"""Where the names come from."""


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    msg = f"module 'gptaudit.attribution' has no attribute {name!r}"
    raise AttributeError(msg)
