"""Suites as data: TOML files with a version line, read into frozen values.

The `kind` of a file says what it holds: `gptaudit.suites` has a module for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from itertools import chain

from gptaudit.errors import DataError
from gptaudit.records import DataSource
from gptaudit.suites.association import AssociationSuite
from gptaudit.suites.base import Contrast, Suite
from gptaudit.suites.choice import ChoiceSuite, Question
from gptaudit.suites.continuations import ContinuationsSuite
from gptaudit.suites.counterfactual import CounterfactualSuite
from gptaudit.suites.decision import DecisionSuite
from gptaudit.suites.pairs import Pair, PairsSuite
from gptaudit.suites.words import repeated

__all__ = [
    "AssociationSuite",
    "ChoiceSuite",
    "ContinuationsSuite",
    "Contrast",
    "CounterfactualSuite",
    "DecisionSuite",
    "Pair",
    "PairsSuite",
    "Question",
    "Suite",
    "load_suite",
]

_KINDS: Mapping[str, type[Suite]] = {
    "pairs": PairsSuite,
    "choice": ChoiceSuite,
    "decision": DecisionSuite,
    "association": AssociationSuite,
    "continuations": ContinuationsSuite,
    "counterfactual-generation": CounterfactualSuite,
}


def load_suite(file: Traversable) -> tuple[Suite, DataSource]:
    """Read a suite file as its `kind` says; raise `DataError` naming file, key and what is expected there."""
    from gptaudit.validation import read_text, read_toml, validated

    text = read_text(file, error=DataError)
    where = str(file)
    content = read_toml(text, where=where, error=DataError)
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        msg = f"{where}: key 'kind': expected {' or '.join(map(repr, _KINDS))}, found {kind!r}"
        raise DataError(msg)
    suite = validated(_KINDS[kind], content, where=where, error=DataError)
    problem = next(chain(suite.problems(), _case_problems(suite)), None)
    if problem:
        msg = f"{where}: {problem}"
        raise DataError(msg)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return suite, DataSource(suite.id, suite.source, suite.licence, digest, len(suite.case_ids()))


def _case_problems(suite: Suite) -> Iterator[str]:
    ids = suite.case_ids()
    if not ids:
        yield "has no cases"
    yield from repeated("id", ids)
