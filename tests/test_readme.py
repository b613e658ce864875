"""The program accepts what the README shows, and the CI examples do what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from gptaudit.plugins import load_plugins
from gptaudit.run.configuration import read_configuration, starting_configuration

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

CALL = re.compile(r"(?<![\w.-])gptaudit((?: +[^\s#&|;'`]+)+)")
"""A call of the program, as far as a comment, another command or the end of the line."""

CONFIGURATION = """
schema = "gptaudit.config/1"
target = "python:calm:complete"
probes = ["pii-in-samples"]
limit = 40
policy = "policy.toml"
output = "audit"
reports = ["junit", "markdown"]
"""

POLICY = 'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "pii-in-samples.pii_rate"\n{limit}\n'


def blocks(language, containing=""):
    return [text for name, text in BLOCKS if name == language and containing in text]


def calls(text):
    """Return the arguments of every call of the program in a piece of code."""
    return [shlex.split(found) for found in CALL.findall(text.replace("\\\n", " "))]


SHOWN = [call for name, text in BLOCKS if name in {"console", "sh", "yaml", "groovy"} for call in calls(text)]

MENTIONED = [
    call
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    for call in calls(span)
]


def leaves(command):
    """Return the commands under a group, or the command itself."""
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for inner in command.commands.values() for leaf in leaves(inner)]


@pytest.fixture
def parse(gptaudit, monkeypatch, tmp_path):
    """Call the program with commands that do nothing once their arguments are understood."""
    for command in load_plugins().commands.values():
        for leaf in leaves(command):
            monkeypatch.setattr(leaf, "callback", lambda *_, **__: None)
    (tmp_path / "gptaudit.toml").write_text(starting_configuration())
    return gptaudit


@pytest.fixture
def workspace(tmp_path):
    """Make a folder with what the examples expect there, and return what runs a script in it."""
    (tmp_path / "calm.py").write_text("def complete(prompts): return [' was calm.' for _ in prompts]")
    (tmp_path / "gptaudit.toml").write_text(CONFIGURATION)
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": "step-summary.md",
    }

    def call(script, *, limit):
        (tmp_path / "policy.toml").write_text(POLICY.format(limit=limit))
        return subprocess.run(
            ["/bin/bash", "-ec", script],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


class TestCommands:
    @pytest.mark.parametrize("arguments", SHOWN, ids=shlex.join)
    def test_every_call_is_accepted(self, parse, arguments):
        """Every command line that is shown has a command, arguments and options that there are."""
        ran = parse(*arguments)

        assert ran.code == 0, ran.err

    @pytest.mark.parametrize("arguments", MENTIONED, ids=shlex.join)
    def test_every_mention_names_what_there_is(self, parse, arguments):
        """A command that the text mentions, maybe without its arguments, and its options exist."""
        assert "No such" not in parse(*arguments).err

    @pytest.mark.parametrize("arguments", [["run", "--polciy", "default"], ["rnu"], ["run", "a", "b"]])
    def test_the_check_can_fail(self, parse, arguments):
        """The checks above see an option, a command and an argument that there are not."""
        assert parse(*arguments).code == 2


class TestContinuousIntegration:
    def test_the_configuration_is_valid(self, tmp_path):
        """The example of a gptaudit.toml is accepted, with all that it says."""
        (text,) = blocks("toml", "gptaudit.config/1")
        (tmp_path / "gptaudit.toml").write_text(text)

        assert len(read_configuration(tmp_path / "gptaudit.toml").arguments) == text.count(" = ") - 1

    def test_every_example_names_the_file(self):
        """Each server's example reads a file that must be there: without it another audit would pass."""
        found = [call for language in ("sh", "yaml", "groovy") for b in blocks(language) for call in calls(b)]
        runs = [call for call in found if call[0] == "run"]

        assert len(runs) == 5
        assert all("--config" in call for call in runs)

    def test_what_is_kept_is_what_is_written(self):
        """The examples keep the folder and the reports that the configuration asks for."""
        (github,) = [yaml.safe_load(b) for b in blocks("yaml", "runs-on:")]
        (gitlab,) = [yaml.safe_load(b) for b in blocks("yaml", "image:")]
        (upload,) = [
            step for step in github["jobs"]["audit"]["steps"] if "upload-artifact" in step.get("uses", "")
        ]

        assert upload["with"]["path"] == "audit"
        assert gitlab["audit"]["artifacts"]["paths"] == ["audit/"]
        assert gitlab["audit"]["artifacts"]["reports"] == {"junit": "audit/junit.xml"}

    def test_the_steps_run(self, workspace, tmp_path):
        """The steps of GitHub's example, all but the installation, pass and leave what they say."""
        (workflow,) = [yaml.safe_load(block) for block in blocks("yaml", "runs-on:")]
        steps = [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step]
        ran = workspace("\n".join(s for s in steps if "pip install" not in s), limit="max = 0.9")

        assert ran.returncode == 0, ran.stderr
        assert (tmp_path / "step-summary.md").read_text() == (tmp_path / "audit" / "summary.md").read_text()
        assert (tmp_path / "audit" / "junit.xml").is_file()

    @pytest.mark.parametrize(
        ("limit", "code", "said"), [("min = 0.9", 1, "failed"), ("mx = 1", 2, "no audit")]
    )
    def test_the_shell_example_decides(self, workspace, limit, code, said):
        """The shell example ends with the program's own code and says what it means."""
        (script,) = blocks("sh")
        ran = workspace(script, limit=limit)

        assert ran.returncode == code, ran.stderr
        assert ran.stdout.splitlines()[-1].startswith(said)
