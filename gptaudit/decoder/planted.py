"""What a model folder says was planted in its model."""

from __future__ import annotations

import json
from pathlib import Path

from gptaudit.errors import TargetError
from gptaudit.files import read_text
from gptaudit.records import PlantedFlaw
from gptaudit.validation import validated

PLANTED_FILE = "planted.json"


def read_planted(folder: Path) -> tuple[PlantedFlaw, ...]:
    """Read `planted.json`; no flaws where there is none.

    Raises:
        TargetError: the file is malformed.
    """
    path = folder / PLANTED_FILE
    if not path.is_file():
        return ()
    try:
        flaws = json.loads(read_text(path, error=TargetError))["flaws"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: expected JSON with a list `flaws`: {error}"
        raise TargetError(msg) from None
    return validated(tuple[PlantedFlaw, ...], flaws, where=str(path), error=TargetError)
