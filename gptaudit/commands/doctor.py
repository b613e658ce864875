"""`gptaudit doctor`: show what is installed and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import GptauditError, PluginError, UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins


SLOW = 0.5
"""Seconds from which a plugin's import is told to be slow, since every start of the program waits for it."""


@click.command()
@_options.data
@click.option(
    "--plugins",
    "checks",
    is_flag=True,
    help="Check also what third-party plugins register, by gptaudit.testing.conformance.",
)
@click.pass_obj
def doctor(plugins: Plugins, data: Path | None, *, checks: bool) -> None:
    """Show versions, plugins, data sets and devices, and say what is missing and how to get it.

    Exits 2 if a plugin is broken or the bundled models cannot be loaded.
    """
    problems: list[str] = []
    for title, lines in (
        ("Versions", _versions()),
        ("Plugins", _plugins(plugins, problems)),
        *([("Conformance", _conformance(plugins, data, problems))] if checks else []),
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
        seconds = plugins.seconds.get(info.name, 0.0)
        slow = f"; SLOW: every start waits {seconds:.1f} s for its import" if seconds >= SLOW else ""
        has = ", ".join(registered.get(info.name, ["hooks only"]))
        yield f"{info.name} {info.version} ({info.origin}): {has}{slow}"
    for failure in plugins.failures:
        problems.append(f"{failure}; fix or uninstall it, or leave it out with --without {failure.name}")
        yield f"{failure.name}: BROKEN"


def _conformance(plugins: Plugins, data: Path | None, problems: list[str]) -> Iterator[str]:
    """Check what third-party plugins register; scorers with their first model, and no backends."""
    from gptaudit.data.datasets import DataNotGivenError
    from gptaudit.run.scorers import open_scorer
    from gptaudit.testing import conformance

    checks: dict[str, Callable[[Any], None]] = {
        "probes": partial(conformance.check_probe, data=data),
        "attacks": conformance.check_attack,
        "attributions": conformance.check_attribution,
        "flaws": conformance.check_flaw,
        "engines": conformance.check_engine,
        "reporters": conformance.check_reporter,
        "scorers": lambda role: conformance.check_scorer(open_scorer(role, role.models[0], {})),
    }
    others = {info.name for info in plugins.third_party}
    for kind, check in checks.items():
        for name, (thing, plugin) in plugins.registered(kind).items():
            if plugin not in others or (kind == "scorers" and not thing.models):
                continue
            what = f"{plugin}: {kind[:-1]} {name}"
            try:
                check(thing)
                yield f"{what}: conforms"
            except ImportError as error:
                raise UsageError(str(error)) from None
            except DataNotGivenError:
                yield f"{what}: not checked, since its data are not here"
            except (AssertionError, GptauditError) as error:
                problems.append(f"{what}: {error}")
                yield f"{what}: DOES NOT CONFORM"


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
