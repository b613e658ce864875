"""An audit, from target to results."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gptaudit.engine.asking import Asked, Budget, ask_missing
from gptaudit.errors import PluginCallError, PolicyError, UsageError
from gptaudit.evidence.cache import Cache
from gptaudit.evidence.provenance import environment, versions
from gptaudit.evidence.results_file import read_results
from gptaudit.evidence.store import Store, StoredMeasurements
from gptaudit.gate.decide import decide, read_audit
from gptaudit.gate.figures import require_baseline
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy, require_measured, require_slices
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe, ProbeContext
from gptaudit.protocols.backend import Backend
from gptaudit.protocols.engine import Engine, Work
from gptaudit.protocols.options import split_options
from gptaudit.records import AuditResult, Measurement, ProbeResult, RunInfo, TargetInfo
from gptaudit.records.progress import Progress, Step, silent
from gptaudit.run.calibrated import calibration_of
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS, TRACEBACK, forget, prepared
from gptaudit.run.measuring import Scorers, failed_probe, measure_probe
from gptaudit.run.reports import with_faults, write_reports
from gptaudit.run.selection import Collected, choose_probes, collect
from gptaudit.run.target import open_target
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.validation import nearest, validated

log = logging.getLogger("gptaudit")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides an audit."""

    target: str
    folder: Path
    suites: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    scorers: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None
    limit: int | None = None
    seed: int = 0
    engine: str = "local"
    max_requests: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    policy: Policy | None = None
    baseline: Path | None = None
    cache: Path | None = None
    reports: tuple[str, ...] = ()
    fresh: bool = False
    command: tuple[str, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Which file held some of this, and its sha256: recorded, and of no effect."""


def run_audit(settings: Settings, plugins: Plugins, progress: Progress = silent) -> AuditResult:
    """Ask the model, measure, decide and write the run folder.

    Raises a `GptauditError` for what the user can fix. A spent budget, a lost model or an interruption (Ctrl-C,
    SIGTERM) ends the asking: what was answered is measured and reported, and the result says `partial` or
    `interrupted`. A probe that fails has status `error`, and the others go on.
    """
    started = datetime.now(UTC)
    probes = choose_probes(plugins, settings.suites, settings.probes, settings.excluded)
    _require_measured(settings.policy, [form for p in probes for form in (p, p.elicited()) if form])
    engine, work_options, options = _engine(settings, plugins)
    scorers = Scorers(plugins, settings.scorers)
    baseline = read_audit(settings.baseline) if settings.baseline else None
    if settings.policy is not None:
        require_baseline(settings.policy, baseline)
    faults = Faults(plugins, settings.folder)
    with prepared(settings.folder, fresh=settings.fresh):
        backend, target = open_target(settings.target, options, plugins)
        cache = _cache(settings, target)
        (settings.folder / TRACEBACK).unlink(missing_ok=True)
        faults.observe("gptaudit_run_started", target=target, probes=probes, folder=settings.folder)
        collected = _collect(probes, backend, settings, plugins, faults)
        _require_measured(settings.policy, [c.probe for c in collected], f" on {target.spec}")
        scorers.open_all(name for c in _sound(collected, faults) for name in c.probe.scorers)
        store = Store(settings.folder, fresh=settings.fresh)
    with closing(store):
        identity = store.plan(
            {c.probe.id: c.cases for c in _sound(collected, faults)},
            fingerprint=target.fingerprint,
            seed=settings.seed,
            fresh=settings.fresh,
            lost=faults.of_probe,
        )
        asking = [c.probe for c in _sound(collected, faults)]
        if settings.policy is not None:
            require_slices(settings.policy, {p.id: store.slices(p.id) for p in asking})
        if settings.fresh:
            forget(settings.folder, (r.file_name for r in plugins.reporters.values()))
        work = Work(
            (), settings.seed, backend, target=settings.target, options=options, settings=work_options
        )
        asked = _ask(engine, work, store, asking, cache, settings, faults, progress)
        _leave_what_is_whole(asked, settings.folder)
        measured = _measure(collected, store, scorers, settings, faults, progress)

    result = AuditResult(_run_info(started, identity, asked, settings, plugins), target, measured)
    if settings.policy is not None:
        result = _decided(result, settings, settings.policy, baseline, faults)
    result = with_faults(result, faults)
    faults.observe("gptaudit_run_finished", result=result, folder=settings.folder)
    # results.json last: where it exists, the folder is whole.
    names = [name for name in settings.reports if name != "json"]
    result, _ = write_reports(faults, result, [*names, "json"], settings.folder)
    return result


def _require_measured(policy: Policy | None, forms: Sequence[Probe], on: str = "") -> None:
    """Refuse a rule on what no form of a probe measures, and once the target is open, what its form does not."""
    if policy is None:
        return
    metrics: dict[str, list[str]] = {}
    for form in forms:
        metrics.setdefault(form.id, []).extend(spec.name for spec in form.metrics)
    require_measured(policy, metrics, on)


def _engine(settings: Settings, plugins: Plugins) -> tuple[Engine, Any, dict[str, str]]:
    """Return the engine with its options, and the options that are left for the backend."""
    if settings.engine not in plugins.engines:
        msg = f"--engine {settings.engine}: no such engine.{nearest(settings.engine, plugins.engines)}"
        raise UsageError(msg)
    engine = plugins.engines[settings.engine]
    own, others = split_options(settings.options, engine.options)
    where = f"-b, options of --engine {engine.name}"
    return engine.run, validated(engine.options, own, where=where, error=UsageError), others


def _cache(settings: Settings, target: TargetInfo) -> Cache | None:
    if settings.cache is None:
        return None
    if not target.verified:
        msg = f"--cache: answers of {target.spec} cannot be shared between audits, since nobody can verify that "
        raise UsageError(f"{msg}it is the same model. Leave --cache out; -o FOLDER resumes an audit of it")
    return Cache(settings.cache)


def _collect(
    probes: Sequence[Probe], backend: Backend, settings: Settings, plugins: Plugins, faults: Faults
) -> list[Collected]:
    """Collect each probe's cases; who gives a suite file asks for its probe as by name."""
    context = ProbeContext(settings.data, settings.seed)
    named = {p.id for p in probes if p.id in settings.probes or p.id not in plugins.probes}
    collected = []
    for probe in probes:
        try:
            found = collect(probe, context, backend, plugins, limit=settings.limit, named=probe.id in named)
        except PluginCallError as error:
            faults.of_probe(probe.id, error)
            found = Collected(probe, {})
        collected.append(found)
    return collected


def _sound(collected: Sequence[Collected], faults: Faults) -> list[Collected]:
    """Return the probes whose cases are asked: neither skipped nor failed."""
    return [c for c in collected if c.skipped is None and c.probe.id not in faults.lost]


def _ask(
    engine: Engine,
    work: Work,
    store: Store,
    probes: Sequence[Probe],
    cache: Cache | None,
    settings: Settings,
    faults: Faults,
    progress: Progress,
) -> Asked:
    budget = Budget(settings.max_requests, settings.max_tokens, settings.max_seconds)
    if cache is None:
        return ask_missing(engine, work, store, probes, budget, progress, faults.of_probe)
    fingerprint = work.backend.fingerprint
    store.borrow(cache, fingerprint)
    try:
        return ask_missing(engine, work, store, probes, budget, progress, faults.of_probe)
    finally:
        try:
            store.lend(cache, fingerprint)
        except UsageError as error:  # the audit has its answers; only others go without them
            log.warning("nothing is shared: %s", error)
        cache.close()


def _leave_what_is_whole(asked: Asked, folder: Path) -> None:
    """Raise the interruption again where the folder holds a complete result, which is worth more than a part of it."""
    results = folder / RESULTS
    if asked.interruption and results.exists() and read_results(results).run.status == "complete":
        raise asked.interruption


def _measure(
    collected: Sequence[Collected],
    store: Store,
    scorers: Scorers,
    settings: Settings,
    faults: Faults,
    progress: Progress,
) -> tuple[ProbeResult, ...]:
    """Measure every probe, all or none: what the store holds belongs to one `results.json`."""
    results = []
    with store.transaction():
        for number, of_probe in enumerate(collected, start=1):
            results.append(_measure_one(of_probe, store, scorers, settings, faults))
            progress(Step("measuring", number, len(collected)))
    return tuple(results)


def _measure_one(
    collected: Collected, store: Store, scorers: Scorers, settings: Settings, faults: Faults
) -> ProbeResult:
    """Measure a probe, or say which fault keeps it from being measured."""

    def watch(probe: Probe, measurement: Measurement) -> None:
        faults.observe("gptaudit_case_measured", probe=probe, measurement=measurement)

    fault = faults.lost.get(collected.probe.id)
    if fault is None:
        level = settings.policy.level if settings.policy else DEFAULT_LEVEL
        try:
            result = measure_probe(collected, store, scorers, watch, seed=settings.seed, level=level)
            return replace(result, calibration=calibration_of(collected.probe, result))
        except PluginCallError as error:
            fault = faults.of_probe(collected.probe.id, error)
    return failed_probe(collected, fault, store)


def _decided(
    result: AuditResult,
    settings: Settings,
    policy: Policy,
    baseline: Audit | None,
    faults: Faults,
) -> AuditResult:
    """Add the decision; where the policy or the baseline does not fit, keep the audit without one before saying so."""
    try:
        gate = decide(Audit(result, StoredMeasurements(settings.folder)), policy, baseline)
    except PolicyError as error:
        write_reports(faults, result, ["html", "json"], settings.folder)
        kept = settings.folder / RESULTS
        msg = f"{error} (the audit is kept; decide about it again with: gptaudit gate {kept} --policy FILE)"
        raise PolicyError(msg) from None
    return replace(result, gate=gate)


def _run_info(
    started: datetime, identity: str, asked: Asked, settings: Settings, plugins: Plugins
) -> RunInfo:
    return RunInfo(
        id=f"{started:%Y%m%dT%H%M%SZ}-{identity[:8]}",
        status=asked.status,
        why=asked.why,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        command=settings.command,
        versions=versions(),
        plugins=plugins.infos,
        environment={**environment(settings.engine), **settings.configuration},
        cost=asked.cost,
    )
