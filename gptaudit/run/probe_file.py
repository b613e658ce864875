"""Probes in a single file of the user's own: `gptaudit run -p ./my_probe.py`."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gptaudit.errors import UsageError
from gptaudit.files import read_text
from gptaudit.markers import PROJECT, hookimpl
from gptaudit.plugins import HASHED, Plugins
from gptaudit.probe import Probe
from gptaudit.records import PluginInfo

ENDING = ".py"
"""What `-p` ends with where it names a file."""

REGISTERS = "gptaudit_register_probes"


@dataclass(frozen=True, slots=True, eq=False)
class ProbesAtHand:
    """A plugin of probes that nobody registers otherwise."""

    probes: Sequence[Probe]

    @hookimpl
    def gptaudit_register_probes(self, register: Callable[[Probe], None]) -> None:
        """Register the probes."""
        for probe in self.probes:
            register(probe)


def with_probe_files(plugins: Plugins, names: Sequence[str]) -> tuple[str, ...]:
    """Return names of probes, each file among them replaced by the names of its probes, which it then registers."""
    found: list[str] = []
    for name in dict.fromkeys(names):
        found += load_probe_file(plugins, name) if name.endswith(ENDING) else [name]
    return tuple(found)


def load_probe_file(plugins: Plugins, name: str) -> list[str]:
    """Run a file, and register it as a plugin whose version is the hash of its content; return its probes by name.

    It is a plugin module, or has probes: instances of `Probe`, or else classes, of which one instance each is made.
    It is a single file: what it imports has to be installed, since the hash is of this file alone.

    Raises:
        UsageError: it cannot be read or run, or has no probe; the message names the file and the line.
        PluginError: what it registers cannot be used.
    """
    text = read_text(Path(name), error=UsageError)
    digest = hashlib.sha256(text.encode()).hexdigest()
    module = _run(name, text, f"{PROJECT}_file_{digest[:16]}")
    info = PluginInfo(name, f"{HASHED}{digest}", "a file of the user's own")
    if not hasattr(module, REGISTERS):
        setattr(module, REGISTERS, ProbesAtHand(_probes(name, text, module)).gptaudit_register_probes)
    plugins.add(module, info)
    found = [probe for probe, (_, owner) in plugins.registered("probes").items() if owner == name]
    if not found:
        msg = f"-p {name}: expected a Probe, its class, or a function {REGISTERS} marked @gptaudit.hookimpl; found none"
        raise UsageError(msg)
    return found


def _run(name: str, text: str, module_name: str) -> ModuleType:
    module = ModuleType(module_name)
    module.__file__ = name
    sys.modules[module_name] = module  # where dataclasses look for the types of their fields
    try:
        exec(compile(text, name, "exec"), vars(module))  # noqa: S102 - the user names the file to be run
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        what = error.msg if isinstance(error, SyntaxError) else error
        msg = f"-p {name}{_line(error, name)}: {type(error).__name__}: {what}; fix the file"
        raise UsageError(msg) from error
    return module


def _line(error: BaseException, name: str) -> str:
    """Return the line of the file at which an error was raised."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""


def _probes(name: str, text: str, module: ModuleType) -> list[Probe]:
    """Return the probes in a module: its instances, and one of each class of its own that has none."""
    made = [thing for thing in vars(module).values() if isinstance(thing, Probe)]
    classes = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Probe) and thing.__module__ == module.__name__
        if not inspect.isabstract(thing) and not any(isinstance(probe, thing) for probe in made)
    ]
    for kind in classes:
        try:
            made.append(kind())
        except Exception as error:
            line = _line(error, name) or f", line {_line_of_class(text, kind.__name__)}"
            msg = f"-p {name}{line}: {kind.__name__}() raised {type(error).__name__}: {error}"
            raise UsageError(f"{msg}; fix it, or make an instance in the file") from error
    return list(dict.fromkeys(made))


def _line_of_class(text: str, name: str) -> int:
    body = ast.walk(ast.parse(text))
    return next((node.lineno for node in body if isinstance(node, ast.ClassDef) and node.name == name), 1)
