"""
Verification of a run folder: its audit once more, with the evidence in place of the model.

The probes make their cases and requests again, the answers come from `evidence.sqlite`, and all that follows is done
as in a run: follow-ups, scorers, measurements, figures, labels, verdict. What comes out is compared with what the
folder holds. The model is neither loaded nor asked.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from gptaudit.engine.asking import Budget, Look, ask_missing, only_look
from gptaudit.errors import DataError, GptauditError, UsageError
from gptaudit.evidence.binding import COLUMNS
from gptaudit.evidence.database import DamagedError
from gptaudit.evidence.provenance import versions
from gptaudit.evidence.recorded import RecordedEvidence
from gptaudit.evidence.results_file import read_unchecked
from gptaudit.evidence.store import Store
from gptaudit.evidence.stored import FILE_NAME as STORE
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.gate.decide import decide, policy_of, read_audit
from gptaudit.gate.pairing import Audit
from gptaudit.plugins import Plugins
from gptaudit.probe import CaseStream, Probe, ProbeContext
from gptaudit.protocols.engine import Engine, Work
from gptaudit.records import (
    Answer,
    AuditResult,
    GateResult,
    ProbeResult,
    Request,
)
from gptaudit.records.progress import silent
from gptaudit.run.absent_model import AbsentModel
from gptaudit.run.audit import measure_all
from gptaudit.run.differences import unlike_results, unlike_rows
from gptaudit.run.explanations import FILE_NAME as EXPLANATIONS
from gptaudit.run.explanations import read_explanations
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS
from gptaudit.run.labelling import FILE_NAME as LABELS
from gptaudit.run.labelling import with_labels
from gptaudit.run.measuring import unwatched
from gptaudit.run.planning import Plan, collect_all, keep_plan
from gptaudit.run.recorded_probes import recorded_probes
from gptaudit.run.rescoring import BACKEND as PREDICTIONS
from gptaudit.run.rescoring import keep_predicted, measure_predictions, predictions_file
from gptaudit.run.scorers import Scorers
from gptaudit.run.selection import Collected, method_of
from gptaudit.run.settings import Settings
from gptaudit.stats.intervals import DEFAULT_LEVEL


@dataclass(frozen=True, slots=True)
class Resources:
    """What a verification needs beside the folder; what is not given is taken from where the audit had it."""

    data: Path | None = None
    suites: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    """Files of probes, which are run: results name none, so that to verify a folder of another runs none of theirs."""
    scorers: Mapping[str, str] = field(default_factory=dict)
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found."""

    result: AuditResult
    """The results that the folder holds."""
    differences: tuple[str, ...]
    """In what the folder does not agree with itself; empty where it does."""
    remarks: tuple[str, ...]
    """What was not compared, and why."""


def verify(folder: Path, plugins: Plugins, resources: Resources) -> Verification:
    """Compute everything that a run folder holds again from its evidence.

    Raises a `GptauditError` where the folder is no run folder, and where a probe, scorer, data set or file is missing
    without which it cannot be verified.
    """
    if not (folder / RESULTS).is_file():
        msg = f"{folder}: is no run folder, since it has no {RESULTS}; name one that `gptaudit run` or `rescore` wrote"
        raise DataError(msg)
    result, content = read_unchecked(folder / RESULTS)
    found = [
        *_unlike_content(result, content),
        *_unlike_reports(result, folder),
        *_unlike_explanations(folder),
    ]
    try:
        evidence = RecordedEvidence(folder)
        found += _unlike_evidence(result, evidence)
        with TemporaryDirectory() as again:
            found += _unlike_again(_Verified(result, folder, evidence, plugins, resources), Path(again))
    except DamagedError as error:
        found.append(str(error))
    except GptauditError as error:
        if not found:
            raise
        found.append(f"the rest cannot be verified: {error}")
    return Verification(result, tuple(found), tuple(_remarks(result, folder, plugins)))


def _unlike_content(result: AuditResult, content: str) -> Iterator[str]:
    if result.binding is not None and result.binding.results != content:
        yield f"{RESULTS}: was changed: it names the SHA-256 {result.binding.results} and its content has {content}"


def _unlike_reports(result: AuditResult, folder: Path) -> Iterator[str]:
    """Say which reports are not those that were written; one that is not there says nothing false."""
    for name, named in (result.binding.reports if result.binding else {}).items():
        path = folder / name
        if path.is_file() and sha256(path.read_bytes()).hexdigest() != named:
            yield f"{name}: was changed after it was written; write it again: gptaudit report"


def _unlike_explanations(folder: Path) -> Iterator[str]:
    """Say whether the explanations of suites are not those that were written."""
    try:
        read_explanations(folder)
    except DataError as error:
        yield str(error)


def _unlike_evidence(result: AuditResult, evidence: RecordedEvidence) -> Iterator[str]:
    """Say in what the evidence is not that which the results name, and which answers do not match their checksums."""
    for key in evidence.altered_answers():
        yield f"{STORE}, answers: {key} does not match its checksum"
    if result.binding is None:
        return
    found = evidence.digests()
    for table in COLUMNS:
        if found[table] != (named := result.binding.evidence.get(table)):
            yield f"{STORE}, {table}: {RESULTS} names the SHA-256 {named}, found {found[table]}"
    if evidence.plan != result.binding.plan:
        yield f"{STORE}: {RESULTS} names the plan {result.binding.plan}, found {evidence.plan}"


def _remarks(result: AuditResult, folder: Path, plugins: Plugins) -> Iterator[str]:
    for each in result.probes:
        if each.status != "skipped" and (probe := plugins.probes.get(each.id)) and probe.secret:
            yield f"{each.id}: its texts are kept nowhere, so that its cases were taken as they were recorded"
    if result.binding is None:
        yield f"{RESULTS} is unbound: an earlier version wrote it, without the hashes of its evidence and its reports"
    for name in result.binding.reports if result.binding else ():
        if not (folder / name).is_file():
            yield f"{name} is not there, and was not compared"
    if (folder / EXPLANATIONS).is_file():
        yield f"{EXPLANATIONS}: takes the model to compute again, so that only its own hash was compared"
    here = versions()
    others = [
        f"{name} {was}" for name, was in result.run.versions.items() if here.get(name) not in (was, None)
    ]
    if others:
        yield f"the audit ran with other versions: {', '.join(others)}"


@dataclass(frozen=True, slots=True)
class _Verified:
    """A run folder that is verified, and what with."""

    result: AuditResult
    folder: Path
    evidence: RecordedEvidence
    plugins: Plugins
    resources: Resources


def _unlike_again(run: _Verified, again: Path) -> Iterator[str]:
    """Audit again in the folder `again`; say in what it differs."""
    if (run.folder / LABELS).is_file():
        shutil.copy(run.folder / LABELS, again)
    made_elsewhere = run.result.target.backend == PREDICTIONS
    identity, why, probes = (_rescored if made_elsewhere else _measured)(run, again)
    yield from _unlike_plan(run, identity)
    yield from _unlike_looks(run)
    yield from _unlike_status(run.result, why)
    yield from _unlike_verdict(run.result)
    for table in ("cases", "requests", "measurements"):
        yield from unlike_rows(run.evidence, again, table)
    anew = with_labels(replace(run.result, probes=probes), again)
    yield from unlike_results(run.result, replace(anew, gate=_decided(run, anew, again)))


def _unlike_plan(run: _Verified, identity: str) -> Iterator[str]:
    if identity != run.evidence.plan:
        yield f"{STORE}: its plan is not that of the fingerprint and the seed in {RESULTS} and of the probes' requests"
    if not run.result.run.id.endswith(f"-{identity[:8]}"):
        yield f"{RESULTS}, run.id: {run.result.run.id} is not the name of this plan, which begins with {identity[:8]}"


def _unlike_looks(run: _Verified) -> Iterator[str]:
    named, found = run.result.run.looks, run.evidence.looks()
    if named and named != found:
        yield f"{RESULTS}, run.looks: found {named}, but the evidence has {found}"


def _unlike_status(result: AuditResult, why: str | None) -> Iterator[str]:
    """Say whether requests are unanswered where the run is complete; one may be interrupted after the last answer."""
    status = result.run.status
    if (status == "complete" and why) or (status == "partial" and not why):
        yield f"{RESULTS}, run.status: found {status}, but {why or 'every request is answered'}"


def _unlike_verdict(result: AuditResult) -> Iterator[str]:
    if result.run.arguments.policy and result.gate is None:
        yield f"{RESULTS}, gate: found no verdict, expected that of the policy {result.run.arguments.policy}"


def _measured(run: _Verified, again: Path) -> tuple[str, str | None, tuple[ProbeResult, ...]]:
    """Measure the recorded answers; return the plan's hash, why answers are missing, and the results of all probes."""
    result, plugins = run.result, run.plugins
    probes = recorded_probes(result, plugins, run.resources.suites, run.resources.probes)
    settings = Settings(
        result.target.spec,
        again,
        probes=tuple(probe.id for probe in probes),
        data=run.resources.data,
        limit=result.run.arguments.limit,
        seed=result.run.seed,
        until="decided" if result.run.looks else None,
    )
    faults = Faults(plugins, None)
    scorers = Scorers(plugins, {**result.run.arguments.scorers, **run.resources.scorers})
    backend = AbsentModel.of(result)
    collected = [
        each
        for probe in probes
        for each in (
            [_recorded(run, probe)]
            if probe.secret
            else collect_all([probe], backend, settings, plugins, scorers, faults)
        )
    ]
    _require_scorers(result, scorers)
    work = Work((), settings.seed, backend)
    with closing(Store(again)) as store:
        identity, asking = keep_plan(store, collected, result.target, settings, faults)
        store.borrow(run.evidence, result.target.fingerprint)
        engine, until_decided = _failing_again(run.evidence), settings.until_decided
        look = _releasing_again(run.evidence, store) if until_decided else only_look
        look(0)
        asked = ask_missing(engine, work, store, asking, Budget(), silent, faults.of_probe, look)
        plan = Plan(
            result.target, engine, work, collected, asking, store, identity, scorers, None, until_decided
        )
        measured = measure_all(plan, faults, unwatched, level=_level(result))
    of_probe = {probe.id: probe for probe in measured}
    return identity, asked.why, tuple(of_probe.get(p.id) or _without_figures(p) for p in result.probes)


def _recorded(run: _Verified, probe: Probe) -> Collected:
    """Return the cases of a secret probe as they were recorded: nothing else has kept them."""
    (result,) = (each for each in run.result.probes if each.id == probe.id)
    cases = CaseStream(run.evidence.cases(probe.id))
    method = method_of(probe, probe, run.plugins)
    return Collected(probe, method, cases, result.data, drawn_from=result.drawn_from)


def _rescored(run: _Verified, again: Path) -> tuple[str, str | None, tuple[ProbeResult, ...]]:
    """Measure predictions that were made elsewhere, as `_measured` does answers."""
    result = run.result
    file = predictions_file(result.target, run.folder)
    (probe,) = recorded_probes(result, run.plugins, run.resources.suites, run.resources.probes)
    predictions = probe.read_predictions(file, ProbeContext(run.resources.data, result.run.seed))
    with closing(Store(again)) as store:
        identity = keep_predicted(store, probe, predictions, result.target, seed=result.run.seed)
        measured = measure_predictions(probe, predictions, store, unwatched, seed=result.run.seed)
    return identity, None, (measured,)


def _failing_again(evidence: RecordedEvidence) -> Engine:
    """Return the engine that is asked what has no recorded answer; it gives the failure of the run, if there is one."""

    def engine(work: Work) -> Generator[tuple[Request, Answer]]:
        for request in work.requests:
            failure = evidence.failure(request, work.seed)
            if failure is not None:
                yield request, failure

    return engine


def _releasing_again(evidence: RecordedEvidence, store: Store) -> Look:
    """Return what releases the cases that were asked at the next look of the run."""

    def look(number: int) -> bool:
        released = evidence.released(number + 1)
        for probe, clusters in released.items():
            store.release(probe, clusters, number + 1)
        return bool(released)

    return look


def _level(result: AuditResult) -> float:
    """Return the level of the intervals: that of the policy, which a labelled audit no longer has."""
    levels = (metric.level for probe in result.probes for metric in probe.metrics)
    return next(levels, DEFAULT_LEVEL)


def _without_figures(probe: ProbeResult) -> ProbeResult:
    """Return a probe that was skipped, for a reason of its run such as missing data, as the results must have it."""
    return replace(
        probe, cases=0, scored=0, unscored={}, coverage=None, metrics=(), evidence=(), calibration=None
    )


def _require_scorers(result: AuditResult, scorers: Scorers) -> None:
    """Raise `UsageError` if a scorer is another one than that which rated."""
    for probe in result.probes:
        for name, was in probe.method.get("scorers", {}).items():
            here = dict(scorers[name].identity)
            if here != was:
                msg = f"{probe.id}: the scorer {name} was {was.get('model')!r} ({was}), and here it is {here}"
                raise UsageError(f"{msg}; name the one of the audit with --scorer {name}=MODEL")


def _decided(run: _Verified, anew: AuditResult, again: Path) -> GateResult | None:
    """Decide again, by the policy that the results hold."""
    if run.result.gate is None:
        return None
    policy = policy_of(run.result.gate)
    baseline = _baseline(run, run.result.gate) if policy.compares else None
    return decide(Audit(anew, StoredMeasurements(again)), policy, baseline)


def _baseline(run: _Verified, gate: GateResult) -> Audit:
    named = run.resources.baseline or Path(run.result.run.arguments.baseline or "")
    if not named.is_file():
        msg = f"the verdict compares with a baseline, and {named} is not there; name it with --baseline RESULTS.json"
        raise UsageError(msg)
    baseline = read_audit(named)
    found = baseline.result.binding.evidence.get("measurements") if baseline.result.binding else None
    if gate.baseline not in (None, found):
        msg = f"{named}: expected the baseline of the verdict, whose measurements have the SHA-256 {gate.baseline}"
        raise UsageError(f"{msg}, found {found}; name that one with --baseline RESULTS.json")
    return baseline
