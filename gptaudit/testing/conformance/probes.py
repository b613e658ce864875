"""The check of probes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, islice
from math import isfinite
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final

from gptaudit.errors import DataError, PluginCallError
from gptaudit.evidence.stored import ANSWER, CASE, MEASUREMENT
from gptaudit.files import to_json
from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, Probe, ProbeContext, forms_of
from gptaudit.protocols.attack import Attack
from gptaudit.protocols.scorer import Scorer
from gptaudit.records import (
    Answer,
    AttributeRequest,
    AuditResult,
    Case,
    ChooseRequest,
    Failure,
    GenerateRequest,
    Measurement,
    Request,
    ScoreRequest,
    SecretRequest,
    full_name,
    is_begun,
)
from gptaudit.records.metric_name import MetricName
from gptaudit.run.attacked import Attacked
from gptaudit.run.measuring import measure_page
from gptaudit.testing import GivenScorers, run_probe
from gptaudit.testing.conformance.expecting import (
    calling,
    expect,
    expect_json,
    expect_registrable,
    expect_same,
    expect_texts,
    twice,
)
from gptaudit.testing.conformance.hostile_audit import hostile_audit
from gptaudit.testing.conformance.made_up import ORDINARY, MadeUpBackend, made_up_answer, said
from gptaudit.testing.conformance.texts import for_texts
from gptaudit.validation import validated

LOOKED_AT: Final = 2_000
"""Cases that are looked at; a data set may have millions."""
MEASURED: Final = 24
"""Cases that are measured, from all parts of those."""

POLITELY: Final = Attack("politely", "Says please.", lambda request, draw: f"Please: {request}")  # noqa: ARG005
BROKEN: Final = Failure("broken", "this answer failed")


def check_probe(
    probe: Probe,
    *,
    data: Path | None = None,
    scorers: Mapping[str, Scorer] = MappingProxyType({}),
    answers: Sequence[str] = ORDINARY,
) -> None:
    """Check a probe, its elicited forms, and what attacks make of it.

    Its cases are the same each time and fit for a policy; it asks what its `needs` say; a case is measured as the same
    in any batch and order, after it was kept and read again, and whatever becomes of the others; no text breaks it; its
    values are in their range; `follow_up` depends on the answers alone; everything comes back from JSON.

    `data` is the folder of the data sets that it reads, `scorers` play their roles in place of the registered ones, and
    `answers` are texts of which it can measure some.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("probes", probe, "id")
    context = ProbeContext(data, 0)
    given = GivenScorers(load_plugins(), scorers)
    first: list[object] = []
    for form in _forms(probe):
        where = f"probe {probe.id!r}, {type(form).__name__}"
        cases = _cases(form, context, where)
        told: list[object] = [
            (form.id, case.id, case.cluster, dict(case.slices), case.crossed) for case in cases
        ]
        if not isinstance(form, Attacked):
            expect_same(where, "id, cases, clusters and slices as in its other forms", first or told, told)
            first = told
        _check_measuring(form, _spread(cases), given, answers, where)
        _check_result(form, data, scorers, answers, where)


def _forms(probe: Probe) -> Iterator[Probe]:
    yield from forms_of(probe)
    attacked = probe.under_attack()
    if attacked is not None:
        expect_same(f"probe {probe.id!r}, under_attack()", "id", probe.id, attacked.id)
        yield Attacked(attacked, POLITELY, "conformance")


# --- What it asks --------------------------------------------------------------------------------------------------


def _cases(form: Probe, context: ProbeContext, where: str) -> list[Case]:
    """Return the first cases of a probe, which are checked."""
    expect_json(f"{where}, method()", dict(twice(f"{where}, method()", "method", form.method)))
    with calling(f"{where}, cases()", DataError):
        cases, again = (list(islice(form.cases(context), LOOKED_AT)) for _ in range(2))
        source = form.source(context)
    expect_same(f"{where}, cases()", "cases in each call", cases, again)
    expect(f"{where}, cases()", "a case that asks something", cases, holds=any(c.requests for c in cases))
    if source is not None:
        named = source.name and source.source and source.licence and len(source.sha256) == 64
        expect(f"{where}, source()", "a name, a source, a licence and a SHA-256", source, holds=bool(named))
    seen: set[str] = set()
    for case in cases:
        _check_case(form, case, seen, f"{where}, case {case.id!r}")
    _check_slices(form, cases, where)
    return cases


def _check_case(form: Probe, case: Case, seen: set[str], where: str) -> None:
    named = isinstance(case.id, str) and case.id.strip() and case.id.isprintable()
    expect(where, "an id of printable characters", case.id, holds=bool(named))
    expect(where, "an id that no other case has", case.id, holds=case.id not in seen)
    seen.add(case.id)
    known = isinstance(case.cluster, str) and bool(case.cluster) and isinstance(case.crossed, str)
    expect(where, "the name of a cluster", case.cluster, holds=known)
    expect_texts(f"{where}, slices", case.slices)
    expect_same(where, "case once it was kept", case, _kept_case(case))
    _check_needs(form, case.requests, where)


def _check_needs(form: Probe, requests: Sequence[Request], where: str) -> None:
    for request in requests:
        wanted = _wanted(request)
        expected = f"{' or '.join(sorted(wanted))} in needs, for {request}"
        expect(where, expected, sorted(form.needs), holds=bool(wanted & form.needs))


def _wanted(request: object) -> set[str]:
    """Return the capabilities of which a probe has to name one for a request."""
    match request:
        case GenerateRequest(prompt=str()):
            return {"generate", "chat"}
        case GenerateRequest(prompt=prompt):
            return {"continue"} if is_begun(prompt) else {"chat"}
        case ScoreRequest(context=context) | SecretRequest(context=context):
            return {"score", "score-after-context"} if context else {"score"}
        case ChooseRequest():
            return {"choose"}
        case AttributeRequest():
            return {"gradients"}
    return set()


def _check_slices(form: Probe, cases: Sequence[Case], where: str) -> None:
    """Check that a rule of a policy can name each slice."""
    for axis, group in dict.fromkeys(pair for case in cases for pair in case.slices.items()):
        name = f"{form.id}.{form.metrics[0].name}[{axis}={group}]"
        with calling(f"{where}, slices"):
            read = MetricName.of(name)
        expect_same(
            f"{where}, slices, {name}", "axis and group in a policy", (axis, group), (read.axis, read.group)
        )


def _spread(cases: Sequence[Case]) -> list[Case]:
    """Return some cases from all parts of a list."""
    return list(cases[:: max(1, len(cases) // MEASURED)][:MEASURED])


# --- What it makes of answers --------------------------------------------------------------------------------------

Conversation = tuple[Case, list[Answer]]
"""A case with all that was asked of it, and the answers as the probe can use them."""


def _check_measuring(
    form: Probe, cases: Sequence[Case], scorers: GivenScorers, answers: Sequence[str], where: str
) -> None:
    page = [_asked(form, case, answers, where) for case in cases]
    together = _measured(form, page, scorers, where)
    kept = [(_kept_case(case), [_kept(answer) for answer in of_case]) for case, of_case in page]
    backwards = _measured(form, kept[::-1], scorers, where)
    expect_same(where, "measurements in another order, once kept and read again", together, backwards)
    for case, of_case in page[:: max(1, len(page) // 4)]:
        alone = _measured(form, [(case, of_case)], scorers, where)
        expect_same(where, "measurement alone as among others", together[case.id], alone[case.id])
    _check_failures(form, page, together, scorers, where)
    if any(isinstance(request, GenerateRequest) for case, _ in page for request in case.requests):
        number = count()

        def check(text: str) -> None:
            asked = _asked(form, cases[next(number) % len(cases)], [text], where)
            _measured(form, [asked], scorers, f"{where}, where the model answers {text[:60]!r}")

        for_texts(check)


def _kept_case(case: Case) -> Case:
    """Return a case as a later run reads it."""
    return CASE.validate_json(CASE.dump_json(case))


def _kept(answer: Answer) -> Answer:
    """Return an answer as a later run reads it."""
    return ANSWER.validate_json(ANSWER.dump_json(answer))


def _check_failures(
    form: Probe,
    page: Sequence[Conversation],
    together: Mapping[str, Measurement],
    scorers: GivenScorers,
    where: str,
) -> None:
    """Check that a failed answer costs its own case, and no other."""
    asked = [case for case, _ in page if case.requests]
    bad = asked[len(asked) // 2]
    for absent in (BROKEN, None):
        usable = form.usable(absent)
        expect(f"{where}, usable({absent})", "a failure", usable, holds=isinstance(usable, Failure))
    spoilt = [(case, [BROKEN, *answers[1:]] if case is bad else answers) for case, answers in page]
    found = _measured(form, spoilt, scorers, where)
    expect_same(
        f"{where}, case {bad.id!r}", "reason as its answer's failure", BROKEN.reason, found[bad.id].unscored
    )
    others = [{name: m for name, m in of.items() if name != bad.id} for of in (together, found)]
    expect_same(where, "measurements of the others where one answer fails", *others)


def _asked(form: Probe, case: Case, texts: Sequence[str], where: str) -> Conversation:
    """Return a case with its answers and those to what the probe asks next, in as many rounds as it may ask."""
    where = f"{where}, case {case.id!r}"
    draw = Random(case.id)
    answers = [form.usable(made_up_answer(r, said(texts, r), draw)) for r in case.requests]
    for _ in range(form.rounds - 1):
        if any(isinstance(answer, Failure) for answer in answers):
            break
        follow_up = partial(form.follow_up, Answered(case, tuple(answers)))
        further = tuple(twice(f"{where}, follow_up", "requests", follow_up))
        again = Answered(_kept_case(case), tuple(map(_kept, answers)))
        expect_same(f"{where}, follow_up", "requests once kept", further, tuple(form.follow_up(again)))
        _check_needs(form, further, f"{where}, follow_up")
        case = replace(case, requests=(*case.requests, *further))
        answers += [form.usable(made_up_answer(r, said(texts, r), draw)) for r in further]
        if not further:
            break
    return case, answers


def _measured(
    form: Probe, page: Sequence[Conversation], scorers: GivenScorers, where: str
) -> dict[str, Measurement]:
    """Return the measurement of each case by its id, which are checked."""
    before = [CASE.dump_json(case) for case, _ in page]
    try:
        found = {measured.case: measured for measured in measure_page(form, page, scorers)}
    except PluginCallError as error:
        at = f", case {error.case!r}" if error.case else ""
        msg = f"{where}, {error.call}{at}: raised {type(error.error).__name__}: {error.error}"
        raise AssertionError(msg) from error
    expect_same(where, "cases after `measure`", before, [CASE.dump_json(case) for case, _ in page])
    for case, answers in page:
        _check_measurement(found[case.id], f"{where}, measure, case {case.id!r}")
        if not any(isinstance(answer, Failure) for answer in answers):
            is_open = form.is_open(Answered(case, tuple(answers)))
            at = f"{where}, is_open, case {case.id!r}"
            expect(at, "True or False", is_open, holds=isinstance(is_open, bool))
    return found


def _check_measurement(measured: Measurement, where: str) -> None:
    severity = measured.evidence.severity if measured.evidence else 0.0
    expect(where, "a finite severity", severity, holds=isfinite(severity))
    kept = MEASUREMENT.validate_json(MEASUREMENT.dump_json(measured))
    expect_same(where, "measurement once it was kept", measured, kept)


def _check_result(
    form: Probe, data: Path | None, scorers: Mapping[str, Scorer], answers: Sequence[str], where: str
) -> None:
    """Check what a run of the probe leaves."""
    with calling(where):
        result = run_probe(form, MadeUpBackend(answers), data=data, limit=MEASURED, scorers=scorers)
    expect(
        where,
        f"some cases that are scored with the answers {answers}",
        result.reason,
        holds=result.scored > 0,
    )
    text = to_json(replace(hostile_audit(), probes=(result,)))
    back = validated(AuditResult, json.loads(text), where=where, error=DataError)
    expect_same(f"{where}, results.json", "result once it was written", text, to_json(back))
    for metric in result.metrics:
        name = full_name(form.id, metric)
        own = (form.id, metric.name)
        with calling(f"{where}, metric {name}"):
            read = MetricName.of(name)
        expect_same(f"{where}, metric {name}", "name in a policy", own, (read.probe, read.name))
