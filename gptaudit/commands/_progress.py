"""Progress on standard error: bars on a terminal, a line now and then elsewhere, or nothing."""

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
"""Between two lines where there is no terminal."""


def shown_progress(*, quiet: bool) -> AbstractContextManager[Callable[[Step], None]]:
    """Return what shows progress, to be entered and then called with each step."""
    if quiet:
        return nullcontext(silent)
    return Bars() if sys.stderr.isatty() else nullcontext(Lines())


class Lines:
    """Writes one plain line every `LINE_SECONDS`, so that a log shows that the work goes on, and how fast."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._said = time.monotonic()

    def __call__(self, step: Step) -> None:
        """Write a line if it is time for one."""
        now = time.monotonic()
        begun = self._begun.setdefault(step.task, now)
        if now - self._said >= LINE_SECONDS:
            self._said = now
            click.echo(line(step, now - begun), err=True)


def line(step: Step, seconds: float) -> str:
    """Say how far a task is after so many seconds, in one line."""
    text = f"{visible(step.task)}: {step.done} of {step.total}"
    fresh = step.done - step.cached
    if seconds > 0 and fresh > 0:
        rate = fresh / seconds
        text += f", {rate_text(rate)}, {(step.total - step.done) / rate:.0f} s left"
    return text + notes(step)


def rate_text(rate: float) -> str:
    """Say how fast it goes, in the unit that has a figure before the point: `0.05` a second is `3.0 a minute`."""
    for unit, seconds in (("second", 1), ("minute", 60)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.1f} a {unit}"
    return f"{rate * 3600:.1f} an hour"


def notes(step: Step) -> str:
    """Say what was there before, what failed, and what else there is to say."""
    text = f", {step.cached} from before" if step.cached else ""
    failed = ", ".join(f"{reason} {count}" for reason, count in step.failures.items())
    text += f", failed: {visible(failed)}" if failed else ""
    return text + (f", {visible(step.note)}" if step.note else "")


class Bars:
    """Shows one bar a task."""

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
        """Show how far a task is."""
        now = time.monotonic()
        if step.task not in self._tasks:
            # The bar's own clock takes what was there before for work, and would promise too much.
            task = self._progress.add_task(
                visible(step.task), total=step.total - step.cached, rate="", notes=""
            )
            self._tasks[step.task] = task, now
        task, begun = self._tasks[step.task]
        fresh = step.done - step.cached
        rate = rate_text(fresh / (now - begun)) if now > begun and fresh else ""
        self._progress.update(task, completed=fresh, rate=rate, notes=notes(step).removeprefix(", "))
