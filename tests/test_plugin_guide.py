"""The code in `plugins/README.md`, from top to bottom, is one plugin, and it does what the page says."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType

import pytest
from gptaudit.probes.kinds.registry import KINDS
from installed_plugins import install

from gptaudit import hookspecs
from gptaudit.plugins import load_plugins
from gptaudit.testing import conformance

GUIDE = (Path(__file__).parents[1] / "plugins" / "README.md").read_text("utf-8")
HOOKS = {name for name in vars(hookspecs) if name.startswith("gptaudit_")}


@pytest.fixture
def plugin(monkeypatch):
    """The plugin of the page, installed."""
    module = ModuleType("shouting")
    monkeypatch.setitem(sys.modules, "shouting", module)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
    exec(compile(code, "plugins/README.md", "exec"), vars(module))  # noqa: S102 - code of this repository
    install(monkeypatch, shouting=module)
    return module


def test_every_hook_has_an_example(plugin):
    """The page implements each hook there is."""
    assert {name for name in vars(plugin) if name.startswith("gptaudit_")} == HOOKS


def test_its_tests_pass(plugin):
    """The tests that the page shows pass."""
    plugin.test_shouting()
    plugin.test_conformance()


def test_what_it_registers_conforms(plugin):
    """Each thing that the page registers keeps to what all of its kind have to."""
    found = load_plugins()
    conformance.check_scorer(plugin.Loudness())
    conformance.check_backend(found.backends["always"].open("tide", plugin.Ending()))
    conformance.check_engine(found.engines["one-by-one"])
    conformance.check_attack(found.attacks["shouted"])
    conformance.check_attribution(found.attributions["gradient_x_change"])
    conformance.check_flaw(found.flaws["shouting"])
    conformance.check_reporter(found.reporters["tsv"])
    assert plugin.CALM in found.data_sets.values()


def test_an_audit_with_it(plugin, gptaudit, tmp_path):
    """In an audit every hook that looks on does what the page has it do."""
    ran = gptaudit(
        *("run", "decoder:clean", "-p", "shouting", "--engine", "one-by-one"), "-o", "out", "--report", "tsv"
    )
    assert ran.code == 0, ran.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["run"]["faults"] == []
    assert results["probes"][0]["cases"] == len(plugin.SENTENCES) - 1
    assert (tmp_path / "out" / "verdict.txt").read_text() == "none"
    assert (tmp_path / "out" / "figures.tsv").read_text().startswith("shouting.exclamation_share\t")
    assert "Not scored" in (tmp_path / "out" / "report.html").read_text()


def test_a_file_of_its_own_kind(plugin, gptaudit, tmp_path):
    """A file of the page's kind is run, and what is wrong with a file is said by its reader."""
    (tmp_path / "mine.toml").write_text('kind = "calm-sentences"\nsentences = ["It rained"]')
    (tmp_path / "none.toml").write_text('kind = "calm-sentences"')
    (tmp_path / "broken.toml").write_text("kind = ")

    assert gptaudit("run", "decoder:clean", "-s", "mine.toml", "-o", "mine").code == 0
    none, broken = (
        gptaudit("run", "decoder:clean", "-s", name, "-o", "no") for name in ("none.toml", "broken.toml")
    )
    assert (none.code, "key 'sentences': expected texts, found None" in none.err) == (2, True)
    assert (broken.code, "broken.toml" in broken.err) == (2, True)


def test_keys_of_suites():
    """The table has the keys of every kind of suite: those that it needs, and those that it may have."""

    def named(cell):
        return KINDS if cell.strip() == "all" else re.findall(r"`([^`]+)`", cell)

    needed, optional = ({kind: set() for kind in KINDS} for _ in range(2))
    rows = [
        line.split("|")[1:4] for line in GUIDE.splitlines() if line.startswith("| `") and line.count("|") == 5
    ]
    for keys, *cells in rows:
        for cell, of_kind in zip(cells, (needed, optional), strict=True):
            for kind in named(cell):
                of_kind[kind].update(named(keys))

    for kind, (file, _) in KINDS.items():
        default = {f.name: (f.default, f.default_factory) != (MISSING, MISSING) for f in fields(file)}
        assert needed[kind] == {name for name, has in default.items() if not has}, kind
        assert optional[kind] == {name for name, has in default.items() if has}, kind


def test_its_command(plugin, gptaudit):
    """The command of the page is part of the program."""
    assert gptaudit("quieter", "STOP!").out == "stop.\n"
