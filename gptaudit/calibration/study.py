"""
Calibration study: its probes, its decoders, and the trials that are still missing.

Folder of a calibration:

    calibration.json   results (`gptaudit.evidence.calibration_file`), written last
    calibration.html   the same as a page
    trials/            one file per probe and decoder, named by a hash of everything that decides it, saved at once
    decoders/          trained decoders, named by a hash of everything that decides them
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.calibration.statistics import Subject, calibrate_figure
from gptaudit.calibration.subjects import seeing
from gptaudit.calibration.trials import Bench, Decoder, Outcome, read_outcome
from gptaudit.data.datasets import DataNotGivenError
from gptaudit.errors import UsageError
from gptaudit.evidence.provenance import versions
from gptaudit.probe import ProbeContext
from gptaudit.records import SMALL, Calibration, ProbeCalibration, Shape, Sighting
from gptaudit.records.progress import Progress, Step, silent
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.validation import nearest

if TYPE_CHECKING:
    from gptaudit.plugins import Plugins
    from gptaudit.probe import Probe, Sees

FULL: Mapping[float, int] = {0.0: 20, 0.05: 5, 0.2: 5, 0.5: 6, 1.0: 4}
"""Dose -> number of decoders, each with its own seed; twenty clean ones bound a false-alarm rate of 0 by 16 %."""
QUICK: Mapping[float, int] = {0.0: 2, 0.5: 1, 1.0: 1}
"""Enough to show that a probe detects its flaw, but too few for an interval."""
SEEDS = 1000
"""Decoder seeds reserved for each study seed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A decoder and the probes to try on it, each with the file for its outcome."""

    decoder: Decoder
    probes: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class Study:
    """Probes, the doses, seeds and shapes of their decoders, and the folder of the outcomes."""

    probes: tuple[Probe, ...]
    bench: Bench
    folder: Path
    plan: Mapping[float, int]
    seed: int = 0
    shapes: tuple[Shape, ...] = (SMALL,)

    @cached_property
    def jobs(self) -> list[Job]:
        """Every decoder with all probes that detect its flaw; clean decoders of all flaws come first."""
        flaws = dict.fromkeys(sees.flaw for probe in self.probes for sees in probe.sees)
        return [
            self._job(Decoder(flaw, dose, self.seed * SEEDS + number, shape))
            for dose, many in self.plan.items()
            for flaw in flaws
            for shape in self.shapes
            for number in range(many)
        ]

    def outstanding(self) -> list[Job]:
        """Return the jobs without a saved outcome for the current probe, data, method and decoder."""
        missing = (
            Job(job.decoder, tuple((p, file) for p, file in job.probes if read_outcome(file) is None))
            for job in self.jobs
        )
        return [job for job in missing if job.probes]

    def wait_for(self, tried: Iterable[Sequence[Outcome]], missing: int, progress: Progress = silent) -> None:
        """Wait for the outcomes of the `missing` jobs, and report progress."""
        total = len(self.jobs)
        before = total - missing
        failures: Counter[str] = Counter()
        progress(Step("calibrating", before, total, before))
        for done, outcomes in enumerate(tried, start=before + 1):
            failures.update({"decoder did not learn": 1} if outcomes[0].failed else {})
            progress(Step("calibrating", done, total, before, failures))

    def summed_up(self) -> Calibration:
        """Return the calibration of every probe from the saved outcomes."""
        files = (file for job in self.jobs for _, file in job.probes)
        outcomes = [outcome for file in files if (outcome := read_outcome(file)) is not None]
        made = {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.seed,
            "plan": {str(dose): many for dose, many in self.plan.items()},
            "versions": versions(),
        }
        found = (self._probe(probe, [o for o in outcomes if o.probe == probe.id]) for probe in self.probes)
        return Calibration(tuple(found), made)

    def _job(self, decoder: Decoder) -> Job:
        detecting = [p for p in self.probes if any(sees.flaw == decoder.flaw for sees in p.sees)]
        keys = [(p.id, self.bench.trial_key(p, decoder)) for p in detecting]
        return Job(decoder, tuple((name, self.folder / "trials" / f"{key}.json") for name, key in keys))

    def _probe(self, probe: Probe, outcomes: Sequence[Outcome]) -> ProbeCalibration:
        method = next((o.method for o in outcomes if not o.failed), "")
        sightings = (
            self._sighting(
                probe, sees, shape, [o for o in outcomes if (o.flaw, o.shape) == (sees.flaw, shape)]
            )
            for sees in probe.sees
            for shape in self.shapes
        )
        return ProbeCalibration(probe.id, probe.version, method, tuple(sightings))

    def _sighting(self, probe: Probe, sees: Sees, shape: Shape, outcomes: Sequence[Outcome]) -> Sighting:
        spec = next(spec for spec in probe.metrics if spec.name == sees.metric)
        flaw = self.bench.plugins.flaws[sees.flaw]
        rises = 1 if flaw.truth(1.0) >= flaw.truth(0.0) else -1
        subject = Subject(
            flaw=sees.flaw,
            metric=sees.metric,
            slice=sees.slice,
            unit=spec.unit,
            same_unit=sees.same_unit,
            ideal=spec.ideal,
            clean=flaw.truth(0.0),
            side={"lower": 1, "higher": -1, "target": rises}[spec.direction],
            level=DEFAULT_LEVEL,
            cases=next((o.cases for o in outcomes if not o.failed), 0),
            shape=shape,
        )
        trials = tuple(outcome.trial(sees.metric, sees.slice) for outcome in outcomes)
        return Sighting(calibrate_figure(subject, trials), trials)


def seeing_probes(plugins: Plugins, names: Sequence[str]) -> list[Probe]:
    """Return the named probes, or all that detect a flaw; raise `UsageError` for one that cannot be calibrated."""
    able = seeing(plugins)
    known = {**plugins.probes, **able}
    for name in names:
        if name not in known:
            msg = f"{name}: no such probe.{nearest(name, known)}"
            raise UsageError(msg)
        if name not in able:
            msg = f"{name}: declares no flaw that it detects, so it cannot be calibrated."
            raise UsageError(f"{msg} These do: {', '.join(able) or 'none'}")
    chosen = [able[name] for name in dict.fromkeys(names)] if names else list(able.values())
    if not chosen:
        msg = "no installed probe declares a flaw that it detects (`Probe.sees`), so there is nothing to calibrate"
        raise UsageError(msg)
    for probe in chosen:
        check_sees(probe, plugins)
    return chosen


def with_data(probes: Sequence[Probe], data: Path | None, *, named: bool) -> tuple[list[Probe], list[str]]:
    """Return the probes whose data are available, and why each of the others is skipped.

    Raises `DataNotGivenError` if the user named the probe, and `UsageError` if no probe is left.
    """
    ready, reasons = [], []
    for probe in probes:
        try:
            context = ProbeContext(data, 0)
            probe.source(context)
            next(iter(probe.cases(context)), None)
        except DataNotGivenError as error:
            if named:
                raise
            reasons.append(f"{probe.id}: {error}")
        else:
            ready.append(probe)
    if not ready:
        raise UsageError(f"nothing to calibrate: {'; '.join(reasons)}")
    return ready, reasons


def check_sees(probe: Probe, plugins: Plugins) -> None:
    """Raise `UsageError` if a probe names a flaw or a metric that does not exist."""
    metrics = [spec.name for spec in probe.metrics]
    for sees in probe.sees:
        if sees.flaw not in plugins.flaws:
            msg = f"{probe.id} declares the flaw {sees.flaw!r}, which no plugin registers."
            raise UsageError(msg + nearest(sees.flaw, plugins.flaws))
        if sees.metric not in metrics:
            msg = f"{probe.id} declares {sees.flaw!r} for {sees.metric!r}, which is not one of its metrics."
            raise UsageError(msg + nearest(sees.metric, metrics))
