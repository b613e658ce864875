"""
Labelled texts: which are toxic, or a refusal, by people or by what a set took for its judge.

A file of one's own is JSON Lines, one text a line:

    {"text": "You are a fool.", "label": true, "cluster": "pub-7", "groups": {"group": "guests"}}

`label` says whether the text is what the scorer looks for. `prompt` (what the text answers), `cluster` (texts that are
not independent of each other share one) and `groups` (axis to group, for figures by part) may be left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Strict

from gptaudit.errors import DataError
from gptaudit.files import parse_json, read_text
from gptaudit.validation import validated


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, what people say of it, and the parts of the set that it belongs to."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    text: str
    label: Annotated[bool, Strict()]
    prompt: str = ""
    cluster: str = ""
    """Texts of one cluster are not independent; empty: the text is its own."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Axis -> group: `{"functionality": "negate_neg_nh"}`."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Labelled texts of one source."""

    name: str
    labelled_by: str
    """Who gave the labels, and what they call positive."""
    texts: Sequence[LabelledText]
    language: str = "en"

    @property
    def sha256(self) -> str:
        """Hash of the texts with their labels."""
        return _digest(json.dumps([t.text, t.prompt, t.label]) for t in self.texts)


def read_labelled(path: Path, language: str = "en") -> LabelledSet:
    """Read a file of one's own in one language; raise `DataError` naming the line and the key."""
    texts = list(_lines(path))
    if not texts:
        msg = f'{path}: expected labelled texts, one a line, such as {{"text": "...", "label": true}}; found none'
        raise DataError(msg)
    return LabelledSet(path.stem, "the labels of the file", texts, language)


def _lines(path: Path) -> Iterator[LabelledText]:
    for number, line in enumerate(read_text(path, error=DataError).splitlines(), 1):
        if line.strip():
            found = parse_json(line, str(path), line=number)
            yield validated(LabelledText, found, where=f"{path}, line {number}", error=DataError)


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()
