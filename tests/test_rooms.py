"""The house: which room may know which, read from the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = (
    # what knows nothing of an audit
    *("errors", "text", "markers", "validation", "files", "language", "stats"),
    # the values that flow, and what plugins implement
    *("records", "probe", "protocols", "hookspecs", "plugins"),
    # data sets and questions
    *("data", "probes"),
    # what was asked and answered, and asking it
    *("evidence", "engine"),
    # models
    *("decoder", "causal_lm", "attribution", "remote", "backends"),
    # from answers to figures, a verdict and a report
    *("scorers", "gate", "run", "reports"),
    # the auditor is audited
    *("calibration", "testing"),
    # the doors: the program, and the package for whoever imports it
    *("commands", "python_api", "gptaudit", "cli", "__main__"),
)
"""Rooms, and modules at the root, each of which may import those before it. `gptaudit` is the package's `__init__`."""

PACKAGES = {"gptaudit": "gptaudit", "probes": "gptaudit.probes", "reports": "gptaudit.reports"}
"""Folder -> the package that it is installed as."""


def modules() -> dict[str, Path]:
    """Return the file of each module that ships."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


MODULES = modules()


def imported(source: str, package: str) -> Iterator[str]:
    """Yield what a module of that package imports of gptaudit, wherever in it, and for type checkers only too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "gptaudit")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == "gptaudit":
                names = (f"{base}.{alias.name}" for alias in node.names)
                yield from (name if name in MODULES else base for name in names)


def arrows() -> dict[str, set[str]]:
    """Return for each module which others it imports."""
    found = {}
    for module, path in MODULES.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found[module] = set(imported(path.read_text("utf-8"), package)) - {module}
    return found


ARROWS = arrows()


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


class TestOrder:
    def test_each_room_knows_only_rooms_before_it(self):
        """No import leads to a later room, so that no two rooms know each other."""
        back = sorted(
            f"{module} -> {other}"
            for module, others in ARROWS.items()
            for other in others
            if room(module) != room(other) and ORDER.index(room(module)) < ORDER.index(room(other))
        )

        assert back == []

    def test_every_room_has_its_place(self):
        """The order names each room once, and no room that is gone."""
        assert sorted(ORDER) == sorted({room(module) for module in MODULES})

    def test_no_circle_of_files(self):
        """Within a room, too, no two files know each other, directly or through others."""
        try:
            list(TopologicalSorter(ARROWS).static_order())
        except CycleError as circle:
            pytest.fail(" -> ".join(reversed(circle.args[1])))

    def test_records_stand_on_their_own(self):
        """The values that flow know nothing but text."""
        known = {
            room(other) for module, others in ARROWS.items() if room(module) == "records" for other in others
        }

        assert known <= {"records", "errors", "text"}

    def test_only_commands_know_click(self):
        """Everything else can be used without the program."""
        users = {
            room(module)
            for module, path in MODULES.items()
            if "import click" in path.read_text("utf-8").replace("    import click\n\n    from", "")
        }

        assert users <= {"commands", "cli"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from gptaudit.gate import decide", {"gptaudit.gate.decide"}),
        ("from gptaudit.gate.decide import exit_code", {"gptaudit.gate.decide"}),
        ("def f():\n    from .policy import Policy", {"gptaudit.gate.policy"}),
        ("if TYPE_CHECKING:\n    import gptaudit.run.audit", {"gptaudit.run.audit"}),
        ("import json\nfrom pathlib import Path", set()),
    ],
)
def test_imports_are_found(source, found):
    """An import is seen in a function, in a block for type checkers, and written relatively."""
    assert set(imported(source, "gptaudit.gate")) == found


def test_the_root_is_small():
    """At the root stay what a plugin author imports and what starts the program: a dozen files."""
    files = [path.name for path in (ROOT / "gptaudit").iterdir() if path.is_file()]

    assert len(files) <= 12, sorted(files)


def test_mypy_sees_the_mapped_packages():
    """Each folder that is installed under another name stands where mypy looks for it, as a link and not a copy."""
    for folder, package in PACKAGES.items():
        if folder != package:
            link = ROOT / ".ci" / "typing" / Path(*package.split("."))
            assert link.is_symlink()
            assert link.resolve() == ROOT / folder
