"""The method that a user names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gptaudit.errors import UsageError
from gptaudit.protocols.attribution import AttributionMethod

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins

M = TypeVar("M", bound=AttributionMethod)


def chosen_method(plugins: Plugins, name: str, where: str, kind: type[M]) -> M:
    """Return the method of a name.

    Raises:
        UsageError: there is none, or it is of another kind; says which there are.
        PluginError: two plugins register one of that name.
    """
    found = plugins.find("attributions", name, where)
    if not isinstance(found, kind):
        able = ", ".join(other for other, method in plugins.attributions.items() if isinstance(method, kind))
        msg = f"{where} {name}: it needs {found.needs}; what is asked for takes one of {able}"
        raise UsageError(msg)
    return found
