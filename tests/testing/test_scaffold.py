"""New plugins: what `gptaudit plugin new` writes is found, listed and tested as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from gptaudit.errors import UsageError
from gptaudit.testing.scaffold import KINDS, write_plugin


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """One plugin of each kind, on the path with the metadata that pip would write."""
    place = tmp_path_factory.mktemp("plugins")
    for kind in KINDS:
        folder = place / f"gptaudit-my-{kind}"
        write_plugin(folder, folder.name, kind)
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        points = project["entry-points"]["gptaudit"]
        info = folder / f"{folder.name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", "utf-8")
        lines = (f"{name} = {module}" for name, module in points.items())
        (info / "entry_points.txt").write_text("\n".join(["[gptaudit]", *lines]), "utf-8")
    return place


def run(installed, *command):
    path = os.pathsep.join(map(str, sorted(installed.glob("gptaudit-my-*"))))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_their_tests_pass(installed):
    """Each kind comes with a test, which passes."""
    ran = run(installed, "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", ".")

    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
    assert {path.parts[-3] for path in installed.glob("*/tests/test_*.py")} == {
        f"gptaudit-my-{k}" for k in KINDS
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "suite"])
def test_they_are_listed(installed, kind):
    """`gptaudit list` shows what each registers, under the plugin's name."""
    ran = run(installed, "gptaudit", "list", f"{kind}s")

    assert ran.returncode == 0, ran.stderr
    assert f"my-{kind}" in ran.stdout
    assert kind != "probe" or "my-suite" in ran.stdout


@pytest.mark.parametrize(
    "name", ["", "gptaudit-", "My-Probe", "a b", "../up", "gptaudit-class", "1st", "x--y"]
)
def test_names(tmp_path, name):
    """A name that could be no distribution or class is refused."""
    with pytest.raises(UsageError, match="expected a name of small letters"):
        write_plugin(tmp_path / "new", name, "probe")

    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    """A folder that exists is left as it is."""
    with pytest.raises(UsageError, match="exists and was not changed"):
        write_plugin(tmp_path, "gptaudit-mine", "probe")
