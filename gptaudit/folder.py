"""The run folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from gptaudit.errors import UsageError
from gptaudit.store import FILE_NAME as STORE

RESULTS = "results.json"
TRACEBACK = "traceback.txt"


def default_folder(target: str) -> Path:
    """Name a new folder by target and time: `audits/decoder-reference-20260102T030405Z`."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", target).strip("-.")[-60:]
    return Path("audits") / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def prepare(folder: Path, *, fresh: bool) -> None:
    """Make the folder usable, or raise `UsageError`; `fresh` removes an earlier audit's files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".gptaudit-writable"
        probe.touch()
        probe.unlink()
        if fresh:
            for name in (STORE, f"{STORE}-wal", f"{STORE}-shm", RESULTS, TRACEBACK):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        msg = f"{folder}: the output folder cannot be written: {error.strerror or error}; choose another with -o DIR"
        raise UsageError(msg) from None
    if (folder / RESULTS).exists() and not (folder / STORE).exists():
        msg = f"{folder}: holds the results of another audit without its {STORE}; choose another with -o, or --fresh"
        raise UsageError(msg)
