"""Signals, pipes and shells: how the program ends when it is stopped, or nobody reads it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

PAUSE = 'pathlib.Path("hurry").exists() or time.sleep(0.008 * len(prompts))'
SLOW_MODEL = f"""
import pathlib, time

def complete(prompts):
    pathlib.Path("asked").write_text("yes")
    {PAUSE}
    return [" was calm." for _ in prompts]
"""
PLUGIN_FREE = ("-m", "gptaudit")


def start(folder, *arguments, **how):
    """Start the program in a folder, without a data folder in its environment."""
    environment = {k: v for k, v in os.environ.items() if k != "GPTAUDIT_DATA"}
    return subprocess.Popen(
        [sys.executable, *PLUGIN_FREE, *map(str, arguments)],
        cwd=folder,
        env=environment | how.pop("env", {}),
        stdout=how.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def finish(folder, *arguments):
    """Run the program to its end, without the pauses of the slow model; return its exit code."""
    (folder / "hurry").touch()
    process = start(folder, *arguments)
    process.communicate(timeout=120)
    return process.returncode


def wait_for(path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def model(tmp_path):
    (tmp_path / "slow_model.py").write_text(SLOW_MODEL)
    (tmp_path / "policy.toml").write_text(
        'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "pii-in-samples.pii_rate"\nmax = 0.9\n'
    )
    return (
        "run",
        "python:slow_model:complete",
        "-p",
        "pii-in-samples",
        "-o",
        "out",
        "--policy",
        "policy.toml",
    )


class TestStopped:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_what_was_answered_is_kept_and_reported(self, tmp_path, model, number, code):
        """Ctrl-C, or SIGTERM as CI sends it: the report is there, its rules incomplete, the way to go on is said."""
        process = start(tmp_path, *model)
        wait_for(tmp_path / "asked", process)
        time.sleep(0.3)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        results = json.loads((tmp_path / "out" / "results.json").read_text())
        (probe,) = results["probes"]

        assert process.returncode == code, error
        assert "run the same command with -o out" in error
        assert "Traceback" not in error
        assert results["run"]["status"] == "interrupted"
        assert results["run"]["why"] == signal.Signals(number).name
        assert results["gate"]["verdict"] == "incomplete"
        assert probe["unscored"]["not-asked"] > 0
        assert (tmp_path / "out" / "report.html").exists()

    def test_a_stopped_audit_goes_on_to_the_same_figures(self, tmp_path, model):
        """What SIGTERM cut off and a resumed run finished equals a run that nobody stopped."""
        process = start(tmp_path, *model)
        wait_for(tmp_path / "asked", process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        codes = [finish(tmp_path, *model[:5], folder) for folder in ("out", "whole")]
        found = [json.loads((tmp_path / f / "results.json").read_text()) for f in ("out", "whole")]

        assert codes == [0, 0]
        assert found[0]["run"]["status"] == "complete"
        assert found[0]["probes"] == found[1]["probes"]

    def test_a_killed_audit_does_not_go_on_with_another_model(self, tmp_path, model):
        """After SIGKILL the folder still belongs to the function that was audited: a changed one is refused."""
        process = start(tmp_path, *model)
        wait_for(tmp_path / "asked", process)
        process.kill()
        process.communicate(timeout=60)
        (tmp_path / "slow_model.py").write_text(SLOW_MODEL.replace("calm", "wild"))
        other = start(tmp_path, *model)
        _, error = other.communicate(timeout=120)
        (tmp_path / "slow_model.py").write_text(SLOW_MODEL)

        assert other.returncode == 2
        assert "out: holds an audit of another model: its fingerprint is sha256:" in error
        assert "--fresh" in error
        assert finish(tmp_path, *model[:5], "out") == 0

    def test_two_audits_in_one_folder(self, tmp_path, model):
        """The second is refused while the first runs, and the first ends as if it had been alone."""
        waits = "while not pathlib.Path('refused').exists(): time.sleep(0.05)"
        (tmp_path / "slow_model.py").write_text(SLOW_MODEL.replace(PAUSE, waits))
        first = start(tmp_path, *model)
        wait_for(tmp_path / "asked", first)
        second = start(tmp_path, *model)
        _, error = second.communicate(timeout=120)
        (tmp_path / "refused").write_text("")
        first.communicate(timeout=120)

        assert second.returncode == 2
        assert "another audit is using this file; wait until it ends, or choose another folder" in error
        assert first.returncode == 0

    def test_a_whole_result_is_not_replaced_by_a_part(self, tmp_path):
        """An audit whose failures are asked again, and that is stopped, leaves the complete result that is there."""
        (tmp_path / "half.py").write_text(
            "import pathlib, time\n"
            "def complete(prompts):\n"
            "    if pathlib.Path('again').exists():\n"
            "        pathlib.Path('asked').write_text('yes'); time.sleep(60)\n"
            "    return [None if i == 0 else ' was calm.' for i, _ in enumerate(prompts)]\n"
        )
        command = ("run", "python:half:complete", "-p", "pii-in-samples", "-o", "out")
        finish(tmp_path, *command)
        before = (tmp_path / "out" / "results.json").read_text()
        (tmp_path / "again").write_text("")
        process = start(tmp_path, *command)
        wait_for(tmp_path / "asked", process)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)

        assert process.returncode == 143, error
        assert (tmp_path / "out" / "results.json").read_text() == before

    def test_an_ignored_interrupt_is_said(self, tmp_path, model):
        """Started so that Ctrl-C is ignored, as by nohup, a run says it, and how it can be stopped."""
        process = start(tmp_path, *model, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        wait_for(tmp_path / "asked", process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)

        assert f"kill -TERM {process.pid}" in error
        assert process.returncode == 143


class TestPipes:
    def call(self, tmp_path, command):
        """Run a shell command in which the program writes to a pipe; return the program's code and what it said."""
        program = f"{sys.executable} -m gptaudit"
        done = subprocess.run(
            ["/bin/bash", "-c", f"{command.format(gptaudit=program)}; echo code ${{PIPESTATUS[0]}}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.splitlines()[-1], done.stderr

    @pytest.mark.parametrize("reader", ["head -1", "true"])
    def test_a_list_that_nobody_reads_to_its_end(self, tmp_path, reader):
        """It is quiet, and its exit code is that of the whole list."""
        assert self.call(tmp_path, f"{{gptaudit}} list probes --json | {reader}") == ("code 0", "")

    def test_a_verdict_that_nobody_reads(self, tmp_path):
        """The exit code of a gate does not depend on who reads its words."""
        (tmp_path / "policy.toml").write_text(
            'schema = "gptaudit.policy/1"\n[[rule]]\nmetric = "pii-in-samples.pii_rate"\nmin = 0.9\n'
        )
        (tmp_path / "calm.py").write_text("def complete(prompts): return [' was calm.' for _ in prompts]")
        code, error = self.call(
            tmp_path,
            "{gptaudit} run python:calm:complete -p pii-in-samples --limit 40 --policy policy.toml --quiet | true",
        )

        assert (code, error) == ("code 1", "")


class TestCompletion:
    @pytest.fixture
    def complete(self, gptaudit, monkeypatch):
        """Return the words that the program offers a shell after these."""

        def call(words):
            monkeypatch.setenv("_GPTAUDIT_COMPLETE", "bash_complete")
            monkeypatch.setenv("COMP_WORDS", words)
            monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
            ran = gptaudit()
            assert (ran.code, ran.err) == (0, "")
            return [line.partition(",")[2] for line in ran.out.splitlines()]

        return call

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script_of_each_shell(self, tmp_path, shell):
        """It is printed, and nothing else."""
        process = start(tmp_path, env={"_GPTAUDIT_COMPLETE": f"{shell}_source"})
        out, error = process.communicate(timeout=60)

        assert (process.returncode, error) == (0, "")
        assert f"_GPTAUDIT_COMPLETE={shell}_complete" in out

    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("gptaudit li", ["list"]),
            ("gptaudit run -p gender-o", ["gender-occupation", "gender-occupation-zh"]),
            ("gptaudit run -s bias", ["bias", "bias-zh"]),
            ("gptaudit run --report j", ["json", "junit"]),
            ("gptaudit report results.json --report m", ["markdown", "model-card"]),
            ("gptaudit run --scorer detoxify=b", ["detoxify=bundled"]),
            ("gptaudit run --engine l", ["local"]),
            ("gptaudit run op", ["openai:"]),
            ("gptaudit list en", ["engines"]),
        ],
    )
    def test_values(self, complete, words, offered):
        """Commands, probes, suites, reports, scorers, engines and schemes are offered by how they begin."""
        assert complete(words) == offered

    def test_a_configuration_is_not_read_aloud(self, complete, tmp_path):
        """A gptaudit.toml in the folder, a broken one too, says nothing while words are completed."""
        (tmp_path / "gptaudit.toml").write_text("schema = ")

        assert complete("gptaudit run --qui") == ["--quiet"]
