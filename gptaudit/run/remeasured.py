"""A probe's cases measured again from their recorded answers, by other normalisations and rules for ties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal, TypeAlias, get_args

from gptaudit.probe import Answered, Probe
from gptaudit.records import Answer, Case, Failure, Likelihood, Measurement, ScoreRequest
from gptaudit.records.margin import Normalisation, normalised
from gptaudit.run.measuring import Page, measure_page
from gptaudit.run.scorers import Scorers

Ties: TypeAlias = Literal["left out", "half", "no stereotype"]
"""What a case counts whose answers tie: nothing, the mean of its outcomes, or the outcome against the stereotype."""

TIES: tuple[Ties, ...] = get_args(Ties)

NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)


@dataclass(frozen=True, slots=True)
class Remeasured:
    """The measurements of a probe's cases, and those of its tied cases with each outcome that they could have had."""

    cases: list[Measurement] = field(default_factory=list)
    settled: dict[str, list[Measurement]] = field(default_factory=dict)
    """Case -> one measurement for each outcome, that which agrees with the stereotype first."""

    def by(self, ties: Ties) -> list[Measurement]:
        """Return the measurements by a rule for ties."""
        if ties == "left out":
            return self.cases
        return [
            _settled(self.settled[case.case], ties) if case.case in self.settled else case
            for case in self.cases
        ]


def alike(one: Iterable[Measurement], two: Iterable[Measurement], names: Sequence[str]) -> bool:
    """Whether the same cases have the same of these values, so that two specifications are one."""
    return all(
        m.unscored == n.unscored and all(m.values.get(name) == n.values.get(name) for name in names)
        for m, n in zip(one, two, strict=True)
    )


def _settled(outcomes: Sequence[Measurement], ties: Ties) -> Measurement:
    if ties == "no stereotype":
        return outcomes[-1]
    first = outcomes[0]
    return replace(first, values={name: fmean(one.values[name] for one in outcomes) for name in first.values})


def remeasured(
    probe: Probe,
    pages: Iterable[Sequence[tuple[Case, Sequence[Answer | None]]]],
    own: Normalisation,
    wanted: Sequence[Normalisation],
    scorers: Scorers,
) -> Mapping[Normalisation, Remeasured]:
    """Measure the recorded cases of a probe by each normalisation; `own` is the one that the probe itself takes.

    Raises `PluginCallError` where the probe fails, naming the case.
    """
    found = {by: Remeasured() for by in wanted}
    for recorded in pages:
        page = [(case, [probe.usable(answer) for answer in answers]) for case, answers in recorded]
        for by, into in found.items():
            changed = page if by == own else [(case, _normalised(case, said, own, by)) for case, said in page]
            measured = [replace(m, evidence=None) for m in measure_page(probe, changed, scorers)]
            into.cases.extend(measured)
            into.settled.update(_outcomes(probe, changed, measured, scorers))
    return found


def _normalised(
    case: Case, answers: Sequence[Answer], own: Normalisation, wanted: Normalisation
) -> Sequence[Answer]:
    likelihoods = [answer for answer in answers if isinstance(answer, Likelihood)]
    texts = [request.continuation for request in case.requests if isinstance(request, ScoreRequest)]
    if not answers or len(likelihoods) < len(answers):  # one has failed, and the case is not scored
        return answers
    return normalised(likelihoods, texts, own, wanted)


def _outcomes(
    probe: Probe, page: Page, measured: Sequence[Measurement], scorers: Scorers
) -> Iterator[tuple[str, list[Measurement]]]:
    """Yield the tied cases, each with the measurement of each outcome."""
    for (case, answers), measurement in zip(page, measured, strict=True):
        if measurement.unscored is None or any(isinstance(answer, Failure) for answer in answers):
            continue
        ways = [(case, way.answers) for way in probe.settled(Answered(case, tuple(answers)))]
        if ways:
            yield case.id, [replace(m, evidence=None) for m in measure_page(probe, ways, scorers)]
