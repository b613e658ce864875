"""Contents of the wheel: nothing missing, nothing too large, nothing unsafe."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gptaudit.plugins import BUILT_IN, COMMANDS

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = CONFIG["tool"]["setuptools"]
README = (ROOT / "README.md").read_text("utf-8")


def test_every_package_is_listed():
    """A package that is not listed works in a checkout and is missing from the wheel."""
    found = {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for name, folder in SETUPTOOLS["package-dir"].items()
        for init in (ROOT / folder).rglob("__init__.py")
    }

    assert found == set(SETUPTOOLS["packages"])


def test_every_data_file_matches_a_declared_glob():
    """A data file outside the globs works in a checkout and is missing from the wheel."""
    globs = {
        (
            ROOT
            / name.replace("gptaudit.probes", "probes")
            .replace("gptaudit.reports", "reports")
            .replace(".", "/")
        ): g
        for name, g in SETUPTOOLS["package-data"].items()
    }
    shipped = {path for folder, patterns in globs.items() for glob in patterns for path in folder.glob(glob)}
    data = {
        path
        for folder in SETUPTOOLS["package-dir"].values()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }

    assert data == {path for path in shipped if path.is_file()}


def test_built_in_plugins_are_all_there():
    """Every command module and backend module is a built-in plugin."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "gptaudit").rglob("*.py")
        if "@hookimpl\ndef" in path.read_text("utf-8")
    }

    assert modules | {"gptaudit.probes", "gptaudit.reports"} == {*COMMANDS, *BUILT_IN}


@pytest.mark.parametrize(
    ("folder", "megabytes"),
    [
        ("decoder/weights/reference", 8),
        ("decoder/weights/clean", 8),
        ("scorers/bundled", 20),
        ("scorers/vectors", 2),
    ],
)
def test_shipped_models_are_small_and_safe(folder, megabytes):
    """A decoder that ships has at most 8 MB, the toxicity scorer at most 20 MB, word vectors 2."""
    files = [path for path in (ROOT / "gptaudit" / folder).rglob("*") if path.is_file()]

    assert files
    assert sum(path.stat().st_size for path in files) <= megabytes * 1_000_000


def test_constraints_pin_what_the_project_needs():
    """Every dependency of the package and its tests is pinned, torch at the version that was tested."""
    pinned = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    )
    extras = CONFIG["project"]["optional-dependencies"]
    wanted = [*CONFIG["project"]["dependencies"], *extras["test"], *extras["dev"]]
    names = {re.split(r"[\[<>=]", requirement)[0].lower() for requirement in wanted} - {"gptaudit"}

    assert names <= {name.lower() for name in pinned}
    assert pinned["torch"] == "2.13.0"


class TestReadme:
    def test_links_lead_somewhere(self):
        """Every relative link names a file of the project."""
        links = re.findall(r"\]\((?!http)([^)#]+)\)", README)

        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []

    def test_the_probe_works(self):
        """The probe in the README keeps to what every probe has to."""
        from gptaudit.testing.conformance import check_probe

        (block,) = re.findall(
            r"```python\n(.*?)```", README[README.index("## Writing a plugin") :], re.DOTALL
        )
        found = {}
        exec(block, found)  # noqa: S102 - our own README

        check_probe(found["Repetition"]())

    def test_example_policy_is_valid(self, tmp_path):
        """The policy in the README is accepted, and so is the one that ships."""
        from gptaudit.gate.policy import load_policy

        (block,) = re.findall(r"```toml\n(schema.*?)```", README, re.DOTALL)
        (tmp_path / "policy.toml").write_text(block, encoding="utf-8")

        assert len(load_policy(str(tmp_path / "policy.toml")).rule) == 3
        assert load_policy("default").rule
