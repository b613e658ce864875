"""A probe's figures from predictions made elsewhere, as a whole audit that can be gated and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from gptaudit.data.datasets import sha256
from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.provenance import environment, versions
from gptaudit.evidence.store import Store
from gptaudit.plugins import Plugins
from gptaudit.probe import Predictions, Probe, ProbeContext
from gptaudit.records import (
    AuditResult,
    Binding,
    Case,
    Cost,
    Measurement,
    ProbeResult,
    RunInfo,
    TargetInfo,
)
from gptaudit.run.faults import Faults
from gptaudit.run.folder import TRACEBACK, forget, prepared
from gptaudit.run.measuring import Watch, sum_up
from gptaudit.run.reports import with_faults, write_reports
from gptaudit.run.selection import Collected
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.validation import nearest

BACKEND = "predictions"
"""The scheme of the target of an audit whose predictions were made elsewhere."""


@dataclass(frozen=True, slots=True)
class Rescoring:
    """All that decides a rescoring."""

    probe: str
    file: Path
    folder: Path
    data: Path | None = None
    seed: int = 0
    """Of the resamples that intervals are drawn from."""
    fresh: bool = False
    command: tuple[str, ...] = ()


def rescorable(plugins: Plugins) -> Mapping[str, Probe]:
    """Return the probes that know a format of predictions, by id."""
    return {
        name: probe
        for name, probe in plugins.probes.items()
        if type(probe).read_predictions is not Probe.read_predictions
    }


def rescore(settings: Rescoring, plugins: Plugins) -> AuditResult:
    """Read predictions, measure them and write the run folder as `run_audit` does.

    The target is `predictions:FILE`: nobody can verify what made the file, so it is known by its hash alone.
    Raises a `GptauditError` for what the user can fix.
    """
    started, begun = datetime.now(UTC), monotonic()
    known = rescorable(plugins)
    if settings.probe not in known:
        msg = f"{settings.probe}: no probe of this name reads predictions.{nearest(settings.probe, known)}"
        raise UsageError(msg)
    if not settings.file.is_file():
        msg = f"{settings.file}: no such file; expected predictions for {settings.probe}"
        raise DataError(msg)
    probe = known[settings.probe]
    faults = Faults(plugins, settings.folder)
    with prepared(settings.folder, fresh=settings.fresh):
        (settings.folder / TRACEBACK).unlink(missing_ok=True)
        predictions = probe.read_predictions(settings.file, ProbeContext(settings.data, settings.seed))
        target = _target(settings.file)
        faults.observe("gptaudit_run_started", target=target, probes=[probe], folder=settings.folder)
        store = Store(settings.folder, fresh=settings.fresh)
    try:
        identity = keep_predicted(store, probe, predictions, target, seed=settings.seed, fresh=settings.fresh)
        if settings.fresh:
            forget(settings.folder, (r.file_name for r in plugins.reporters.values()))
        measured = measure_predictions(probe, predictions, store, faults.measured, seed=settings.seed)
        binding = Binding(identity, store.digests())
    finally:
        store.close()
    run = RunInfo(
        id=f"{started:%Y%m%dT%H%M%SZ}-{identity[:8]}",
        status="complete",
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        command=settings.command,
        versions=versions(),
        plugins=plugins.infos,
        environment=environment("none"),
        cost=Cost(0, 0, None, None, monotonic() - begun),
    )
    result = AuditResult(run, target, (measured,), binding=binding)
    result = with_faults(result, faults)
    faults.observe("gptaudit_run_finished", result=result, folder=settings.folder)
    # results.json last: where it exists, the folder is whole.
    result, _ = write_reports(faults, result, ["html", "json"], settings.folder)
    return result


def _target(file: Path) -> TargetInfo:
    return TargetInfo(
        spec=f"{BACKEND}:{file}",
        backend=BACKEND,
        fingerprint=f"sha256:{sha256(file)}",
        verified=False,
        capabilities=(),
        parameters=None,
    )


def predictions_file(target: TargetInfo, folder: Path) -> Path:
    """Return the file that was measured, at its path or in the run folder; raise `DataError` if it is in neither."""
    named = Path(target.spec.removeprefix(f"{BACKEND}:"))
    for path in (named, folder / named.name):
        if path.is_file() and f"sha256:{sha256(path)}" == target.fingerprint:
            return path
    msg = f"{named}: the predictions that were measured ({target.fingerprint}) are neither there nor in {folder}"
    raise DataError(f"{msg}; put the file into that folder")


def keep_predicted(
    store: Store,
    probe: Probe,
    predictions: Predictions,
    target: TargetInfo,
    *,
    seed: int,
    fresh: bool = False,
) -> str:
    """Store the cases that predictions are of, without requests; return the plan's hash."""
    cases = (Case(m.case, m.cluster, (), m.slices) for m in predictions.measurements)
    return store.plan({probe.id: cases}, fingerprint=target.fingerprint, seed=seed, fresh=fresh)


def measure_predictions(
    probe: Probe, predictions: Predictions, store: Store, watch: Watch, *, seed: int
) -> ProbeResult:
    """Keep the measurements, all or none, and sum up; `watch` is told of each measurement."""

    def watched() -> Iterator[tuple[Measurement]]:
        for measurement in predictions.measurements:
            watch(probe, measurement)
            yield (measurement,)

    with store.transaction():
        store.keep_measurements(probe.id, watched())
        collected = Collected(probe, predictions.method, data=predictions.data)
        return sum_up(collected, predictions.metrics, store, seed=seed, level=DEFAULT_LEVEL)
