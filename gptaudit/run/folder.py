"""The run folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from gptaudit.errors import UsageError
from gptaudit.evidence.stored import FILE_NAME as STORE

RESULTS = "results.json"
TRACEBACK = "traceback.txt"
STATEMENT = "statement.intoto.json"


def default_folder(target: str) -> Path:
    """Name a new folder by target and time: `audits/decoder-reference-20260102T030405Z`."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", target).strip("-.")[-60:]
    return Path("audits") / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


@contextmanager
def prepared(folder: Path, *, fresh: bool, model: Path | None = None) -> Iterator[None]:
    """Make the folder and see that it can be written, or raise `UsageError`; leave no empty folder behind.

    A folder inside that of a `model` is refused: what is written there would make it another model.
    What an earlier audit left is touched only when the new one opens its store.
    """
    if model is not None and model.is_dir() and folder.resolve().is_relative_to(model.resolve()):
        msg = f"{folder}: lies inside the model's folder {model}, and what is written there would change the model; "
        raise UsageError(f"{msg}choose another with -o DIR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".gptaudit-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        msg = f"{folder}: the output folder cannot be written: {error.strerror or error}; choose another with -o DIR"
        raise UsageError(msg) from None
    if (folder / RESULTS).exists() and not (folder / STORE).exists() and not fresh:
        msg = f"{folder}: holds the results of another audit without its {STORE}; choose another with -o, or --fresh"
        raise UsageError(msg)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def forget(folder: Path, reports: Iterable[str]) -> None:
    """Remove an earlier audit's results, with the files of its reports and its statement."""
    for name in (RESULTS, STATEMENT, *reports):
        (folder / name).unlink(missing_ok=True)
