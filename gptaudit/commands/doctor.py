"""`gptaudit doctor`: show what is installed and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import GptauditError, PluginError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins


@click.command()
@_options.data
@click.pass_obj
def doctor(plugins: Plugins, data: Path | None) -> None:
    """Show versions, plugins, data sets and devices, and say what is missing and how to get it.

    Exits 2 if a plugin is broken or the bundled models cannot be loaded.
    """
    problems: list[str] = []
    for title, lines in (
        ("Versions", _versions()),
        ("Plugins", _plugins(plugins, problems)),
        ("Data sets", _data_sets(plugins, data)),
        ("Devices", _devices()),
        ("Models", _models(plugins, problems)),
    ):
        say(title, bold=True)
        for line in lines:
            say(f"  {line}")
    if problems:
        msg = "; ".join(problems)
        raise PluginError(msg)
    say("Everything that an audit needs is installed.")


def _versions() -> Iterator[str]:
    from gptaudit.evidence.provenance import versions

    for name, version in versions().items():
        yield f"{name:<14} {version}"


def _plugins(plugins: Plugins, problems: list[str]) -> Iterator[str]:
    from gptaudit.plugins import KINDS

    registered: dict[str, list[str]] = {}
    for kind in KINDS:
        try:
            for name, (_, plugin) in plugins.registered(kind).items():
                registered.setdefault(plugin, []).append(f"{kind[:-1]} {name}")
        except GptauditError as error:
            problems.append(str(error))
    for info in plugins.infos:
        yield f"{info.name} {info.version} ({info.origin}): {', '.join(registered.get(info.name, ['hooks only']))}"
    for failure in plugins.failures:
        problems.append(f"{failure}; fix or uninstall it, or leave it out with --without {failure.name}")
        yield f"{failure.name}: BROKEN"


def _data_sets(plugins: Plugins, folder: Path | None) -> Iterator[str]:
    from gptaudit.data.datasets import DATA_SETS, faults, summary

    if folder is None:
        yield "no folder given; use --data DIR or set GPTAUDIT_DATA"
    for name, (data_set, plugin) in plugins.registered("data_sets").items():
        of = "" if name in DATA_SETS else f" (of the plugin {plugin})"
        yield f"{name}: {summary(data_set, faults(data_set, folder))}{of}"
    yield "download what is missing with: gptaudit data fetch NAME --data DIR"


def _devices() -> Iterator[str]:
    import torch

    yield f"cpu, {torch.get_num_threads()} threads"
    for number in range(torch.cuda.device_count()):
        yield f"cuda:{number}, {torch.cuda.get_device_name(number)}"
    if torch.backends.mps.is_available():
        yield "mps"


def _models(plugins: Plugins, problems: list[str]) -> Iterator[str]:
    from gptaudit.decoder import SHIPPED
    from gptaudit.run.scorers import open_scorer
    from gptaudit.run.target import open_target

    for name in SHIPPED:
        try:
            open_target(f"decoder:{name}", {}, plugins)
            yield f"decoder:{name}: loads"
        except GptauditError as error:
            problems.append(str(error))
    for name, scorer in plugins.scorers.items():
        for model in scorer.models:
            try:
                open_scorer(scorer, model, {})
                yield f"{name} {model}: loads"
            except GptauditError as error:
                if model == scorer.models[0]:
                    problems.append(str(error))
                yield f"{name} {model}: missing; {error}"


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(doctor)
