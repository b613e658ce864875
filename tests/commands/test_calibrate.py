"""`gptaudit calibrate` in worker processes, with a flaw and a probe from a plugin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gptaudit.evidence.calibration_file import read_calibration
from gptaudit.plugins import load_plugins

PLUGIN = """
from gptaudit.markers import hookimpl
from toy_flaw import Rain, Weather

@hookimpl
def gptaudit_register_flaws(register):
    register(Rain())

@hookimpl
def gptaudit_register_probes(register):
    register(Weather())
"""


class TestUsage:
    def test_a_probe_that_sees_no_flaw(self, gptaudit):
        """It exits 2 and names the probes that can be calibrated."""
        seeing = [name for name, probe in load_plugins().probes.items() if probe.sees]
        ran = gptaudit("calibrate", "winobias")

        assert ran.code == 2
        assert all(name in ran.err for name in ("winobias", *seeing))

    def test_an_unknown_probe(self, gptaudit):
        """It exits 2 and offers the nearest name."""
        ran = gptaudit("calibrate", "gender-ocupation")

        assert (ran.code, "Did you mean 'gender-occupation'" in ran.err) == (2, True)

    def test_an_unknown_shape(self, gptaudit):
        """It exits 2 and names the shapes."""
        ran = gptaudit("calibrate", "gender-occupation", "--shape", "huge")

        assert ran.code == 2
        assert all(name in ran.err for name in ("--shape", "huge", "small", "large"))

    def test_an_output_that_is_a_file(self, gptaudit, tmp_path):
        """It exits 2 and names the file."""
        (tmp_path / "taken").write_text("")
        ran = gptaudit("calibrate", "gender-occupation", "-o", "taken")

        assert (ran.code, "taken" in ran.err) == (2, True)


@pytest.fixture
def calibrate(tmp_path):
    """Return a function that starts the command in its own process group, with the plugin installed."""
    site = tmp_path / "site"
    (site / "toy-1.0.dist-info").mkdir(parents=True)
    (site / "toy_plugin.py").write_text(PLUGIN)
    (site / "toy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (site / "toy-1.0.dist-info" / "entry_points.txt").write_text("[gptaudit]\ntoy = toy_plugin\n")
    path = os.pathsep.join([str(site), str(Path(__file__).parents[1])])
    program = (
        sys.executable,
        "-c",
        "from gptaudit.cli import main; main()",
        "calibrate",
        "weather",
        "--quick",
    )
    started = []

    def start():
        process = subprocess.Popen(
            (*program, "--workers", "2", "-o", "out"),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def trials(folder):
    return {file.name: file.stat().st_mtime_ns for file in (folder / "out" / "trials").glob("*.json")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_interrupted_and_resumed(calibrate, tmp_path):
    """Ctrl-C exits 130 and says how to continue; the same command does the rest and writes both files."""
    process = calibrate()
    while process.poll() is None and not trials(tmp_path):
        time.sleep(0.1)
    before = trials(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)

    assert process.returncode == 130, error
    assert "run the same command with -o out" in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "calibration.json").exists()

    process = calibrate()
    out, error = process.communicate(timeout=500)

    assert process.returncode == 0, error
    assert before.items() <= trials(tmp_path).items()
    assert "rain_rate on rain (1 layer, 64 wide): finds a flaw of 50 points in 1 of 1 trial audits" in out
    (sighting,) = read_calibration(tmp_path / "out" / "calibration.json").probes[0].sightings
    assert [(t.dose, t.seed) for t in sighting.trials] == [(0.0, 0), (0.0, 1), (0.5, 0), (1.0, 0)]
    assert all(t.low <= t.planted <= t.high for t in sighting.trials)
    assert json.loads((tmp_path / "out" / "calibration.json").read_text())["made"]["seed"] == 0
    assert "<svg" in (tmp_path / "out" / "calibration.html").read_text()
