"""An audit, from target to results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gptaudit.engine.asking import Asked, Budget, Look, ask_missing
from gptaudit.errors import PluginCallError, PolicyError, UsageError
from gptaudit.evidence.provenance import environment, versions
from gptaudit.evidence.results_file import read_results
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.decide import decide
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Policy
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe
from gptaudit.records import (
    Arguments,
    AuditResult,
    Binding,
    Cost,
    ProbeResult,
    RunInfo,
    TargetInfo,
)
from gptaudit.records.metric_name import MetricName
from gptaudit.records.progress import Progress, Step, silent
from gptaudit.run.calibrated import calibration_of
from gptaudit.run.explanations import read_explanations
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS, forget
from gptaudit.run.labelling import read_labels, with_labels
from gptaudit.run.looks import Looks
from gptaudit.run.measuring import Watch, failed_probe, measure_probe, unwatched
from gptaudit.run.planning import Plan, ProbePlan, planned, probe_plans
from gptaudit.run.reports import with_faults, write_reports
from gptaudit.run.selection import OWN_SUITE, Collected
from gptaudit.run.settings import Settings
from gptaudit.stats.intervals import DEFAULT_LEVEL

log = logging.getLogger("gptaudit")

NOTHING_ASKED = Cost(0, 0, None, None, 0.0)


def _tell_nobody(plan: Sequence[ProbePlan]) -> None:
    """Ignore the plan."""


def run_audit(
    settings: Settings,
    plugins: Plugins,
    progress: Progress = silent,
    tell_plan: Callable[[Sequence[ProbePlan]], object] = _tell_nobody,
) -> AuditResult:
    """Ask the model, measure, decide and write the run folder; `tell_plan` is called before anything is asked.

    Raises a `GptauditError` for what the user can fix. A spent budget, a lost model or an interruption (Ctrl-C,
    SIGTERM) ends the asking: what was answered is measured and reported, and the result says `partial` or
    `interrupted`. A probe that fails has status `error`, and the others go on.
    """
    started = datetime.now(UTC)
    faults = Faults(plugins, settings.folder)
    for read in (read_labels, read_explanations):
        read(settings.folder)  # a damaged file is told before anything is asked

    def begin(target: TargetInfo, probes: Sequence[Probe]) -> None:
        faults.observe("gptaudit_run_started", target=target, probes=probes, folder=settings.folder)

    with planned(settings, plugins, faults, progress, begin) as plan:
        if settings.fresh:
            forget(settings.folder, (r.file_name for r in plugins.reporters.values()))
        looks = Looks(plan.store, [p.id for p in plan.asking], settings.seed) if plan.until_decided else None
        tell_plan(probe_plans(plan, faults))
        level = settings.policy.level if settings.policy else DEFAULT_LEVEL

        def result_of(asked: Asked, watch: Watch, progress: Progress) -> AuditResult:
            measured = measure_all(plan, faults, watch, progress, level=level)
            return AuditResult(
                _run_info(started, plan.identity, asked, settings, plugins), plan.target, measured
            )

        def look(number: int) -> bool:
            """Release further cases for the rules that are not decided yet; return whether there are any."""
            if looks is None or settings.policy is None:
                return False
            so_far = Asked("complete", None, NOTHING_ASKED, number)
            undecided = _undecided(result_of(so_far, unwatched, silent), plan, settings.policy)
            return looks.release(undecided, number + 1)

        asked = _ask(plan, settings, faults, progress, look)
        _leave_what_is_whole(asked, settings.folder)
        result = result_of(asked, faults.measured, progress)
        result = replace(result, binding=Binding(plan.identity, plan.store.digests()))

    result = with_labels(result, settings.folder)
    if settings.policy is not None:
        result = _decided(result, settings, settings.policy, plan.baseline, faults)
    result = with_faults(result, faults)
    faults.observe("gptaudit_run_finished", result=result, folder=settings.folder)
    # results.json last: where it exists, the folder is whole.
    names = [name for name in settings.reports if name != "json"]
    result, _ = write_reports(faults, result, [*names, "json"], settings.folder, language=settings.lang)
    return result


def _ask(plan: Plan, settings: Settings, faults: Faults, progress: Progress, look: Look) -> Asked:
    budget = Budget(settings.max_requests, settings.max_tokens, settings.max_seconds)
    lost = faults.of_probe
    try:
        return ask_missing(plan.engine, plan.work, plan.store, plan.asking, budget, progress, lost, look)
    finally:
        try:
            plan.store.lend()
        except UsageError as error:  # the audit has its answers; only others go without them
            log.warning("nothing is shared: %s", error)


def _undecided(result: AuditResult, plan: Plan, policy: Policy) -> list[str]:
    """Return the probes of the rules that more cases may decide."""
    measurements = {probe.id: list(plan.store.measurements(probe.id)) for probe in plan.asking}
    gate = decide(Audit(result, measurements), policy, plan.baseline)
    open_ = {MetricName.of(rule.metric).probe for rule in gate.rules if rule.verdict not in {"pass", "fail"}}
    return [probe.id for probe in plan.asking if probe.id in open_]


def _leave_what_is_whole(asked: Asked, folder: Path) -> None:
    """Raise the interruption again where the folder holds a complete result, which is worth more than a part of it."""
    results = folder / RESULTS
    if asked.interruption and results.exists() and read_results(results).run.status == "complete":
        raise asked.interruption


def measure_all(
    plan: Plan, faults: Faults, watch: Watch, progress: Progress = silent, *, level: float
) -> tuple[ProbeResult, ...]:
    """Measure every probe, all or none: what the store holds belongs to one `results.json`."""
    results = []
    with plan.store.transaction():
        for number, of_probe in enumerate(plan.collected, start=1):
            results.append(_measure_one(of_probe, plan, faults, watch, level))
            progress(Step("measuring", number, len(plan.collected)))
    return tuple(results)


def _measure_one(collected: Collected, plan: Plan, faults: Faults, watch: Watch, level: float) -> ProbeResult:
    """Measure a probe, or say which fault keeps it from being measured."""
    if plan.until_decided and collected.skipped is None:
        drawn_from = plan.store.drawn_from(collected.probe.id)
        collected = replace(collected, drawn_from=collected.drawn_from or drawn_from, until_decided=True)
    fault = faults.lost.get(collected.probe.id)
    if fault is None:
        try:
            result = measure_probe(
                collected, plan.store, plan.scorers, watch, seed=plan.work.seed, level=level
            )
            return replace(result, calibration=calibration_of(collected.probe, result))
        except PluginCallError as error:
            fault = faults.of_probe(collected.probe.id, error)
    return failed_probe(collected, fault, plan.store)


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
        write_reports(
            faults, result.without_verdict(), ["html", "json"], settings.folder, language=settings.lang
        )
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
        looks=asked.looks if settings.until_decided else 0,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        command=settings.command,
        versions=versions(),
        plugins=plugins.infos,
        environment={**environment(settings.engine), **settings.configuration},
        cost=asked.cost,
        arguments=Arguments(
            tuple(suite for suite in settings.suites if suite.endswith(OWN_SUITE)),
            settings.limit,
            settings.scorers,
            settings.probe_options,
            settings.baseline.as_posix() if settings.baseline else None,
            settings.policy.name if settings.policy else None,
        ),
    )
