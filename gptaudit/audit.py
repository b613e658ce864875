"""An audit, from target to results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from gptaudit.backends.protocol import Backend
from gptaudit.engine.asking import ask
from gptaudit.engine.protocol import Engine
from gptaudit.errors import UsageError
from gptaudit.folder import RESULTS, forget, prepared
from gptaudit.gate import Audit, decide, read_audit
from gptaudit.measuring import Measured, Scorers, measure_probe
from gptaudit.plan import digest, plan
from gptaudit.plugins import Plugins
from gptaudit.policy import Policy, require_measured
from gptaudit.probe import Probe, ProbeContext
from gptaudit.provenance import environment, versions
from gptaudit.records import Answer, AuditResult, Completion, Cost, Failure, Likelihood, Request, RunInfo
from gptaudit.reporting import write_reports
from gptaudit.selection import Collected, change_cases, choose_probes, collect
from gptaudit.store import Store
from gptaudit.target import open_target
from gptaudit.validation import nearest

DEFAULT_LEVEL = 0.95

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""

Status: TypeAlias = Literal["complete", "partial", "interrupted"]


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides an audit."""

    target: str
    folder: Path
    suites: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
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
    reports: tuple[str, ...] = ()
    fresh: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking."""

    answers: Mapping[Request, Answer]
    status: Status
    cost: Cost


def run_audit(settings: Settings, plugins: Plugins, progress: Progress) -> AuditResult:
    """Ask the model, measure, decide and write the run folder.

    Raises a `GptauditError` for what the user can mend. A budget that is spent ends the asking: what was answered
    is measured, and the result says `partial`. So does an interruption (Ctrl-C), which leaves the measuring to
    the run that resumes: `interrupted`.
    """
    started = datetime.now(UTC)
    probes = choose_probes(plugins, settings.suites, settings.probes)
    if settings.policy is not None:
        require_measured(settings.policy, {p.id: [spec.name for spec in p.metrics] for p in probes})
    engine = _engine(settings.engine, plugins)
    scorers = Scorers(plugins, settings.scorers)
    baseline = read_audit(settings.baseline) if settings.baseline else None
    with prepared(settings.folder, fresh=settings.fresh):
        backend, target = open_target(settings.target, settings.options, plugins)
        plugins.hook.gptaudit_run_started(target=target, probes=probes, folder=settings.folder)
        collected = _collect(probes, backend, settings, plugins)
        scorers.open_all(name for c in collected if c.skipped is None for name in c.probe.scorers)
        requests = plan((r for c in collected for case in c.cases for r in case.requests), settings.seed)
        identity = _identity(target.fingerprint, settings.seed, collected, requests)
        store = Store(settings.folder, plan=identity, fresh=settings.fresh)
    if settings.fresh:
        forget(settings.folder)
    try:
        asked = _ask(requests, backend, engine, store, settings, progress)
        measured = _measure(collected, asked, scorers, plugins, settings, progress)
        for m in measured if asked.status != "interrupted" else ():
            store.keep_measurements(m.result.id, m.measurements)
    finally:
        store.close()

    run = _run_info(started, identity, asked, settings, plugins)
    result = AuditResult(run, target, tuple(m.result for m in measured))
    if settings.policy is not None and asked.status != "interrupted":
        candidate = Audit(result, {m.result.id: m.measurements for m in measured})
        result = replace(result, gate=decide(candidate, settings.policy, baseline))
    plugins.hook.gptaudit_run_finished(result=result, folder=settings.folder)
    if asked.status == "interrupted" and (settings.folder / RESULTS).exists():
        return result  # what an earlier, whole run found is worth more
    # results.json last: where it exists, the folder is whole.
    names = [name for name in settings.reports if name != "json"]
    write_reports(plugins, result, [*names, "json"], settings.folder)
    return result


def _engine(name: str, plugins: Plugins) -> Engine:
    if name not in plugins.engines:
        msg = f"--engine {name}: no such engine.{nearest(name, plugins.engines)}"
        raise UsageError(msg)
    return plugins.engines[name].run


def _collect(
    probes: Sequence[Probe], backend: Backend, settings: Settings, plugins: Plugins
) -> list[Collected]:
    context = ProbeContext(settings.data, settings.seed)
    found = [
        collect(probe, context, backend, limit=settings.limit, named=probe.id in settings.probes)
        for probe in probes
    ]
    return [change_cases(collected, plugins) for collected in found]


def _identity(
    fingerprint: str, seed: int, collected: Sequence[Collected], requests: Mapping[Request, str]
) -> str:
    """Hash what decides the answers and what they are taken for; a run folder belongs to one such hash."""
    probes = [
        [c.probe.id, c.probe.version, c.probe.method(), [case.id for case in c.cases]] for c in collected
    ]
    return digest([fingerprint, seed, probes, sorted(requests.values())])


def _ask(
    requests: Mapping[Request, str],
    backend: Backend,
    engine: Engine,
    store: Store,
    settings: Settings,
    progress: Progress,
) -> Asked:
    begun = time.monotonic()
    in_store = store.answers(requests.values())
    kept = {request: in_store[key] for request, key in requests.items() if key in in_store}
    missing = [request for request in requests if request not in kept]
    new: dict[Request, Answer] = {}
    tokens = 0
    status: Status = "complete"
    try:
        for request, answer in ask(engine, backend, missing[: settings.max_requests], settings.seed):
            store.keep([(requests[request], request, answer)])
            new[request] = answer
            tokens += (_input_tokens(answer) or 0) + (_output_tokens(answer) or 0)
            progress("asking the model", len(kept) + len(new), len(requests))
            if _spent(settings, tokens, time.monotonic() - begun):
                break
    except KeyboardInterrupt:
        status = "interrupted"
    if status == "complete" and len(new) < len(missing):
        status = "partial"
    cost = Cost(
        requests=len(kept) + len(new),
        requests_cached=len(kept),
        input_tokens=_sum(_input_tokens(answer) for answer in new.values()),
        output_tokens=_sum(_output_tokens(answer) for answer in new.values()),
        seconds=round(time.monotonic() - begun, 3),
    )
    return Asked({**kept, **new}, status, cost)


def _spent(settings: Settings, tokens: int, seconds: float) -> bool:
    """Whether a budget is used up. Tokens that a target does not count are not in the sum."""
    too_many = settings.max_tokens is not None and tokens >= settings.max_tokens
    return too_many or (settings.max_seconds is not None and seconds >= settings.max_seconds)


def _measure(
    collected: Sequence[Collected],
    asked: Asked,
    scorers: Scorers,
    plugins: Plugins,
    settings: Settings,
    progress: Progress,
) -> list[Measured]:
    if asked.status == "interrupted":
        collected = [replace(c, skipped="interrupted before all answers had come") for c in collected]
    level = settings.policy.level if settings.policy else DEFAULT_LEVEL
    measured = []
    for number, of_probe in enumerate(collected, start=1):
        measured.append(
            measure_probe(of_probe, asked.answers, scorers, plugins, seed=settings.seed, level=level)
        )
        progress("measuring", number, len(collected))
    return measured


def _run_info(
    started: datetime, identity: str, asked: Asked, settings: Settings, plugins: Plugins
) -> RunInfo:
    return RunInfo(
        id=f"{started:%Y%m%dT%H%M%SZ}-{identity[:8]}",
        status=asked.status,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        command=settings.command,
        versions=versions(),
        plugins=plugins.infos,
        environment=environment(settings.engine),
        cost=asked.cost,
    )


def _input_tokens(answer: Answer) -> int | None:
    match answer:
        case Likelihood():
            return answer.context_tokens + len(answer.token_logprobs)
        case Completion():
            return answer.prompt_tokens
        case Failure():
            return 0
        case _:
            return len(answer.tokens)


def _output_tokens(answer: Answer) -> int | None:
    return answer.tokens if isinstance(answer, Completion) else 0


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add up counts; None where one is unknown."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
