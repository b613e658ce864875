"""The output folder of a training: begun, gone on with, or finished."""

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

RECORD = "training.json"
PLAN = "plan.json"
WRITING = ("PytorchStreamWriter", "inline_container", "iostream error", "file write failed")
"""Words by which torch says that a file could not be written; the second stands where one cannot be read, too."""


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Where a training writes: its results to `out`, and until then what it needs to go on to `out/checkpoints`."""

    out: Path

    @property
    def path(self) -> Path:
        """The folder of what is needed until the end."""
        return self.out / "checkpoints"

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer, until it stands beside the weights."""
        return self.path / "tokenizer"

    def begin(self) -> None:
        """See that the folder is new, or holds only what was left before all was ready to be trained.

        Raises:
            UsageError: it is in use, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            used = self.planned() or any(path != self.path for path in self.out.iterdir())
        except OSError as error:
            msg = f"output folder {self.out}: cannot be made or read ({error.strerror}); choose another with --out"
            raise UsageError(msg) from error
        if used:
            msg = f"output folder {self.out}: is not empty; choose a new or empty folder with --out"
            msg += ", or go on with its training by --resume" if self.planned() else ""
            raise UsageError(msg)
        if not os.access(self.path, os.W_OK):
            msg = f"output folder {self.out}: cannot be written; choose another with --out"
            raise UsageError(msg)

    def planned(self) -> bool:
        """Whether all was ready to be trained."""
        return (self.path / PLAN).exists()

    def unprepared(self) -> bool:
        """Whether a training was begun here and ended before all was ready."""
        return self.path.exists() and not self.planned() and not (self.out / RECORD).exists()

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Write down what decides the weights."""
        write_json(self.path / PLAN, plan)

    def compare(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """See that the training to be resumed was planned in the same way; return its record if it is finished.

        Raises:
            UsageError: there is none, or a key differs; the message names the first.
        """
        record = self._read(self.out / RECORD)
        before = self._read(self.path / PLAN) if record is None else record
        if before is None:
            msg = f"--resume: {self.out} holds no training to go on with; leave out --resume to begin one"
            raise UsageError(msg)
        begun = dict(_flat(before))
        for key, value in _flat(plan):
            if begun.get(key) != value:
                msg = (
                    f"--resume: the training in {self.out} was begun with {key}={begun.get(key)!r}, this one has "
                    f"{value!r}; give the same, or another --out"
                )
                raise UsageError(msg)
        return record

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the record, and remove what is not needed any more."""
        write_json(self.out / RECORD, record)
        shutil.rmtree(self.path, ignore_errors=True)


def _flat(plan: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Name each value by its path: `settings.learning_rate`."""
    for key, value in plan.items():
        yield from _flat(value, f"{within}{key}.") if isinstance(value, dict) else [(within + key, value)]


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file at once: it is there whole, or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


RESUME = "checkpoints that were whole are kept. Free space, then go on with --resume"


@contextmanager
def room_for(out: Path, remedy: str = RESUME) -> Iterator[None]:
    """Say in plain words that a file could not be written, whichever library wrote it, and what to do.

    Raises:
        UsageError: the disk is full, or the file larger than the system allows.
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
    msg = f"output folder {out}: a file could not be written ({why}); {remedy}"
    raise UsageError(msg)


def _why_unwritten(error: Exception) -> str | None:
    """Say why a file could not be written, or None where the error is another one."""
    for each in (error, error.__context__, error.__cause__):
        if isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return os.strerror(each.errno)
    # torch and safetensors say it in words only.
    text = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in text:
            return os.strerror(number)
    writing = any(words in text for words in WRITING) and "PytorchStreamReader" not in text
    return "the disk may be full" if writing else None
