"""Progress on standard error: bars on a terminal, a line every half minute elsewhere, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
)

from gptaudit.commands._say import say
from gptaudit.records.progress import Step, silent
from gptaudit.text import visible

LINE_SECONDS = 30.0
"""Time between two lines if standard error is not a terminal."""


def shown_progress(*, quiet: bool) -> AbstractContextManager[Callable[[Step], None]]:
    """Return a context manager for the function that shows progress and is called with each step."""
    if quiet:
        return nullcontext(silent)
    return Bars() if sys.stderr.isatty() else Lines()


class Clock:
    """When each task began, as its first step says."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def seconds(self, step: Step) -> float:
        """Return how long the task of a step has been in work."""
        now = time.monotonic()
        return now - self._begun.setdefault(step.task, now)


class Lines:
    """Writes one plain line every `LINE_SECONDS`, also while no step is made: a log shows that the work goes on."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._step: Step | None = None
        self._ended = threading.Event()
        self._writer = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._writer.join()

    def __call__(self, step: Step) -> None:
        """Note the step, unless it is a part of a task that is shown as a whole."""
        if not step.part:
            self._clock.seconds(step)
            self._step = step

    def _write(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            step = self._step
            if step is not None:
                say(line(step, self._clock.seconds(step)), err=True)


def line(step: Step, seconds: float) -> str:
    """Return the progress of a task after so many seconds of work, in one line."""
    task = visible(step.task)
    if not step.total:
        return f"{task}: {duration(seconds)} so far{notes(step)}"
    parts = [f"{task}: {step.done} of {step.total}", rate(step, seconds), time_left(step, seconds)]
    return ", ".join(part for part in parts if part) + notes(step)


def rate(step: Step, seconds: float) -> str:
    """Return the speed of a task, or nothing."""
    fresh = step.done - step.cached
    return rate_text(fresh / seconds) if seconds > 0 and fresh > 0 else ""


def time_left(step: Step, seconds: float) -> str:
    """Return the time left of a task, or nothing."""
    fresh = step.done - step.cached
    left = step.left
    if left is None and seconds > 0 and fresh > 0:
        left = (step.total - step.done) / fresh * seconds
    return f"{duration(left)} left" if left is not None else ""


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: `70 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


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
    """Shows one bar per task; a bar of a part goes when the part is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[notes]}", markup=False),
            console=Console(stderr=True),
        )
        self._clock = Clock()
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Show the progress of a task."""
        seconds = self._clock.seconds(step)
        # The bar counts only the work of this run; counting earlier work would make its time left too short.
        done, total = step.done - step.cached, (step.total - step.cached) or None
        if step.task not in self._tasks:
            self._tasks[step.task] = self._progress.add_task(visible(step.task), total=total, notes="")
        text = ", ".join(filter(None, [rate(step, seconds), time_left(step, seconds)])) + notes(step)
        ended = step.part and step.done == step.total
        self._progress.update(
            self._tasks[step.task],
            completed=done,
            total=total,
            notes=text.removeprefix(", "),
            visible=not ended,
        )
