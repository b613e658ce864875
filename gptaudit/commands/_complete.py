"""Shell completion of option values: probes, suites, reports, scorers, engines, targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gptaudit.errors import GptauditError

if TYPE_CHECKING:
    import click

    from gptaudit.plugins import Plugins


def _from_plugins(known: Callable[[Plugins], Iterable[str]]) -> Callable[..., list[str]]:
    """Complete names from plugins; offer none if a plugin is broken, since a shell cannot show an error."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        try:
            return sorted(name for name in known(context.obj) if name.startswith(incomplete))
        except GptauditError:
            return []

    return complete


probes = _from_plugins(lambda plugins: plugins.probes)
suites = _from_plugins(lambda plugins: {probe.suite for probe in plugins.probes.values()})
probes_and_suites = _from_plugins(
    lambda plugins: {name for probe in plugins.probes.values() for name in (probe.id, probe.suite)}
)
attacks = _from_plugins(lambda plugins: plugins.attacks)
reports = _from_plugins(lambda plugins: plugins.reporters)
engines = _from_plugins(lambda plugins: plugins.engines)
scorers = _from_plugins(
    lambda plugins: [
        f"{name}={model}" for name, role in plugins.scorers_by_any_name.items() for model in role.models
    ]
)
targets = _from_plugins(lambda plugins: [f"{scheme}:" for scheme in plugins.backends])
