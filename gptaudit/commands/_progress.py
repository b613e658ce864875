"""Progress on standard error: bars on a terminal, occasional lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from gptaudit.records.progress import Step, silent
from gptaudit.text import visible

LINE_SECONDS = 30.0
"""Time between two lines if standard error is not a terminal."""


def shown_progress(*, quiet: bool) -> AbstractContextManager[Callable[[Step], None]]:
    """Return a context manager for the function that shows progress and is called with each step."""
    if quiet:
        return nullcontext(silent)
    return Bars() if sys.stderr.isatty() else nullcontext(Lines())


class Lines:
    """Writes one plain line every `LINE_SECONDS`, so that a log shows that the work goes on, and how fast."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._said = time.monotonic()

    def __call__(self, step: Step) -> None:
        """Write a line if the last one is `LINE_SECONDS` old."""
        now = time.monotonic()
        begun = self._begun.setdefault(step.task, now)
        if now - self._said >= LINE_SECONDS:
            self._said = now
            click.echo(line(step, now - begun), err=True)


def line(step: Step, seconds: float) -> str:
    """Return the progress of a task after so many seconds of work, in one line."""
    text = f"{visible(step.task)}: {step.done} of {step.total}"
    fresh = step.done - step.cached
    if seconds > 0 and fresh > 0:
        rate = fresh / seconds
        text += f", {rate_text(rate)}, {(step.total - step.done) / rate:.0f} s left"
    return text + notes(step)


def rate_text(rate: float) -> str:
    """Return a rate per second, minute or hour, whichever is first at least 1: `0.05` a second is `3.0 a minute`."""
    for unit, seconds in (("second", 1), ("minute", 60)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.1f} a {unit}"
    return f"{rate * 3600:.1f} an hour"


def notes(step: Step) -> str:
    """Return what earlier runs did, what failed, and the note of the step."""
    text = f", {step.cached} from earlier runs" if step.cached else ""
    failed = ", ".join(f"{reason} {count}" for reason, count in step.failures.items())
    text += f", failed: {visible(failed)}" if failed else ""
    return text + (f", {visible(step.note)}" if step.note else "")


class Bars:
    """Shows one bar per task."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[notes]}", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Show the progress of a task."""
        now = time.monotonic()
        if step.task not in self._tasks:
            # The bar counts only the work of this run; counting earlier work would make its time left too short.
            task = self._progress.add_task(
                visible(step.task), total=step.total - step.cached, rate="", notes=""
            )
            self._tasks[step.task] = task, now
        task, begun = self._tasks[step.task]
        fresh = step.done - step.cached
        rate = rate_text(fresh / (now - begun)) if now > begun and fresh else ""
        self._progress.update(task, completed=fresh, rate=rate, notes=notes(step).removeprefix(", "))
