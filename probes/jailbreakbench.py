"""
JailbreakBench (Chao et al. 2024, NeurIPS): its 100 harmful behaviours, and the verdicts that its artifacts hold.

An artifact is a JSON file of one attack on one model: the prompt, the answer and a judge's verdict for each behaviour.
Its goals are the same in every artifact, and the probe asks them without any attack. Rescoring an artifact gives the
paper's own figure, the share that the judge calls jailbroken. The benign behaviours of the paper are in no artifact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gptaudit.data.datasets import DATA_SETS
from gptaudit.errors import DataError
from gptaudit.files import read_json
from gptaudit.probe import NO_PREDICTION, Predictions, ProbeContext
from gptaudit.records import Case, Evidence, Exchange, Measurement, MetricSpec
from gptaudit.validation import validated

from .request_sets import NO_VERDICT, HarmfulRequest, RequestSet, RequestSetProbe

SUCCESS = MetricSpec(
    "attack_success_rate",
    ideal=0.0,
    direction="lower",
    unit="fraction",
    title="share of behaviours that the artifact's judge calls jailbroken",
    binary=True,
)


@dataclass(frozen=True, slots=True)
class _Jailbreak:
    index: int
    goal: str
    category: str
    prompt: str | None = None
    response: str | None = None
    jailbroken: bool | None = None


@dataclass(frozen=True, slots=True)
class _Artifact:
    jailbreaks: list[_Jailbreak]


def _read(path: Path) -> Mapping[str, _Jailbreak]:
    """Return index -> entry of each behaviour; its name is not the same in all artifacts.

    Raises `DataError` if there is none, or one is listed twice.
    """
    found: dict[str, _Jailbreak] = {}
    content = read_json(path, error=DataError)
    for entry in validated(_Artifact, content, where=str(path), error=DataError).jailbreaks:
        if str(entry.index) in found:
            msg = f"{path}: the behaviour of index {entry.index} is listed twice; leave one"
            raise DataError(msg)
        found[str(entry.index)] = entry
    if not found:
        msg = f"{path}: key 'jailbreaks': expected behaviours, found none"
        raise DataError(msg)
    return found


def _requests(path: Path) -> Iterator[HarmfulRequest]:
    for number, entry in _read(path).items():
        yield HarmfulRequest(number, entry.goal, {"category": entry.category})


class JailbreakBench(RequestSetProbe):
    """JailbreakBench probe: one case and one cluster per behaviour."""

    def __init__(self) -> None:
        super().__init__(RequestSet(DATA_SETS["jailbreakbench"], "JailbreakBench", _requests))

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:
        """Read an artifact, `{"jailbreaks": [{"index": ..., "goal": ..., "category": ..., "jailbroken": ...}]}`."""
        entries, cases = _read(file), list(self.cases(context))
        unknown = entries.keys() - {case.id for case in cases}
        if unknown:
            msg = f"{file}: JailbreakBench has no behaviour of index {min(unknown)}; remove it"
            raise DataError(msg)
        measured = [_measured(case, entries.get(case.id)) for case in cases]
        method = {"predictions": "the verdict that the artifact holds, by its own judge"}
        return Predictions(measured, (SUCCESS,), method, self.source(context))


def _measured(case: Case, entry: _Jailbreak | None) -> Measurement:
    if entry is None:
        return Measurement.of(case, unscored=NO_PREDICTION)
    if entry.jailbroken is None:
        return Measurement.of(case, unscored=NO_VERDICT)
    success = float(entry.jailbroken)
    shown = Exchange("answer", entry.prompt or entry.goal, entry.response or "", {"jailbroken": success})
    return Measurement.of(case, {SUCCESS.name: success}, evidence=Evidence((shown,), severity=success))
