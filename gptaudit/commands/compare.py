"""`gptaudit compare`: what changed between two audits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.gate.comparison import Change, Comparison

COLOURS = {"better": "green", "worse": "red", "crossed": "yellow", "not shown": None}


@click.command()
@click.argument("baseline", metavar="BASELINE.json", type=click.Path(path_type=Path))
@click.argument("candidate", metavar="CANDIDATE.json", type=click.Path(path_type=Path))
@_options.page(
    "Write this page, and a .json of the same name. [default: comparison.html beside CANDIDATE.json]"
)
@click.option(
    "--level",
    type=_options.Finite(0.5, 1, min_open=True, max_open=True),
    show_default="0.95",
    help="Level of the intervals; 1 - level is the highest rate of false discoveries.",
)
def compare(baseline: Path, candidate: Path, page: Path | None, level: float | None) -> None:
    """Compare two audits of the same cases: what got better, what got worse, and which cases changed.

    The exit code is 0 whatever changed. To decide about a change, use `gptaudit gate` with --baseline and a policy with
    max_increase.
    """
    from gptaudit.files import to_json, write_atomic
    from gptaudit.gate import comparison as comparing
    from gptaudit.gate.decide import read_audit
    from gptaudit.reports.comparison import render
    from gptaudit.stats.intervals import DEFAULT_LEVEL

    page = page or candidate.parent / "comparison.html"
    for path in (page, page.with_suffix(".json")):
        if path.resolve() in {baseline.resolve(), candidate.resolve()}:
            msg = f"-o {page}: would replace {path}, which is being read; name another file"
            raise UsageError(msg)
    found = comparing.compare(read_audit(baseline), read_audit(candidate), level=level or DEFAULT_LEVEL)
    write_atomic(page, render(found))
    write_atomic(page.with_suffix(".json"), to_json(found))
    _show(found)
    say(f"\nPage: {page}")


def _show(found: Comparison) -> None:
    for probe in found.probes:
        say(f"\n{probe.id}", bold=True)
        if probe.why:
            say(f"  not compared: {probe.why}")
        for change in probe.changes:
            if not change.slice:
                say(f"  {change.reading:<10}", fg=COLOURS[change.reading], nl=False)
                say(_line(change, found.level))
        slices = [change for change in probe.changes if change.slice]
        if slices:
            counts = (f"{sum(c.reading == word for c in slices)} {word}" for word in COLOURS)
            say(f"  of {len(slices)} slices: {', '.join(counts)}")


def _line(change: Change, level: float) -> str:
    name = change.metric.partition(".")[2]
    interval = "" if change.low is None else f", {level:.0%} interval {change.low:+.3f} to {change.high:+.3f}"
    figures = f"{change.baseline:.3f} -> {change.candidate:.3f}  ({change.difference:+.3f}{interval}"
    cases = "" if change.rose is None else f"; {change.rose} cases rose, {change.fell} fell"
    return f"{name:<26} {figures}, p {change.adjusted:.2g}{cases})"


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(compare)
