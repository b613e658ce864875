"""Run gptaudit with a limit on file size, which acts like a full disk."""

from __future__ import annotations

import subprocess
import sys


def gptaudit_in_small_files(kibibytes, *arguments):
    """Run `gptaudit` in a subprocess; return its output and exit code."""
    command = [sys.executable, "-m", "gptaudit", *map(str, arguments)]
    return subprocess.run(
        ["/bin/bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "-", *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
