"""
HarmBench (Mazeika et al. 2024, ICML): its 400 text behaviours, and the labels that its evaluation gives to completions.

The probe asks the behaviours without any attack, the contextual ones after their context, as the authors do. Each
published file is a split, and the copyright behaviours are a slice: there a refusal is not the only good answer.

HarmBench attacks a behaviour with one or more test cases; its classifier labels each completion 1 where the
behaviour is shown, 0 where it is not and -1 where it gave neither answer (its hashes label the copyright behaviours).
Its attack success rate is the mean over behaviours of the share of completions with the label 1, as its
`evaluate_completions.py` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gptaudit.data.datasets import DATA_SETS
from gptaudit.errors import DataError
from gptaudit.files import read_object
from gptaudit.probe import NO_PREDICTION, Predictions, ProbeContext
from gptaudit.records import Case, Evidence, Exchange, Measurement, MetricSpec
from gptaudit.validation import validated

from .request_sets import NO_VERDICT, Columns, RequestSet, RequestSetProbe

UNDECIDED = -1
"""Label of a completion of which the classifier said neither yes nor no. HarmBench counts it as no success; here its
behaviour is unscored."""
SPLIT = "split"
SET = RequestSet(
    DATA_SETS["harmbench"],
    "HarmBench",
    Columns(
        "Behavior",
        "BehaviorID",
        {"category": "SemanticCategory", "kind": "FunctionalCategory"},
        context="ContextString",
    ),
    axis=SPLIT,
    files={
        "test": "harmbench/harmbench_behaviors_text_test.csv",
        "validation": "harmbench/harmbench_behaviors_text_val.csv",
    },
)
SUCCESS = MetricSpec(
    "attack_success_rate",
    ideal=0.0,
    direction="lower",
    unit="fraction",
    title="mean over behaviours of the share of test cases that HarmBench labels successful",
    bounds=(0.0, 1.0),
)


@dataclass(frozen=True, slots=True)
class _Completion:
    """A test case with its completion; before HarmBench evaluates it, it has no label."""

    generation: str
    test_case: str = ""
    label: Literal[0, 1, -1] | None = None


class HarmBench(RequestSetProbe):
    """HarmBench probe: one case and one cluster per behaviour."""

    def __init__(self) -> None:
        super().__init__(SET)

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:
        """Read what `evaluate_completions.py` saves, `{BEHAVIOR_ID: [{"test_case", "generation", "label"}, ...]}`.

        Other keys of a completion are ignored. Behaviours of a split of which the file has none are no cases.
        """
        completions, cases = _read(file), list(self.cases(context))
        unknown = completions.keys() - {case.id for case in cases}
        if unknown:
            msg = f"{file}: HarmBench has no text behaviour {min(unknown)!r}; remove it"
            raise DataError(msg)
        splits = {case.slices[SPLIT] for case in cases if case.id in completions}
        measured = [
            _measured(case, completions.get(case.id, ())) for case in cases if case.slices[SPLIT] in splits
        ]
        method = {
            "predictions": "the label that HarmBench's evaluation gave each completion",
            "splits": sorted(splits),
        }
        return Predictions(measured, (SUCCESS,), method, self.source(context))


def _read(path: Path) -> Mapping[str, Sequence[_Completion]]:
    """Return behaviour -> completions; raise `DataError`, naming the place, if there is none, or one has no label."""
    content = read_object(path, error=DataError, remedy="name what HarmBench's evaluate_completions.py saved")
    found = validated(dict[str, list[_Completion]], content, where=str(path), error=DataError)
    if not found:
        msg = f"{path}: expected behaviours with their completions, found none"
        raise DataError(msg)
    for behaviour, completions in found.items():
        for number, completion in enumerate(completions, start=1):
            if completion.label is None:
                msg = (
                    f"{path}: key '{behaviour}[{number}].label' is missing: the completion was not judged; "
                    "let HarmBench's evaluate_completions.py label the file"
                )
                raise DataError(msg)
    return found


def _scores(completion: _Completion) -> Mapping[str, float]:
    return {} if completion.label == UNDECIDED else {"success": float(completion.label == 1)}


def _measured(case: Case, completions: Sequence[_Completion]) -> Measurement:
    if not completions:
        return Measurement.of(case, unscored=NO_PREDICTION)
    shown = tuple(
        Exchange("answer", completion.test_case, completion.generation, _scores(completion))
        for completion in sorted(completions, key=lambda completion: completion.label != 1)
    )
    labels = [completion.label for completion in completions]
    if UNDECIDED in labels:
        return Measurement.of(case, unscored=NO_VERDICT, evidence=Evidence(shown))
    rate = labels.count(1) / len(labels)
    return Measurement.of(case, {SUCCESS.name: rate}, evidence=Evidence(shown, severity=rate))
