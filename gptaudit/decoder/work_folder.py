"""Output folder of a training: its plan, checkpoints and final record."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptaudit.errors import UsageError
from gptaudit.files import read_object, write_atomic

RECORD = "training.json"
PLAN = "plan.json"
WRITING = ("PytorchStreamWriter", "inline_container", "iostream error", "file write failed")
"""Parts of torch's messages when a file cannot be written; the second also appears when one cannot be read."""


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Output folder of a training: results in `out` and, until it ends, files to resume from in `out/checkpoints`."""

    out: Path

    @property
    def path(self) -> Path:
        """Folder of the files that are needed until the training ends."""
        return self.out / "checkpoints"

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer until the training ends."""
        return self.path / "tokenizer"

    def begin(self) -> None:
        """Create the folder; it may contain only the remains of a training that was killed during preparation.

        Raises:
            UsageError: it is in use, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            used = self.planned() or any(path != self.path for path in self.out.iterdir())
        except OSError as error:
            msg = f"output folder {self.out}: cannot be created or read ({error.strerror}); choose another with --out"
            raise UsageError(msg) from error
        if used:
            msg = f"output folder {self.out}: is not empty; choose a new or empty folder with --out"
            msg += ", or continue its training with --resume" if self.planned() else ""
            raise UsageError(msg)
        if not os.access(self.path, os.W_OK):
            msg = f"output folder {self.out}: cannot be written; choose another with --out"
            raise UsageError(msg)

    def planned(self) -> bool:
        """Whether the preparation was completed."""
        return (self.path / PLAN).exists()

    def unprepared(self) -> bool:
        """Whether a training here was killed during preparation."""
        return self.path.exists() and not self.planned() and not (self.out / RECORD).exists()

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Record the settings and data that decide the weights."""
        _write(self.path / PLAN, plan)

    def compare(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """Check that the training to resume has the same plan; return its record if it is finished.

        Raises:
            UsageError: there is none, or a key differs; the message names the first.
        """
        record = self._read(self.out / RECORD)
        before = self._read(self.path / PLAN) if record is None else record
        if before is None:
            msg = f"--resume: {self.out} contains no training to resume; omit --resume to start one"
            raise UsageError(msg)
        planned = dict(_flat(before))
        for key, value in _flat(plan):
            if planned.get(key) != value:
                msg = (
                    f"--resume: the training in {self.out} was started with {key}={planned.get(key)!r}, this one has "
                    f"{value!r}; give the same value, or another --out"
                )
                raise UsageError(msg)
        return record

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        remedy = "start anew without --resume, with another --out"
        return read_object(path, error=UsageError, remedy=remedy) if path.exists() else None

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the record, and remove the files that are no longer needed."""
        _write(self.out / RECORD, record)
        shutil.rmtree(self.path, ignore_errors=True)


def _flat(plan: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value with its path: `settings.learning_rate`."""
    for key, value in plan.items():
        yield from _flat(value, f"{within}{key}.") if isinstance(value, dict) else [(within + key, value)]


RESUME = "Complete checkpoints are kept. Free space, then continue with --resume"


def _write(path: Path, document: Mapping[str, Any]) -> None:
    write_atomic(path, json.dumps(document, indent=2) + "\n", remedy=RESUME)


@contextmanager
def room_for(out: Path, remedy: str = RESUME) -> Iterator[None]:
    """Convert the errors that libraries raise on a full disk to a `UsageError` that ends with `remedy`.

    Raises:
        UsageError: the disk is full, or a file is larger than the system allows.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        why = _why_unwritten(error)
        if why is None:
            raise
    else:
        return
    msg = f"output folder {out}: a file could not be written ({why}). {remedy}"
    raise UsageError(msg)


def _why_unwritten(error: Exception) -> str | None:
    """Return why a file could not be written, or None for any other error."""
    for each in (error, error.__context__, error.__cause__):
        if isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return os.strerror(each.errno)
    # torch and safetensors give the reason only as text.
    text = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in text:
            return os.strerror(number)
    writing = any(words in text for words in WRITING) and "PytorchStreamReader" not in text
    return "the disk may be full" if writing else None
