"""
Explanations of suites that belong to a finished audit: `explanations.json` in its run folder.

They take the model and time, and decide nothing, so that they are made when someone asks for them; the audit's page
shows them beside its findings. The file names the hash of its own content, since no evidence is kept to compute them
from again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gptaudit.attribution.suites.explanation import SuiteExplanation
from gptaudit.errors import DataError
from gptaudit.evidence.plan import digest
from gptaudit.files import read_with_schema, to_json, write_atomic
from gptaudit.validation import validated

FILE_NAME = "explanations.json"
SCHEMA = "gptaudit.explanations/1"
REMEDY = "Restore the file, or remove it to explain anew"


@dataclass(frozen=True, slots=True)
class Explanations:
    """All explanations of a run folder, one for each probe."""

    explanations: tuple[SuiteExplanation, ...] = ()
    sha256: str = ""
    """Hash of all of the file except this key."""
    schema: str = SCHEMA

    def of(self, fingerprint: str) -> tuple[SuiteExplanation, ...]:
        """Return those of the model with this fingerprint."""
        return tuple(found for found in self.explanations if found.fingerprint == fingerprint)

    def of_others(self, fingerprint: str) -> tuple[SuiteExplanation, ...]:
        """Return those of other models, which an audit in the same folder had before."""
        return tuple(found for found in self.explanations if found.fingerprint != fingerprint)


def read_explanations(folder: Path) -> Explanations:
    """Return the explanations of a run folder, none where it has no file of them.

    Raises `DataError`, naming the file and the key, for one that is damaged or was changed after it was written.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return Explanations()
    data = read_with_schema(path, SCHEMA, remedy=REMEDY, error=DataError)
    found = validated(Explanations, data, where=str(path), error=DataError)
    if found.sha256 != (content := _content_digest(data)):
        named = f"it names the SHA-256 {found.sha256[:12]}..., and its content has {content[:12]}..."
        msg = f"{path}: was changed after it was written: {named}. {REMEDY}"
        raise DataError(msg)
    return found


def keep_explanation(folder: Path, found: SuiteExplanation) -> None:
    """Put an explanation in place of that which the folder has of the same probe."""
    others = [one for one in read_explanations(folder).explanations if one.probe != found.probe]
    record = Explanations((*others, found))
    content = _content_digest(json.loads(to_json(record)))
    write_atomic(folder / FILE_NAME, to_json(replace(record, sha256=content)))


def _content_digest(data: Mapping[str, Any]) -> str:
    return digest({**data, "sha256": ""})
