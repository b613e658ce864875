"""
Time of each published suite on the bundled decoder, from the command line and with its report.

    GPTAUDIT_DATA=DIR python tests/bench/published_suites.py [--limit N] [--probe NAME]...

Prints a Markdown table: cases, seconds on the clock, and seconds of the processor, which other work on the machine
does not change. Every suite is audited in a process and a folder of its own, so that none profits from another;
a suite without its data is named with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gptaudit.plugins import load_plugins

TARGET = "decoder:reference"


@dataclass(frozen=True)
class Run:
    """What one audit took; `failure` says why there was none."""

    cases: int
    seconds: float
    processor: float
    failure: str = ""


def published() -> list[str]:
    """Name the probes that read a public data set."""
    return [name for name, probe in load_plugins().probes.items() if probe.data_set]


def audit(probe: str, limit: int | None) -> Run:
    """Audit the bundled decoder with one probe."""
    with TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "gptaudit",
            "run",
            TARGET,
            "-p",
            probe,
            "-o",
            folder,
            "--config",
            "none",
        ]
        command += [] if limit is None else ["--limit", str(limit)]
        started, before = time.perf_counter(), os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds, after = time.perf_counter() - started, os.times()
        processor = sum(after[2:4]) - sum(before[2:4])
        results = Path(folder) / "results.json"
        if not results.exists():
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            return Run(0, seconds, processor, said[-1])
        (found,) = json.loads(results.read_text(encoding="utf-8"))["probes"]
        failure = "" if found["status"] == "scored" else found["reason"]
        return Run(found["cases"], seconds, processor, failure)


def main() -> None:
    """Print the table, a row as soon as its suite is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--limit", type=int, help="cases of each suite; all without it")
    parser.add_argument("--probe", action="append", choices=published(), help="a suite; all without it")
    asked = parser.parse_args()
    print("| probe | cases | seconds | processor |", "|---|---:|---:|---:|", sep="\n", flush=True)
    runs = []
    for probe in asked.probe or published():
        run = audit(probe, asked.limit)
        runs.append(run)
        figures = (
            f"{run.failure} | | "
            if run.failure
            else f"{run.cases:,} | {run.seconds:.0f} | {run.processor:.0f}"
        )
        print(f"| `{probe}` | {figures} |", flush=True)
    scored = [run for run in runs if not run.failure]
    totals = (
        sum(run.cases for run in scored),
        sum(r.seconds for r in scored),
        sum(r.processor for r in scored),
    )
    print("| all | {:,} | {:.0f} | {:.0f} |".format(*totals))


if __name__ == "__main__":
    main()
