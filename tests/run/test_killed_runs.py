"""An audit that is killed many times ends with the figures of one that is not, and asks nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress

import pytest

from gptaudit.testing.faulty_server import FaultyServer

pytestmark = pytest.mark.slow

KILLS = 10
"""For each of the four targets; those of the Ray engine come on top, where it is installed."""
FUNCTION = """
import time

def longer(prompts):
    with open("asked.log", "a") as log:
        for prompt in prompts:
            print(repr(prompt), file=log)
    time.sleep(0.1 * len(prompts))
    return [prompt * 2 for prompt in prompts]
"""
LONG_BY_RAY = ("--engine", "ray", "--limit", "150")
"""Most of its time is that of starting Ray, so more is asked for kills to hit the asking."""
BIAS, TEXTS = ("-p", "gender-trait"), ("-p", "toxicity-prompts")


@contextmanager
def targets(name, home, request):
    """Give the arguments of an audit of a few seconds."""
    if name == "decoder":
        yield ("decoder:reference", *BIAS, *TEXTS)
    elif name == "smollm2":
        yield (f"hf:{request.getfixturevalue('real_models')}/smollm2", *BIAS, "--limit", "60")
    elif name in {"function", "ray"}:
        (home / "a_function.py").write_text(FUNCTION)
        yield ("python:a_function:longer", *TEXTS, *(LONG_BY_RAY if name == "ray" else ("--limit", "40")))
    else:
        faults = {"500": 0.05, "reset": 0.05, "429": 0.05}
        with FaultyServer(faults=faults, latency=0.05, seed=3) as server:
            yield ("openai:toy", "-b", f"base_url={server.url}", *TEXTS, "--limit", "60")


def start(home, output, arguments):
    """Start the audit in a group of its own, so that a signal meets its workers too."""
    environment = {key: value for key, value in os.environ.items() if key != "GPTAUDIT_DATA"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gptaudit", "run", *arguments, "--quiet", "-o", output],
        cwd=home,
        env=environment | {"PYTHONPATH": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kept(folder):
    """Return the prompts of the answers in a store, by their keys."""
    if not (folder / "evidence.sqlite").exists():
        return {}
    query = "SELECT key, json_extract(request, '$.prompt') FROM answers JOIN requests USING (key) WHERE NOT failed"
    with closing(sqlite3.connect(folder / "evidence.sqlite")) as db:
        has = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchall()
        return dict(db.execute(query)) if has else {}


def log(home):
    """Return how often the function was given each prompt since the last look."""
    path = home / "asked.log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return Counter(lines)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["decoder", "function", "openai", "smollm2", "ray"])
def test_kills_change_nothing(name, tmp_path, request):
    """SIGKILL, SIGTERM and SIGINT at random moments, then a run to the end."""
    moments = random.Random(0)
    if name == "ray":
        pytest.importorskip("gptaudit_ray", reason="the Ray engine is not installed")
    with targets(name, tmp_path, request) as arguments:
        began = time.monotonic()
        process = start(tmp_path, tmp_path / "peace", arguments)
        _, said = process.communicate()
        assert process.returncode == 0, said
        seconds = time.monotonic() - began
        all_asked = log(tmp_path)
        peace = json.loads((tmp_path / "peace" / "results.json").read_text())
        total = peace["run"]["cost"]["requests"]
        folder, amounts = tmp_path / "war", []
        for number in range(KILLS):
            before = kept(folder)
            process = start(tmp_path, folder, arguments)
            time.sleep(moments.uniform(0, 1.1 * seconds))
            with suppress(ProcessLookupError):  # it may be done
                os.killpg(process.pid, moments.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            process.communicate()
            after = kept(folder)
            assert before.items() <= after.items()
            assert log(tmp_path) + Counter(map(repr, before.values())) <= all_asked or name != "function"
            amounts.append(len(after))
            if len(after) == total and number < KILLS - 1:
                folder = tmp_path / f"war{number}"  # in this one nothing is left to hit
        last = start(tmp_path, folder, arguments)
        assert last.communicate()[1] == said

    war = json.loads((folder / "results.json").read_text())
    assert war["run"]["status"] == "complete"
    assert war["probes"] == peace["probes"]
    assert war["run"]["cost"]["requests_cached"] == amounts[-1]
    assert any(0 < amount < total for amount in amounts)  # the kills did hit the asking
