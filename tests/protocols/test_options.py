"""Options that are mappings are given entry by entry, and any other name is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gptaudit.protocols.options import is_option, nested, option_names, split_options


@dataclass(frozen=True, slots=True)
class Options:
    size: int = 1
    label: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def test_names():
    """The name of a mapping shows how its entries are written."""
    assert option_names(Options) == ["size", "label.KEY", "extra.KEY"]


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("size", True),
        ("size.x", False),
        ("label.x", True),
        ("label.x.y", True),
        ("label", False),
        ("label.", False),
        ("other.x", False),
        (".x", False),
    ],
)
def test_known_keys(key, known):
    """An entry belongs to a mapping, and a mapping has no value of its own."""
    assert is_option(key, Options) == known
    assert split_options({key: "1"}, Options)[1] == ({} if known else {key: "1"})


def test_entries():
    """Values of a mapping of texts stay as they are; those of any other mapping may be JSON."""
    given = {"size": "2", "label.a": "1", "label.b.c": "x=y", "extra.n": "1", "extra.deep": '{"on": false}'}
    given |= {"extra.text": "low", "extra.quoted": '"1"', "extra.nan": "NaN", "extra.open": "[" * 100_000}

    assert nested(given, Options) == {
        "size": "2",
        "label": {"a": "1", "b.c": "x=y"},
        "extra": {
            "n": 1,
            "deep": {"on": False},
            "text": "low",
            "quoted": "1",
            "nan": "NaN",
            "open": "[" * 100_000,
        },
    }
