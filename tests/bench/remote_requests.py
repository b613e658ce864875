"""A thousand chat requests to a local server, through the whole program; and servers that only fail.

    python tests/bench/remote_requests.py [--requests 1000] [--latency 0.05] [--only-faults]

The server is a process of its own, whose time is not counted. Prints the seconds of the whole `gptaudit run`, its
processor time a request and the connections it opened; then, for servers that fail in one way from the start or
after 300 requests, the seconds until the program ends, its exit code and its last words.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLUGIN = """
from gptaudit.markers import hookimpl
from gptaudit.records import MetricSpec
from gptaudit.probe import Probe, Scored
from gptaudit.records import Case, GenerateRequest, Sampling


class Length(Probe):
    id = suite = "bench-length"
    title = "Length of an answer"
    needs = frozenset({"generate"})
    judges_cut = True  # the server never ends an answer by itself
    metrics = (MetricSpec("characters", ideal=0.0, direction="lower", unit="characters"),)

    def cases(self, context):
        for i in range(%d):
            yield Case(f"{i:06}", f"{i:06}", (GenerateRequest(f"Tell me of number {i}.", Sampling(16)),))

    def measure(self, answered):
        return Scored({"characters": float(len(answered.completions[0].text))})


@hookimpl
def gptaudit_register_probes(register):
    register(Length())
"""


@contextmanager
def served(*options: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Run the server; afterwards the dictionary holds what it counted."""
    command = [sys.executable, "-m", "gptaudit.testing.faulty_server", *options]
    counts: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip(), counts
        finally:
            counts.update(json.loads(server.communicate()[0]))


def audited(url: str, folder: Path, requests: int) -> tuple[float, float, int, str]:
    """Return the seconds, processor seconds, exit code and last line of an audit by a probe of `requests` prompts."""
    plugin = folder / "bench_length-1.dist-info"
    plugin.mkdir(exist_ok=True)
    (folder / "bench_length.py").write_text(PLUGIN % requests)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-length\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text("[gptaudit]\nbench_length = bench_length\n")
    command = [sys.executable, "-m", "gptaudit", "run", "openai:toy", "-b", f"base_url={url}", "--fresh"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ran = subprocess.run(
        [*command, "-p", "bench-length", "-o", str(folder / "run")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    words = next((line for line in (ran.stderr + ran.stdout).splitlines() if "http://" in line), "")
    return seconds, processor, ran.returncode, words.strip()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--latency", default="0.05")
    parser.add_argument("--only-faults", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(0 if given.only_faults else 3):
            with served("--latency", given.latency) as (url, counts):
                seconds, processor, code, _ = audited(url, folder, given.requests)
            print(
                f"{given.requests} requests: {seconds:.2f} s, {processor * 1000 / given.requests:.2f} ms of processor "
                f"a request, exit {code}, {counts}"
            )
        for fault in ("500", "reset", "hang"):
            for after in ("0", "300"):
                with served("--fault", f"{fault}=1", "--fails-after", after, "--latency", "0.01") as (
                    url,
                    counts,
                ):
                    seconds, _, code, words = audited(url, folder, given.requests)
                print(
                    f"{fault} after {after}: {seconds:.1f} s, exit {code}, {counts['requests']} requests: {words}"
                )


if __name__ == "__main__":
    main()
