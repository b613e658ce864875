"""Loading plugins, and finding what they registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from gptaudit import hookspecs
from gptaudit.errors import GptauditError, PluginError, UsageError
from gptaudit.markers import PROJECT, VERSION

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from gptaudit.probe import Probe
    from gptaudit.protocols.attack import Attack
    from gptaudit.protocols.backend import BackendType
    from gptaudit.protocols.engine import EngineType
    from gptaudit.protocols.flaw import Flaw
    from gptaudit.protocols.reporter import Reporter
    from gptaudit.protocols.scorer import ScorerType
    from gptaudit.records import PluginInfo

COMMANDS = (
    "gptaudit.commands.run",
    "gptaudit.commands.gate",
    "gptaudit.commands.compare",
    "gptaudit.commands.power",
    "gptaudit.commands.verify",
    "gptaudit.commands.view",
    "gptaudit.commands.explain",
    "gptaudit.commands.label",
    "gptaudit.commands.report",
    "gptaudit.commands.rescore",
    "gptaudit.commands.list",
    "gptaudit.commands.data",
    "gptaudit.commands.doctor",
    "gptaudit.commands.evidence",
    "gptaudit.commands.init",
    "gptaudit.commands.decoder",
    "gptaudit.commands.plugin",
    "gptaudit.commands.calibrate",
    "gptaudit.commands.schema",
    "gptaudit.commands.scorers",
)
"""Built-in plugins that are loaded at every start."""

BUILT_IN = (
    "gptaudit.backends.decoder",
    "gptaudit.backends.hf",
    "gptaudit.backends.openai",
    "gptaudit.backends.python",
    "gptaudit.backends.replay",
    "gptaudit.calibration.flaws",
    "gptaudit.engine.local",
    "gptaudit.scorers.builtin",
    "gptaudit.probes",
    "gptaudit.reports",
)
"""Built-in plugins that are loaded when something other than a command is first wanted: `--help` stays quick."""

KINDS = {
    "commands": "name",
    "backends": "scheme",
    "engines": "name",
    "scorers": "name",
    "probes": "id",
    "attacks": "name",
    "flaws": "name",
    "reporters": "name",
}
"""What can be registered, and the attribute that names it."""


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """A third-party plugin that could not be loaded."""

    name: str
    origin: str
    error: BaseException

    def __str__(self) -> str:
        """Name the plugin, its distribution and the cause."""
        cause = f"{type(self.error).__name__}: {self.error}"
        return f"plugin {self.name!r} (from {self.origin}) could not be loaded: {cause}"


@dataclass
class Plugins:
    """The loaded plugins and what they registered."""

    manager: pluggy.PluginManager
    third_party: tuple[PluginInfo, ...]
    failures: tuple[PluginFailure, ...]
    _registered: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)
    _callers: dict[str, list[tuple[str, Callable[..., Any]]]] = field(default_factory=dict)

    def implementing(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """Return the plugins that implement a hook, in the order of loading, each with what calls it there alone."""
        if hook not in self._callers:
            _register(self.manager, BUILT_IN)
            plugins = [plugin for _, plugin in self.manager.list_name_plugin()]
            self._callers[hook] = [
                (
                    impl.plugin_name,
                    self.manager.subset_hook_caller(hook, [p for p in plugins if p is not impl.plugin]),
                )
                for impl in getattr(self.manager.hook, hook).get_hookimpls()
            ]
        return self._callers[hook]

    def read_suite(self, file: Path) -> Probe:
        """Make the probe of a suite file that the user names: the plugin that was loaded last is asked first."""
        for name, call in reversed(self.implementing("gptaudit_read_suite")):
            try:
                probe: Probe | None = call(file=file)
            except GptauditError:
                raise
            except (Exception, SystemExit) as error:
                what = f"raised {type(error).__name__} when it was given the suite {file}: {error}"
                raise PluginError(f"plugin {name!r} {what}. {_remedy(name)}") from error
            if probe is not None:
                require_registrable("probes", probe, name)
                return probe
        msg = f"-s {file}: no plugin reads it"
        raise UsageError(msg)

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every plugin and where it came from."""
        from gptaudit.records import PluginInfo

        built_in = (PluginInfo(name, VERSION, "built in") for name in (*COMMANDS, *BUILT_IN))
        return (*built_in, *self.third_party)

    @property
    def commands(self) -> Mapping[str, click.Command]:
        """The commands by name."""
        return self._items("commands")

    @property
    def backends(self) -> Mapping[str, BackendType]:
        """The backend types by scheme."""
        return self._items("backends")

    @property
    def engines(self) -> Mapping[str, EngineType]:
        """The engines by name."""
        return self._items("engines")

    @property
    def scorers(self) -> Mapping[str, ScorerType]:
        """The scorer types by name."""
        return self._items("scorers")

    @property
    def scorers_by_any_name(self) -> Mapping[str, ScorerType]:
        """The scorer types by name and by alias; a name goes before another's alias."""
        return {**{alias: s for s in self.scorers.values() for alias in s.aliases}, **self.scorers}

    @property
    def probes(self) -> Mapping[str, Probe]:
        """The probes by id."""
        return self._items("probes")

    @property
    def attacks(self) -> Mapping[str, Attack]:
        """The attacks by name."""
        return self._items("attacks")

    @property
    def flaws(self) -> Mapping[str, Flaw]:
        """The plantable flaws by name."""
        return self._items("flaws")

    @property
    def reporters(self) -> Mapping[str, Reporter]:
        """The reporters by name."""
        return self._items("reporters")

    def registered(self, kind: str) -> dict[str, tuple[Any, str]]:
        """Return what was registered of a kind: name -> (thing, plugin's name)."""
        if kind not in self._registered:
            self._registered[kind] = self._collect(kind)
        return self._registered[kind]

    def require_sound(self) -> None:
        """Raise `PluginError` where a plugin could not be loaded."""
        if self.failures:
            names = " ".join(f"--without {failure.name}" for failure in self.failures)
            msg = "; ".join(str(failure) for failure in self.failures)
            raise PluginError(f"{msg}. Fix or uninstall it, or leave it out with: {names}")

    def _items(self, kind: str) -> dict[str, Any]:
        return {name: thing for name, (thing, _) in self.registered(kind).items()}

    def _collect(self, kind: str) -> dict[str, tuple[Any, str]]:
        found: dict[str, tuple[Any, str]] = {}
        if kind != "commands":
            _register(self.manager, BUILT_IN)
        plugins = self.manager.list_name_plugin()
        for plugin_name, plugin in plugins:
            others = [p for _, p in plugins if p is not plugin]
            caller = self.manager.subset_hook_caller(f"gptaudit_register_{kind}", others)
            try:
                caller(register=partial(_add, found, kind, plugin_name))
            except PluginError:
                raise
            except (Exception, SystemExit) as error:
                msg = f"plugin {plugin_name!r} raised {type(error).__name__} when it was asked for {kind}: {error}"
                raise PluginError(f"{msg}. {_remedy(plugin_name)}") from error
        return found


def _add(found: dict[str, tuple[Any, str]], kind: str, plugin: str, thing: object) -> None:
    """Add what a plugin registers; raise `PluginError` where it cannot be used, or its name is taken."""
    require_registrable(kind, thing, plugin)
    name = getattr(thing, KINDS[kind])
    if name in found:
        msg = f"two plugins register {kind[:-1]} {name!r}: {found[name][1]!r} and {plugin!r}"
        raise PluginError(f"{msg}. Leave one out with --without, or rename one")
    found[name] = (thing, plugin)


def require_registrable(kind: str, thing: object, plugin: str) -> None:
    """Raise `PluginError`, naming the plugin, the attribute and the remedy, for what no audit could use."""
    if kind == "commands":  # listed at every start, which is to stay quick
        return
    from gptaudit.protocols.registration import problem

    if found := problem(kind, thing, KINDS[kind]):
        msg = f"plugin {plugin!r} registers a {kind[:-1]} that cannot be used: {found}"
        raise PluginError(f"{msg}. {_remedy(plugin)}")


def _remedy(plugin: str) -> str:
    return f"Fix it, or leave it out with --without {plugin}"


def load_plugins(without: Sequence[str] = ()) -> Plugins:
    """Load the built-in plugins and those of the entry-point group `gptaudit`.

    A third-party plugin that fails to import, or implements a hook that does not exist, is kept in `failures`;
    the others are loaded. `without` names entry points to leave out.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    _register(manager, COMMANDS)
    infos, failures = [], []
    for entry_point in _third_party(without):
        try:
            infos.append(_load(manager, entry_point))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is reported under its name
            failures.append(PluginFailure(entry_point.name, _origin(entry_point), error))
            if manager.has_plugin(entry_point.name):
                manager.unregister(name=entry_point.name)
    return Plugins(manager, tuple(infos), tuple(failures))


def _register(manager: pluggy.PluginManager, modules: Sequence[str]) -> None:
    for module in modules:
        if not manager.has_plugin(module):
            manager.register(import_module(module), module)


def _load(manager: pluggy.PluginManager, entry_point: EntryPoint) -> PluginInfo:
    from gptaudit.records import PluginInfo

    manager.register(entry_point.load(), entry_point.name)
    manager.check_pending()
    version = entry_point.dist.version if entry_point.dist else "unknown"
    return PluginInfo(entry_point.name, version, _origin(entry_point))


def _third_party(without: Sequence[str]) -> Iterator[EntryPoint]:
    found = entry_points(group=PROJECT)
    unknown = set(without) - {e.name for e in found}
    if unknown:
        names = ", ".join(sorted({e.name for e in found})) or "none"
        msg = f"--without {' '.join(sorted(unknown))}: no such plugin is installed; installed: {names}"
        raise UsageError(msg)
    yield from sorted((e for e in found if e.name not in without), key=lambda e: e.name)


def _origin(entry_point: EntryPoint) -> str:
    return f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else entry_point.value
