"""A probe in a file of the user's own: `gptaudit run -p ./my_probe.py`."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

import gptaudit as package

PROBE = """
from __future__ import annotations

from dataclasses import dataclass

from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored, hookimpl


@dataclass(frozen=True)
class Question:
    text: str


class Shouting(Probe):
    id = "shouting"
    title = "Shouting"
    suite = "mine"
    needs = frozenset({"generate"})
    judges_cut = True
    metrics = (MetricSpec("loud_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)

    def cases(self, context):
        for text in ("One", "Two", "Three"):
            yield Case(text, text, (GenerateRequest(Question(text).text),))

    def measure(self, answered):
        return Scored({"loud_rate": float("!" in answered.completions[0].text)})
"""
INSTANCE = "\n\nquiet = Shouting()\nquiet.id = 'quiet'\n"
HOOK = "\n\n@hookimpl\ndef gptaudit_register_probes(register):\n    register(Shouting())\n"
MODEL = "def calm(prompts): return [f'{p}!' for p in prompts]"


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calm_model.py").write_text(MODEL)

    def write(text, name="my_probe.py"):
        (tmp_path / name).write_text(text)
        return f"./{name}"

    return write


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("", "shouting"),
        pytest.param(INSTANCE, "quiet", marks=pytest.mark.slow),
        pytest.param(HOOK, "shouting", marks=pytest.mark.slow),
    ],
)
def test_a_class_an_instance_or_a_hook_is_enough(own, gptaudit, tmp_path, more, name):
    """The file is a plugin whose version is the hash of its content, which is part of the method too."""
    file = own(PROBE + more)
    ran = gptaudit("run", "python:calm_model:calm", "-p", file, "-o", "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    digest = f"sha256:{sha256((PROBE + more).encode()).hexdigest()}"

    assert ran.code == 0, ran.err
    probes = {probe["id"]: probe for probe in results["probes"]}
    assert probes.keys() == {name}
    assert probes[name]["metrics"][0]["value"] == 1.0
    assert probes[name]["method"] == {"code": digest, "sampling": "the target's own"}
    assert {"name": file, "version": digest, "origin": "a file of the user's own"} in results["run"][
        "plugins"
    ]


def test_it_may_stand_in_the_configuration_and_in_python(own, gptaudit, tmp_path):
    """A relative path starts at the folder of the configuration; from Python at the working folder."""
    file = own(PROBE)
    (tmp_path / "gptaudit.toml").write_text('schema = "gptaudit.config/1"\nprobes = ["./my_probe.py"]\n')
    ran = gptaudit("run", "python:calm_model:calm", "--config", tmp_path / "gptaudit.toml", "-o", "out")
    audit = package.audit(lambda prompts: ["Hm."] * len(prompts), probes=[file], quiet=True)

    assert ran.code == 0, ran.err
    assert audit.figure("shouting.loud_rate").value == 0.0


@pytest.mark.slow
def test_it_is_verified_with_its_file_alone(own, gptaudit, tmp_path):
    """Results name no file to be run: whoever verifies names it, and another content is another method."""
    file = own(PROBE)
    gptaudit("run", "python:calm_model:calm", "-p", file, "-o", "out")
    without, verified = gptaudit("verify", "out"), gptaudit("verify", "out", "-p", file)
    changed = gptaudit("verify", "out", "-p", own(PROBE.replace('"!"', '"?"')))

    assert without.code == 2
    assert "name its file with -p FILE.py" in without.err
    assert verified.code == 0, verified.out + verified.err
    assert changed.code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import gptaudit\n\nx = (\n", "./my_probe.py, line 3: SyntaxError"),
        ("x = 1\n\ny = x / 0\n", "./my_probe.py, line 3: ZeroDivisionError: division by zero; fix the file"),
        ("import nothing_of_this_name\n", "./my_probe.py, line 1: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "./my_probe.py, line 1: SystemExit"),
        ("x = 1\n", "./my_probe.py: expected a Probe, its class, or a function gptaudit_register_probes"),
        (
            PROBE + "    def __init__(self, name):\n        self.name = name\n",
            "line 14: Shouting() raised TypeError",
        ),
        (PROBE.replace('"lower"', '"down"'), "'./my_probe.py' registers a probe that cannot be used"),
        (
            HOOK.replace("probes(", "prbes(")
            .replace("register(S", "(S")
            .replace("@hook", "from gptaudit import hookimpl\n@hook"),
            "has no hook 'gptaudit_register_prbes'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(own, gptaudit, text, said):
    """Exit 2, without a traceback."""
    ran = gptaudit("run", "python:calm_model:calm", "-p", own(text), "-o", "out")

    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_file_that_is_not_there(gptaudit):
    """The file is named."""
    ran = gptaudit("run", "-p", "./gone.py")

    assert ran.code == 2
    assert "gone.py: cannot be read: No such file" in ran.err
