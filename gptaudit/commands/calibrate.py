"""`gptaudit calibrate`: how well probes find flaws of known size."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gptaudit.calibration.recipe import SHAPES
from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.calibration.study import Study
    from gptaudit.calibration.workers import Setup
    from gptaudit.plugins import Plugins
    from gptaudit.records import Calibration


@click.command()
@click.argument("probes", nargs=-1, metavar="[PROBE]...")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="calibration",
    show_default=True,
    metavar="DIR",
    help="Folder for calibration.json, calibration.html and all trials.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Train few decoders, in minutes: shows whether a probe detects its flaw at all.",
)
@click.option(
    "--shape",
    "shapes",
    type=click.Choice(list(SHAPES)),
    multiple=True,
    default=["small"],
    show_default=True,
    help="Shape of the decoders: small has 1 layer, 64 wide, large 4 layers, 128 wide. Can be repeated: the figures of "
    "each shape stand apart.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Worker processes, one core each.  [default: the number of cores]",
)
@click.option(
    "--seed",
    type=_options.SEED,
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of all decoders.",
)
@click.option(
    "--decoders",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Cache of trained decoders.  [default: decoders in the folder of -o]",
)
@_options.data
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def calibrate(  # noqa: PLR0913 - one parameter for each option
    context: click.Context,
    /,
    probes: tuple[str, ...],
    folder: Path,
    *,
    quick: bool,
    shapes: tuple[str, ...],
    workers: int | None,
    seed: int,
    decoders: Path | None,
    data: Path | None,
    quiet: bool,
) -> None:
    """Measure how well each PROBE finds flaws of known size, on decoders trained to have them.

    By default, every probe that declares a flaw is calibrated. The same command with the same -o continues where it
    stopped, and measures again what has changed.
    """
    from gptaudit.calibration.study import FULL, QUICK, Study, seeing_probes, with_data
    from gptaudit.calibration.workers import Setup
    from gptaudit.commands._progress import shown_progress
    from gptaudit.decoder.work_folder import room_for

    plugins: Plugins = context.obj
    chosen, left_out = with_data(seeing_probes(plugins, probes), data, named=bool(probes))
    for reason in left_out:
        say(f"Left out: {reason}", err=True)
    assert context.parent is not None  # noqa: S101 - a subcommand has a parent
    setup = Setup(decoders or folder / "decoders", data, context.parent.params["without"])
    plan = QUICK if quick else FULL
    distinct = tuple(SHAPES[name] for name in dict.fromkeys(shapes))
    study = Study(tuple(chosen), setup.bench(), folder, plan, seed, distinct)
    _make(folder / "trials")
    again = f"run the same command with -o {shlex.quote(str(folder))}"
    with room_for(folder, f"Every finished trial is kept. Free space, then {again}"):
        try:
            with shown_progress(quiet=quiet) as progress:
                _try_all(study, setup, workers or os.cpu_count() or 1, progress)
        except KeyboardInterrupt:
            say(f"Every finished trial is kept. To continue, {again}", err=True)
            raise
        _write(study.summed_up(), folder, plugins)


def _try_all(study: Study, setup: Setup, workers: int, progress: Callable[..., None]) -> None:
    from contextlib import closing

    from gptaudit.calibration.workers import in_workers

    missing = study.outstanding()
    with closing(in_workers(missing, setup, min(workers, len(missing) or 1))) as tried:
        study.wait_for(tried, len(missing), progress)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be created: {error.strerror or error}. Choose another folder with -o"
        raise UsageError(msg) from None
    if not os.access(folder, os.W_OK):
        msg = f"{folder}: cannot be written. Choose another folder with -o"
        raise UsageError(msg)


def _write(calibration: Calibration, folder: Path, plugins: Plugins) -> None:
    from gptaudit.calibration.subjects import seeing
    from gptaudit.evidence.calibration_file import to_text
    from gptaudit.files import write_atomic
    from gptaudit.reports.calibration import render
    from gptaudit.reports.calibration_sentences import sentence

    page = folder / "calibration.html"
    write_atomic(page, render(calibration, seeing(plugins), plugins.flaws))
    write_atomic(folder / "calibration.json", to_text(calibration))
    for probe in calibration.probes:
        say(f"\n{probe.id}", bold=True)
        for sighting in probe.sightings:
            say(f"  {sentence(sighting.figure)}")
            for trial in sighting.trials:
                if trial.failed:
                    say(f"    not counted: {trial.why}")
    say(f"\nFigures: {folder / 'calibration.json'}\nPage: {page}")


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(calibrate)
