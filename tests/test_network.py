"""Nothing leaves the machine: every connection of a local audit and of its commands stays on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

WITHOUT_NETWORK = ("unshare", "--map-root-user", "--net")
TRACED = ("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o")
CONNECTED = re.compile(r"(?:connect|sendto|sendmsg)\(.*sa_family=AF_INET6?.*?\"([^\"]+)\"")
PLACES = ("real_models", "data")
"""Fixtures that commands name in braces."""
COMMANDS = (
    ("list", "probes"),
    ("data", "list"),
    (
        "run",
        "decoder:reference",
        "-p",
        "gender-trait",
        "-p",
        "toxicity-prompts",
        "--limit",
        "20",
        "-o",
        "out",
    ),
    (
        "run",
        "hf:{real_models}/smollm2",
        "-p",
        "gender-trait",
        "-p",
        "toxicity-prompts",
        "--limit",
        "4",
        "-o",
        "real",
    ),
    ("explain", "decoder:reference", "--prompt", "The nurse said that", "--target", " she", "--foil", " he"),
    ("report", "out/results.json", "--report", "junit"),
    ("verify", "out"),
    ("scorers", "evaluate", "toxicity", "--data", "{data}"),
    ("doctor",),
)


@pytest.fixture(scope="module", autouse=True)
def _tools():
    for tool in ("strace", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if subprocess.run([*WITHOUT_NETWORK, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command[:2]))
def test_no_connection_leaves(command, home, request):
    """Without a network every command does its work, and under strace none tries to reach anything else."""
    needed = {name for part in command for name in PLACES if f"{{{name}}}" in part}
    places = {name: request.getfixturevalue(name) for name in needed}
    given = [part.format(**places) for part in command]
    trace = home / "trace"
    hidden = {"GPTAUDIT_DATA", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}
    ran = subprocess.run(
        [*WITHOUT_NETWORK, *TRACED, str(trace), sys.executable, "-m", "gptaudit", *given],
        check=False,
        cwd=home,
        env={key: value for key, value in os.environ.items() if key not in hidden},
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stderr
    assert set(CONNECTED.findall(trace.read_text())) <= {"127.0.0.1", "::1"}


def test_a_connection_would_be_seen(home):
    """The trace of a program that does try to leave names the address."""
    trace = home / "trace"
    leaving = "import socket; socket.socket().connect_ex(('192.0.2.1', 80))"
    subprocess.run([*WITHOUT_NETWORK, *TRACED, str(trace), sys.executable, "-c", leaving], check=True)

    assert CONNECTED.findall(trace.read_text()) == ["192.0.2.1"]
