"""The GitHub Action: its steps, run as GitHub runs them, end as the policy says and leave the summary."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ACTION = yaml.safe_load(
    (Path(__file__).parents[1] / "plugins" / "gptaudit-action" / "action.yml").read_text("utf-8")
)
CONFIGURATION = """
schema = "gptaudit.config/1"
target = "python:calm:complete"
probes = ["canary-extraction"]
limit = 5
policy = "policy.toml"
output = "audit"
"""
POLICY = 'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "canary-extraction.{metric}"\n{limit}\n'


def run(step, folder, values):
    """Run a step; what it writes into `GITHUB_OUTPUT` are values for the steps after it."""

    def filled(text):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)

    (folder / "output").write_text("")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "step-summary.md"),
        "RUNNER_TEMP": str(folder),
        **{name: filled(value) for name, value in step.get("env", {}).items()},
    }
    ran = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    for line in (folder / "output").read_text().splitlines():
        name, _, value = line.partition("=")
        values[f"steps.{step['id']}.outputs.{name}"] = value
    return ran


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "code"), [("max = 0.9", 0), ("min = 0.9", 1), ("mx = 1", 2)], ids=["pass", "fail", "usage"]
)
def test_the_steps_end_as_the_policy_says(tmp_path, limit, code):
    """All steps but the installation: the last one ends with the program's own code, after the summary was shown."""
    (tmp_path / "calm.py").write_text("def complete(prompts): return [' was calm.' for _ in prompts]")
    (tmp_path / "gptaudit.toml").write_text(CONFIGURATION)
    (tmp_path / "policy.toml").write_text(POLICY.format(metric="extraction_rate", limit=limit))
    values = {"inputs.configuration": ACTION["inputs"]["configuration"]["default"]}
    _, audit, summary, decide = ACTION["runs"]["steps"]
    ran = [run(step, tmp_path, values) for step in (audit, summary, decide)]

    assert [each.returncode for each in ran] == [0, 0, code], "".join(each.stderr for each in ran)
    assert ACTION["outputs"]["code"]["value"] == "${{ steps.audit.outputs.code }}"
    assert (tmp_path / "step-summary.md").exists() == (code != 2)
    if code != 2:
        assert (tmp_path / "step-summary.md").read_text() == (tmp_path / "audit" / "summary.md").read_text()


def test_every_value_is_an_input_or_of_a_step():
    """No step refers to what the action has not, and no input stands in a script, where its text would be run."""
    steps = ACTION["runs"]["steps"]
    known = {f"inputs.{name}" for name in ACTION["inputs"]} | {
        f"steps.{s['id']}.outputs.code" for s in steps if "id" in s
    }
    used = {
        name
        for s in steps
        for text in s.get("env", {}).values()
        for name in re.findall(r"\{\{ (.*?) \}\}", text)
    }

    assert used <= known
    assert not any("${{" in step["run"] for step in steps)
