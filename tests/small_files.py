"""The program where files may grow to a few kilobytes alone, as on a disk that is full."""

from __future__ import annotations

import subprocess
import sys


def gptaudit_in_small_files(kibibytes, *arguments):
    """Run `gptaudit` in a process of its own; return what it wrote and its code."""
    command = [sys.executable, "-m", "gptaudit", *map(str, arguments)]
    return subprocess.run(
        ["/bin/bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "-", *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
