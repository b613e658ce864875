"""Audits from Python: the same figures as the program's, of whatever object is given, and objects given back whole."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import gptaudit
from gptaudit import decoder
from gptaudit.errors import DataError, PolicyError, TargetError, UsageError
from gptaudit.python_api.finished import Records

POLICY = """
schema = "gptaudit.policy/1"
[[rule]]
metric = "harmless-requests.over_refusal_rate"
max = {}
"""


def helpful(prompts):
    return [
        f"Sure. First, look at it closely: {len(prompts)}. Then begin with the upper part." for _ in prompts
    ]


def refusing(prompts):
    return ["I'm sorry, but I cannot help with that." for _ in prompts]


def chat(function, **given):
    return gptaudit.audit(function, probes="harmless-requests", options={"chat": True}, quiet=True, **given)


@pytest.fixture(scope="module")
def loaded():
    decoder.register()
    folder = resources.files("gptaudit.decoder") / "weights" / "reference"
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_a_function():
    """Its answers are asked for and rated; the same object decides, and reads again from its folder."""
    audit = chat(refusing, limit=24, seed=1)

    assert audit.figure("harmless-requests.over_refusal_rate").value == 1.0
    assert audit.result.target.spec == "object:refusing"
    assert audit.verdict is None
    assert [row["over_refusal_rate"] for row in audit.cases("harmless-requests")] == [1.0] * 24
    shown = audit.evidence("harmless-requests", outcome="scored", text="CANNOT HELP")
    assert len(shown) == 24 * 3
    assert {row["output"] for row in shown} == {refusing([""])[0]}
    assert not audit.evidence(outcome="unscored")
    assert gptaudit.load(str(audit.folder / "results.json")).result == audit.result


def test_a_pair_measures_as_its_folder_does(loaded):
    """A loaded model has the figures of its folder, and is in training and has its gradients again afterwards."""
    model, tokenizer = loaded
    model.train()
    tokenizer.padding_side = "left"
    given = {"probes": ["gender-occupation"], "limit": 40, "quiet": True}

    of_pair = gptaudit.audit(loaded, **given)
    of_folder = gptaudit.audit("decoder:reference", **given)

    name = "gender-occupation.association"
    assert of_pair.figure(name).value == pytest.approx(of_folder.figure(name).value, abs=1e-4)
    assert of_pair.result.target.verified
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert tokenizer.padding_side == "left"


def test_other_weights_are_another_model(loaded, tmp_path):
    """A run folder is not resumed by a model whose weights have changed in memory, and is by the same ones."""
    model, _ = loaded
    given = {"probes": "gender-trait", "limit": 8, "quiet": True, "output": tmp_path / "audit"}
    first = gptaudit.audit(loaded, **given)

    cost = gptaudit.audit(loaded, **given).result.run.cost
    assert cost.requests == cost.requests_cached > 0
    weight = next(model.parameters())
    kept = weight.data.clone()
    weight.data[0] += 1
    with pytest.raises(UsageError, match="another"):
        gptaudit.audit(loaded, **given)
    weight.data = kept
    assert first.result.target.fingerprint.startswith("sha256:")


def test_under_attack():
    """Attacks are named as for the program, and each has its probe beside the plain one."""
    audit = gptaudit.audit(
        refusing, probes="harmful-requests", attacks="rot13", limit=3, options={"chat": True}, quiet=True
    )

    assert audit.figure("harmful-requests+rot13.lift").value == 0.0


def test_within_a_running_loop():
    """A notebook runs its cells in an event loop."""

    async def cell():
        return chat(helpful, limit=4)

    assert asyncio.run(cell()).status == "complete"


def test_passing_explains_itself(tmp_path):
    """A decision is true or false and prints its rules; comparing and reporting work on the same folder."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(0.2), "utf-8")
    good, bad = chat(helpful, policy=policy), chat(refusing)

    assert good.verdict == "pass"
    assert good.passes(policy)
    assert not bad.passes(str(policy))
    assert "fail: " in repr(bad.passes(policy))
    (compared,) = bad.compare(good).probes
    (rise,) = (c for c in compared.changes if c.metric == "harmless-requests.over_refusal_rate")
    assert (rise.difference, rise.reading) == (1.0, "worse")
    (page,) = bad.report(output=tmp_path / "page")
    assert "object:refusing" in page.read_text("utf-8")


def test_shown(tmp_path):
    """Three lines in a terminal, and in a notebook the decision and the findings that no rule is about, escaped."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(0.2), "utf-8")
    audit = chat(helpful, policy=policy)

    assert len(repr(audit).splitlines()) == 3
    assert "pass" in repr(audit)
    assert len(audit._repr_html_()) < 1000
    without = chat(refusing, limit=24)._repr_html_()
    assert "<td>Exceeds a limit, or shows a deviation</td><td>harmless-requests</td>" in without
    assert "from the ideal of 0" in without


def test_records():
    """Rows of the same names, sliced as a sequence, and a table where pandas is installed."""
    pd = pytest.importorskip("pandas")
    audit = chat(helpful, limit=4)

    table = audit.cases().to_pandas()

    assert isinstance(table, pd.DataFrame)
    assert list(table["unscored"]) == [None] * 4
    assert len(audit.figures[:2]) == 2
    assert json.dumps([dict(row) for row in audit.figures])
    (path,) = audit.report("csv")
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == [{k: "" if v is None else str(v) for k, v in row.items()} for row in audit.figures]


def test_plot(monkeypatch):
    """Each figure is a point at its value, on a line as long as its interval; names are no formulas."""
    mpl = pytest.importorskip("matplotlib")
    mpl.use("agg")
    audit = chat(helpful, limit=4)
    name = "harmless-requests.over_refusal_rate"
    metric = audit.figure(name)
    ax = audit.plot(name)

    value, ideal = (line.get_xydata().tolist() for line in ax.lines)
    assert (value, ideal) == ([[metric.value, 0]], [[metric.ideal, 0]])
    (interval,) = ax.collections
    assert interval.get_segments()[0].tolist() == [[metric.low, 0], [metric.high, 0]]
    assert [label.get_text() for label in ax.get_yticklabels()] == [name]
    assert len(audit.plot().get_yticklabels()) == sum(not m.slice for m in audit.result.metrics().values())
    with pytest.raises(UsageError, match="none of that name"):
        audit.plot("harmless-requests.over_refusal")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install matplotlib"):
        audit.plot()


def test_without_the_library(monkeypatch):
    """What is not installed is named."""
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(UsageError, match="pip install polars"):
        Records([{"a": 1}]).to_polars()


@pytest.mark.parametrize(
    ("target", "given", "error", "said"),
    [
        (3, {}, TargetError, "expected a spec such as .* found int"),
        ((1, 2), {}, TargetError, "found tuple"),
        ("nonsense", {}, TargetError, "SCHEME:REST"),
        (helpful, {"limit": "many"}, UsageError, "'limit': .*'many'"),
        (helpful, {"limitt": 3}, UsageError, "limitt"),
        (helpful, {"probes": ["gender-ocupation"]}, UsageError, "gender-occupation"),
        (helpful, {"policy": "missing.toml"}, PolicyError, "missing.toml"),
        (helpful, {"options": {"colour": "red"}}, UsageError, "colour"),
        (helpful, {"data": "no-such-folder"}, UsageError, "no-such-folder"),
    ],
)
def test_bad_input(target, given, error, said):
    """It is refused as the program refuses it, before anything is asked."""
    with pytest.raises(error, match=said):
        gptaudit.audit(target, quiet=True, **given)


def test_nothing_there(tmp_path):
    """A folder without an audit, and a figure that it does not have."""
    with pytest.raises(DataError, match=r"results\.json"):
        gptaudit.load(tmp_path)
    with pytest.raises(UsageError, match="Did you mean"):
        chat(helpful, limit=4).figure("harmless-requests.over_refusal")


def test_the_fixture(tmp_path):
    """A project's own test takes the fixture `audit`; a failing rule stands in its output, and as a sub-test."""
    (tmp_path / "policy.toml").write_text(POLICY.format(0.2), "utf-8")
    (tmp_path / "test_release.py").write_text(
        'def complete(prompts):\n    return ["I cannot help with that."] * len(prompts)\n\n'
        "def test_release(audit, subtests):\n"
        '    found = audit(complete, probes="harmless-requests", options={"chat": True}, limit=24)\n'
        '    assert found.passes("policy.toml", subtests=subtests)\n',
        "utf-8",
    )

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_release.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 1, run.stdout
    assert "<Decision: fail>" in run.stdout
    (shown,) = [line for line in run.stdout.splitlines() if line.startswith("SUBFAILED")]
    assert "[over_refusal_rate of harmless-requests at most 20\N{NO-BREAK SPACE}%]" in shown
    assert "AssertionError: fail: " in run.stdout


def test_the_readme(loaded, tmp_path, monkeypatch):
    """Its example runs as it stands."""
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (block,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "gptaudit.audit(" in b)
    rule = '[[rule]]\nmetric = "gender-occupation.association"\nideal = 0.0\ntolerance = 0.1'
    (tmp_path / "policy.toml").write_text(f'schema = "gptaudit.policy/1"\n{rule}', "utf-8")
    monkeypatch.chdir(tmp_path)
    names = {"model": loaded[0], "tokenizer": loaded[1]}

    exec(block, names)  # noqa: S102 - our own README

    assert names["audit"].verdict == "fail"
