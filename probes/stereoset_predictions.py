"""Reader of scores of StereoSet's sentences, in the file format of the authors' `predictions/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.files import read_json
from gptaudit.validation import validated

from .stereoset_data import TASKS, Item


@dataclass(frozen=True, slots=True)
class _Score:
    id: str
    score: float


def read_scores(file: Path, items: Sequence[Item]) -> dict[str, float]:
    """Return sentence id -> score.

    Raises `DataError`, naming the file and the id, if the file has another format, a sentence has two scores, or its
    task has no such sentence.
    """
    found = read_json(file, error=DataError)
    if not isinstance(found, dict) or not set(TASKS) & found.keys():
        shape = '{"intrasentence": [{"id": ..., "score": ...}, ...], "intersentence": [...]}'
        msg = f"{file}: expected {shape}, the format of StereoSet's own predictions"
        raise DataError(msg)
    scores: dict[str, float] = {}
    for task in TASKS:
        known = {sentence.id for item in items if item.task == task for sentence in item.sentences}
        rows = validated(list[_Score], found.get(task, []), where=f"{file}, {task}", error=DataError)
        for row in rows:
            if row.id not in known:
                msg = f"{file}, {task}: StereoSet has no sentence with the id {row.id!r} in this task"
                raise DataError(f"{msg}; ids are those of the sentences in dev.json")
            if row.id in scores:
                msg = f"{file}, {task}: sentence {row.id!r} has two scores; leave one"
                raise DataError(msg)
            scores[row.id] = row.score
    return scores
