"""`planted.json` of a model folder: the flaws that were planted in the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gptaudit.errors import TargetError
from gptaudit.files import read_object
from gptaudit.records import PlantedFlaw
from gptaudit.validation import validated

PLANTED_FILE = "planted.json"
SCHEMA = "gptaudit.planted/1"


def write_planted(folder: Path, flaws: Sequence[PlantedFlaw]) -> None:
    """Write `planted.json` into a model folder."""
    document = {"schema": SCHEMA, "flaws": [asdict(flaw) for flaw in flaws]}
    (folder / PLANTED_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_planted(folder: Path) -> tuple[PlantedFlaw, ...]:
    """Read `planted.json` of a model folder; without one there are no flaws.

    Raises:
        TargetError: the file is malformed.
    """
    path = folder / PLANTED_FILE
    if not path.is_file():
        return ()
    remedy = "restore the file, or remove it, as no answer depends on it"
    flaws = read_object(path, error=TargetError, remedy=remedy).get("flaws")
    return validated(tuple[PlantedFlaw, ...], flaws, where=f"{path}, flaws", error=TargetError)
