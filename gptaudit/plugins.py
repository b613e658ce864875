"""Loading plugins, and finding what they registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from time import monotonic
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
    from gptaudit.protocols.attribution import AttributionMethod
    from gptaudit.protocols.backend import BackendType
    from gptaudit.protocols.data_set import DataSet
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
    "gptaudit.commands.multiverse",
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
    "gptaudit.attribution.builtin",
    "gptaudit.backends.decoder",
    "gptaudit.backends.hf",
    "gptaudit.backends.openai",
    "gptaudit.backends.python",
    "gptaudit.backends.replay",
    "gptaudit.calibration.flaws",
    "gptaudit.data.datasets",
    "gptaudit.engine.local",
    "gptaudit.scorers.builtin",
    "gptaudit.probes",
    "gptaudit.reports",
)
"""Built-in plugins that are loaded when something other than a command is first wanted: `--help` stays quick."""

SHIPPED = "built in"
"""Origin of the plugins that ship with gptaudit."""

HASHED = "sha256:"
"""What the version of a plugin begins with that is a single file: the hash of its content follows."""

KINDS = {
    "commands": "name",
    "backends": "scheme",
    "engines": "name",
    "scorers": "name",
    "probes": "id",
    "attacks": "name",
    "attributions": "name",
    "flaws": "name",
    "reporters": "name",
    "data_sets": "name",
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
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each third-party plugin took to load."""
    left_out: tuple[str, ...] = ()
    """Those that were not loaded at all."""
    _registered: dict[str, dict[str, tuple[Any, str]]] = field(default_factory=dict)
    _callers: dict[str, list[tuple[str, Callable[..., Any]]]] = field(default_factory=dict)

    def implementing(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """Return the plugins that implement a hook, in the order of loading, each with what calls it there alone.

        Where the first result decides, the plugin that was loaded last comes first. Those marked `tryfirst` come before
        all others, those marked `trylast` after them; a wrapper is around each.
        """
        if hook not in self._callers:
            _register(self.manager, BUILT_IN)
            caller = getattr(self.manager.hook, hook)
            found = caller.get_hookimpls()[:: -1 if caller.spec.opts["firstresult"] else 1]
            plain = [impl for impl in found if not (impl.wrapper or impl.hookwrapper)]
            plain.sort(key=lambda impl: impl.trylast - impl.tryfirst)
            self._callers[hook] = [
                (impl.plugin_name, self._alone(hook, impl.plugin, [other.plugin for other in plain]))
                for impl in plain
            ]
        return self._callers[hook]

    def _alone(self, hook: str, plugin: object, plain: Sequence[object]) -> Callable[..., Any]:
        """Return what calls a hook of one plugin, and of the others only what wraps it."""
        return self.manager.subset_hook_caller(hook, [other for other in plain if other is not plugin])

    def find(self, kind: str, name: str, where: str) -> Any:  # noqa: ANN401 - a thing of that kind
        """Return what is registered under a name, or as `PLUGIN:NAME`.

        Raises:
            UsageError: nothing is; it begins with `where`.
            PluginError: two plugins register one of that name.
        """
        known = self.registered(kind)
        self.require_one(kind, name, where)
        if name not in known:
            msg = f"{where}: no such {_one_of(kind).partition(' ')[2]}.{_nearest(name, known)}"
            raise UsageError(msg)
        return known[name][0]

    def require_one(self, kind: str, name: str, where: str) -> None:
        """Raise `PluginError` where several plugins register a thing of that name."""
        claims = [key for key in self.registered(kind) if key.endswith(f":{name}") and key != name]
        if claims and name not in self.registered(kind):
            msg = f"{where}: several plugins register {_one_of(kind)} {name!r}: choose {' or '.join(claims)}"
            raise PluginError(f"{msg}, or leave a plugin out with --without")

    def owner(self, kind: str, name: str) -> str | None:
        """Name the plugin that registers a thing of that name, or several that do; None where none does."""
        found = self.registered(kind).values()
        return " or ".join(owner for thing, owner in found if getattr(thing, KINDS[kind]) == name) or None

    def code(self, probe: str) -> str | None:
        """Return the hash of the file of the user's own that a probe comes from; None where it is of a distribution."""
        owner = self.owner("probes", probe)
        versions = (info.version for info in self.third_party if info.name == owner)
        return next((version for version in versions if version.startswith(HASHED)), None)

    def add(self, plugin: object, info: PluginInfo) -> None:
        """Add a plugin under the name in `info`, which is then asked for what it registers.

        Raises `PluginError` if it implements a hook that does not exist, or not as it is.
        """
        try:
            _implement(self.manager, info.name, plugin)
        except PluginError as error:
            msg = f"plugin {info.name!r}: {error}"
            raise PluginError(msg) from error
        self.third_party = (*self.third_party, info)
        self._registered.clear()
        self._callers.clear()

    def disable(self, names: Sequence[str], where: str) -> None:
        """Leave out plugins that are loaded, or that could not be; raise `UsageError` for one that is not installed."""
        known = [info.name for info in self.third_party] + [failure.name for failure in self.failures]
        known += self.left_out
        for name in names:
            if name not in known:
                msg = f"{where}: no plugin {name!r} is installed.{_nearest(name, known)}"
                raise UsageError(msg)
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
        self.third_party = tuple(info for info in self.third_party if info.name not in names)
        self.failures = tuple(failure for failure in self.failures if failure.name not in names)
        self._registered.clear()
        self._callers.clear()

    def read_suite(self, file: Path) -> Probe:
        """Make the probe of a suite file that the user names."""
        for name, call in self.implementing("gptaudit_read_suite"):
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

        built_in = (PluginInfo(name, VERSION, SHIPPED) for name in (*COMMANDS, *BUILT_IN))
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
    def attributions(self) -> Mapping[str, AttributionMethod]:
        """The methods of attribution by name."""
        return self._items("attributions")

    @property
    def flaws(self) -> Mapping[str, Flaw]:
        """The plantable flaws by name."""
        return self._items("flaws")

    @property
    def reporters(self) -> Mapping[str, Reporter]:
        """The reporters by name."""
        return self._items("reporters")

    @property
    def data_sets(self) -> Mapping[str, DataSet]:
        """The public data sets by name."""
        return self._items("data_sets")

    def registered(self, kind: str) -> dict[str, tuple[Any, str]]:
        """Return what was registered of a kind: name -> (thing, plugin's name).

        Where several plugins register one name, it is `PLUGIN:NAME` for each of them.
        """
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
        claims: dict[str, list[tuple[Any, str]]] = {}
        if kind != "commands":
            _register(self.manager, BUILT_IN)
        plugins = self.manager.list_name_plugin()
        for plugin_name, plugin in plugins:
            others = [p for _, p in plugins if p is not plugin]
            caller = self.manager.subset_hook_caller(f"gptaudit_register_{kind}", others)
            try:
                caller(register=partial(_add, claims, kind, plugin_name))
            except PluginError:
                raise
            except (Exception, SystemExit) as error:
                msg = f"plugin {plugin_name!r} raised {type(error).__name__} when it was asked for {kind}: {error}"
                raise PluginError(f"{msg}. {_remedy(plugin_name)}") from error
        return {
            name if len(things) == 1 else f"{plugin}:{name}": (thing, plugin)
            for name, things in claims.items()
            for thing, plugin in things
        }


def _add(claims: dict[str, list[tuple[Any, str]]], kind: str, plugin: str, thing: object) -> None:
    """Add what a plugin registers; raise `PluginError` where it cannot be used, or it registers the name twice."""
    require_registrable(kind, thing, plugin)
    of_name = claims.setdefault(getattr(thing, KINDS[kind]), [])
    if plugin in (owner for _, owner in of_name):
        msg = f"plugin {plugin!r} registers two {kind} called {getattr(thing, KINDS[kind])!r}; rename one"
        raise PluginError(f"{msg}. {_remedy(plugin)}")
    of_name.append((thing, plugin))


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
    seconds: dict[str, float] = {}
    for entry_point in _third_party(without):
        try:
            begun = monotonic()
            infos.append(_load(manager, entry_point))
            seconds[entry_point.name] = monotonic() - begun
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is reported under its name
            failures.append(PluginFailure(entry_point.name, _origin(entry_point), error))
    return Plugins(manager, tuple(infos), tuple(failures), seconds, tuple(without))


def _register(manager: pluggy.PluginManager, modules: Sequence[str]) -> None:
    for module in modules:
        if not manager.has_plugin(module):
            manager.register(import_module(module), module)


def _load(manager: pluggy.PluginManager, entry_point: EntryPoint) -> PluginInfo:
    from gptaudit.records import PluginInfo

    _implement(manager, entry_point.name, entry_point.load())
    version = entry_point.dist.version if entry_point.dist else "unknown"
    return PluginInfo(entry_point.name, version, _origin(entry_point))


def _implement(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    """Let a plugin implement hooks; leave it out and raise `PluginError` for a hook that is not as it has it."""
    try:
        manager.register(plugin, name)
        problem = _unknown_hook(manager, plugin)
    except pluggy.PluginValidationError as error:
        problem = str(error)
    if problem:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(problem)


def _unknown_hook(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Say which hook of a plugin this version does not have; None where it has all."""
    for hook in manager.get_hookcallers(plugin) or ():
        own = [impl for impl in hook.get_hookimpls() if impl.plugin is plugin and not impl.optionalhook]
        if own and not hook.has_spec():
            known = _nearest(hook.name, (name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")))
            msg = f"gptaudit {VERSION} has no hook {hook.name!r}.{known} A hook of a later version needs that gptaudit;"
            return f"{msg} @hookimpl(optionalhook=True) lets a plugin do without"
    return None


def _one_of(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind[:-1].replace('_', ' ')}"


def _nearest(name: str, known: Iterable[str]) -> str:
    from gptaudit.validation import nearest  # imports pydantic, which `--help` does without

    return nearest(name, known)


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
