"""The files of code that a Python function may run: its module, and what that imports from the same place."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from importlib.metadata import packages_distributions
from pathlib import Path


def sources(module: str) -> dict[str, Path]:
    """Return the files of an imported module and of the modules that it imports, by their names.

    Imports are followed, also those within functions, to what lies in the same folder or, where the module is
    installed, belongs to the same distribution. They are read from the text, so that nothing is run; a module whose
    name is computed is not found.
    """
    top = module.partition(".")[0]
    home = _home(top)
    if home is None:
        return {}
    own = _of_distribution(top) if _is_shared(home) else None
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name, home)
        if file is None or name in found or (own is not None and name.partition(".")[0] not in own):
            continue
        found[name] = file
        waiting += _imported(file, name if file.stem == "__init__" else name.rpartition(".")[0])
        waiting += [name.rpartition(".")[0]] if "." in name else []
    return dict(sorted(found.items()))


def _home(top: str) -> Path | None:
    """Return the folder that a module or package of the top level lies in; None if it is built into Python."""
    loaded = sys.modules[top]
    folders = list(getattr(loaded, "__path__", ()))
    place = folders[0] if folders else getattr(loaded, "__file__", None)
    return Path(place).resolve().parent if place else None


def _is_shared(home: Path) -> bool:
    """Return whether distributions, or Python's own modules, are installed in a folder."""
    return home == Path(sysconfig.get_path("stdlib")).resolve() or any(home.glob("*.dist-info"))


def _of_distribution(top: str) -> set[str]:
    """Return the names at the top level of the distribution that has this one."""
    of_names = packages_distributions()
    own = set(of_names.get(top, ()))
    return {top, *(name for name, others in of_names.items() if own.intersection(others))}


def _file(name: str, home: Path) -> Path | None:
    """Return the file of a module or a package below a folder; None for a folder without `__init__`."""
    base = home.joinpath(*name.split("."))
    beside = [base / "__init__", base] if name else []
    files = (place.with_name(place.name + suffix) for place in beside for suffix in all_suffixes())
    return next((file for file in files if file.is_file()), None)


def _imported(file: Path, package: str) -> Iterator[str]:
    """Yield the names that a file in a package may import; none for one that is no Python source."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    above = package.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = above[: len(above) - node.level + 1] if node.level else []
            names = [part for part in (*base, node.module) if part]
            yield ".".join(names)
            yield from (".".join([*names, alias.name]) for alias in node.names)  # each may be a module too
