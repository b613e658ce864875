"""Public data sets: where their files are published, and by what hash they are known.

Plugins register theirs with the hook `gptaudit_register_data_sets`; `gptaudit data list`, `fetch` and `verify` know
them, and a probe reads a file with `gptaudit.data.datasets.find(DATA_SET, context.data, PATH)`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataFile:
    """A published file: its path in the data folder, its URL, and its hash."""

    path: str
    url: str
    sha256: str
    """Empty if unknown; such a file is read but neither fetched nor verified."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A public data set: its source, licence, citation and files."""

    name: str
    source: str
    licence: str
    citation: str
    rows: int
    """Rows that probes read, in all files together."""
    files: tuple[DataFile, ...]
