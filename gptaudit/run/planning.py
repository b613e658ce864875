"""From settings to a plan: the open model, the cases of each probe and their requests, before anything is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, TypeAlias

from gptaudit.errors import BackendError, PluginCallError, UsageError
from gptaudit.evidence.cache import Cache
from gptaudit.evidence.plan import Size, Workload
from gptaudit.evidence.store import Store
from gptaudit.files import user_path
from gptaudit.gate.decide import read_audit
from gptaudit.gate.figures import require_baseline, untold
from gptaudit.gate.pairing import Audit
from gptaudit.gate.policy import Limitable, Limitables, Policy, require_measured, require_slices
from gptaudit.plugins import Plugins
from gptaudit.probe import Probe, ProbeContext, forms_of, lacking
from gptaudit.protocols.backend import Backend, CountingBackend
from gptaudit.protocols.engine import Engine, EngineType, Work
from gptaudit.protocols.options import split_options
from gptaudit.records import TargetInfo
from gptaudit.records.progress import Progress, Step, silent
from gptaudit.run.attacked import plain_form, with_attacks
from gptaudit.run.faults import Faults
from gptaudit.run.folder import TRACEBACK, prepared
from gptaudit.run.probe_options import with_options
from gptaudit.run.scorers import Scorers
from gptaudit.run.selection import Collected, choose_probes, collect
from gptaudit.run.settings import Settings
from gptaudit.run.target import open_target
from gptaudit.scorers.correction import errors_of, least_limit_of
from gptaudit.validation import validated

log = logging.getLogger("gptaudit")

COUNTED = 50
"""Requests of a probe and kind whose tokens are counted, where the backend can; those of the others are like them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An audit that is ready to be asked."""

    target: TargetInfo
    engine: Engine
    work: Work
    collected: Sequence[Collected]
    asking: Sequence[Probe]
    """The probes whose cases are asked: neither skipped nor failed."""
    store: Store
    identity: str
    """Hash of the plan."""
    scorers: Scorers
    baseline: Audit | None
    until_decided: bool
    """Whether clusters are asked only once they are released, until every rule is decided."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What one probe asks in the first round; a request that several probes ask counts for one of them."""

    id: str
    requests: int
    answered: int
    left: Size
    """Size of the requests that are not answered yet."""
    rounds: int
    skipped: str | None
    """Why nothing is asked."""


Begin: TypeAlias = Callable[[TargetInfo, Sequence[Probe]], object]
"""Called once the model is open, with the probes chosen."""


def _begin_nothing(target: TargetInfo, probes: Sequence[Probe]) -> None:
    """Ignore the model and the probes."""


@contextmanager
def planned(
    settings: Settings,
    plugins: Plugins,
    faults: Faults,
    progress: Progress,
    begin: Begin = _begin_nothing,
) -> Iterator[Plan]:
    """Check the settings, open the model, and store the plan in the run folder; close the store at the end."""
    chosen = choose_probes(plugins, settings.suites, settings.probes, settings.excluded)
    chosen = with_options(chosen, plugins.probes.values(), settings.probe_options)
    if settings.secrets is not None and not any(probe.secret for probe in chosen):
        log.warning(
            "--secret %s: no probe that is run reads it; -s privacy has those that do", settings.secrets
        )
    chosen = with_attacks(plugins, chosen, settings.attacks)
    probes = _named_by_rules(chosen, settings) if settings.until_decided else chosen
    _require_measured(settings.policy, [form for p in probes for form in forms_of(p)])
    engine, work_options, options = _engine(settings, plugins)
    scorers = Scorers(plugins, settings.scorers)
    baseline = read_audit(settings.baseline) if settings.baseline else None
    if settings.policy is not None:
        require_baseline(settings.policy, baseline, until_decided=settings.until_decided)
    rest = settings.target.partition(":")[2]
    model = user_path(rest, error=UsageError) if rest else None
    with prepared(settings.folder, fresh=settings.fresh, model=model):
        progress(Step("opening the model", 0, 0))
        backend, target = open_target(settings.target, options, plugins)
        cache = _cache(settings, target)
        (settings.folder / TRACEBACK).unlink(missing_ok=True)
        begin(target, probes)
        progress(Step("planning", 0, 0))
        collected = collect_all(probes, backend, settings, plugins, scorers, faults)
        _require_measured(settings.policy, [c.probe for c in collected], _ways(probes, collected, target))
        scorers.open_all(name for c in _sound(collected, faults) for name in c.probe.scorers)
        if settings.policy is not None:
            _warn_of_untold(settings.policy, [c.probe for c in _sound(collected, faults)], scorers)
        store = Store(settings.folder, fresh=settings.fresh)
    work = Work((), settings.seed, backend, target=settings.target, options=options, settings=work_options)
    with closing(store), closing(cache) if cache else nullcontext():
        identity, asking = keep_plan(store, collected, target, settings, faults)
        target = replace(target, doubt=store.doubt())
        if target.doubt:
            log.warning("%s: %s", target.spec, target.doubt)
        if settings.policy is not None:
            require_slices(settings.policy, {p.id: store.slices(p.id) for p in asking})
        if cache:
            store.share(cache, target.fingerprint)
        until_decided = settings.until_decided
        yield Plan(target, engine, work, collected, asking, store, identity, scorers, baseline, until_decided)


def keep_plan(
    store: Store, collected: Sequence[Collected], target: TargetInfo, settings: Settings, faults: Faults
) -> tuple[str, list[Probe]]:
    """Store the cases of the probes that are asked; return the plan's hash and the probes."""
    identity = store.plan(
        {c.probe.id: c.cases for c in _sound(collected, faults)},
        fingerprint=target.fingerprint,
        seed=settings.seed,
        answers=target.first_answers,
        fresh=settings.fresh,
        lost=faults.of_probe,
        until="decided" if settings.until_decided else "",
        options={c.probe.id: c.method["options"] for c in _sound(collected, faults) if "options" in c.method},
    )
    return identity, [c.probe for c in _sound(collected, faults)]


def plan_only(
    settings: Settings, plugins: Plugins, progress: Progress = silent
) -> tuple[TargetInfo, list[ProbePlan]]:
    """Return what an audit would ask in its first round, without its run folder and without asking anything.

    Of an audit that stops as soon as every rule is decided it is the most that it asks.

    Raises as `gptaudit.run.audit.run_audit` does before it asks.
    """
    with TemporaryDirectory() as folder:
        settings = replace(settings, folder=Path(folder), cache=None, fresh=False)
        faults = Faults(plugins, settings.folder)
        with planned(settings, plugins, faults, progress) as plan:
            for probe in plan.asking if plan.until_decided else ():
                plan.store.release(probe.id, plan.store.clusters(probe.id), 1)
            return plan.target, probe_plans(plan, faults)


def probe_plans(plan: Plan, faults: Faults) -> list[ProbePlan]:
    """Return what each probe asks in the first round, in the order of the probes."""
    loads: dict[str, list[Workload]] = {}
    for load in _workload(plan.store, plan.work.backend):
        loads.setdefault(load.probe, []).append(load)
    return [_probe_plan(c, loads.get(c.probe.id, []), _why_not(c, faults)) for c in plan.collected]


def _workload(store: Store, backend: Backend) -> Iterator[Workload]:
    """Yield the requests of each probe and kind, the tokens that are read as the backend counts them in a sample.

    A code has up to four times as many tokens as words of its length, and Chinese as many as the tokenizer wants.
    """
    samples = store.sample(COUNTED) if isinstance(backend, CountingBackend) else {}
    for load in store.workload():
        sample = samples.get((load.probe, load.kind), [])
        reads, estimated = load.left.reads, sum(reads for _, reads in sample)
        if isinstance(backend, CountingBackend) and estimated:
            with suppress(BackendError):
                counted = sum(backend.tokens_read([request for request, _ in sample]))
                reads = round(reads * counted / estimated)
        yield replace(load, left=Size(reads, load.left.writes))


def _probe_plan(collected: Collected, loads: Sequence[Workload], skipped: str | None) -> ProbePlan:
    return ProbePlan(
        collected.probe.id,
        sum(load.requests for load in loads),
        sum(load.answered for load in loads),
        Size(sum(load.left.reads for load in loads), sum(load.left.writes for load in loads)),
        collected.probe.rounds,
        skipped,
    )


def _why_not(collected: Collected, faults: Faults) -> str | None:
    fault = faults.lost.get(collected.probe.id)
    return f"fails: {fault}" if fault else collected.skipped


def _named_by_rules(probes: list[Probe], settings: Settings) -> list[Probe]:
    """Return the probes that a rule names, since an audit that stops when all rules are decided asks no others."""
    if settings.policy is None:
        msg = "--until decided: expected rules to decide, found no policy; give one with --policy FILE or default"
        raise UsageError(msg)
    named = {rule.target.probe for rule in settings.policy.rule}
    found = [probe for probe in probes if probe.id in named]
    if others := len(probes) - len(found):
        log.warning(
            "%d probes are not asked, since the audit stops once it decides, and no rule names them", others
        )
    return found


def _ways(probes: Sequence[Probe], collected: Sequence[Collected], target: TargetInfo) -> dict[str, str]:
    """Say on what each probe is measured, and why in another form where it is not in its own."""
    ways = {}
    for probe, found in zip(probes, collected, strict=True):
        way = f" on {target.spec}"
        missing = ", ".join(lacking(probe, target.capabilities))
        if found.probe is not probe:
            why = f"which cannot {missing}" if missing else "with --elicited"
            way += f", {why}: there it is measured as {found.probe.title!r}"
        ways[probe.id] = way
    return ways


def _require_measured(
    policy: Policy | None, forms: Sequence[Probe], on: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Refuse a rule on what no form of a probe measures, and once the target is open, what its form does not."""
    if policy is None:
        return
    metrics: dict[str, Limitables] = {}
    for form in forms:
        own = {spec.name: Limitable(spec.range, spec.unit, spec.unfit) for spec in form.metrics}
        metrics[form.id] = {**own, **metrics.get(form.id, {})}
    require_measured(policy, metrics, on)


def _warn_of_untold(policy: Policy, probes: Sequence[Probe], scorers: Scorers) -> None:
    """Say, before anything is asked, which rules no answer can decide, since the scorer errs too often."""
    decisions = {
        (probe.id, spec.name): (spec.rated, probe.language)
        for probe in probes
        for spec in probe.metrics
        if spec.rated
    }
    for rule in policy.rule:
        rated, language = decisions.get((rule.target.probe, rule.target.name), (None, ""))
        card = scorers.card(rated.scorer) if rated else None
        errors = errors_of(card.in_language(language), rated) if card and rated else None
        if rated is None or errors is None:
            continue
        why = untold(rule, least_limit_of(errors, rated, policy.level), errors)
        if why:
            log.warning("the rule on %s will be inconclusive: %s", rule.metric, why)


def _engine(settings: Settings, plugins: Plugins) -> tuple[Engine, Any, dict[str, str]]:
    """Return the engine with its options, and the options that are left for the backend."""
    engine: EngineType = plugins.find("engines", settings.engine, f"--engine {settings.engine}")
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


def collect_all(
    probes: Sequence[Probe],
    backend: Backend,
    settings: Settings,
    plugins: Plugins,
    scorers: Scorers,
    faults: Faults,
) -> list[Collected]:
    """Collect each probe's cases; who gives a suite file asks for its probe as by name."""
    context = ProbeContext(settings.data, settings.seed, settings.secrets)
    plain = {p.id: plain_form(p).id for p in probes}
    named = {p for p, own in plain.items() if own in settings.probes or own not in plugins.probes}
    collected = []
    for probe in probes:
        try:
            found = collect(
                probe,
                context,
                backend,
                plugins,
                scorers,
                limit=settings.limit,
                named=probe.id in named,
                elicited=settings.elicited,
            )
        except PluginCallError as error:
            faults.of_probe(probe.id, error)
            found = Collected(probe, {})
        collected.append(found)
    return collected


def _sound(collected: Sequence[Collected], faults: Faults) -> list[Collected]:
    """Return the probes whose cases are asked: neither skipped nor failed."""
    return [c for c in collected if c.skipped is None and c.probe.id not in faults.lost]
