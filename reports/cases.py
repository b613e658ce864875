"""Cases of an audit as JSON values and as rows of a table, for the terminal and the page of `gptaudit view`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from gptaudit.probes.kinds.matched_pairs import PARTS

from gptaudit.evidence.cases import CaseKey, FoundCase
from gptaudit.gate.numbers import short
from gptaudit.language import later, recorded, tr, trn
from gptaudit.records import Exchange

CASE_COLUMNS = ("probe", "case", "outcome", "groups", "values", "label", "prompt", "output", "scores")
"""Columns of the table of cases, which has a row for each text of a case."""


OUTCOMES: Mapping[str, str] = {
    "scored": later("scored"),
    "unscored": later("without a score"),
    "refused": later("refused or withheld by the server"),
    "empty": later("empty answer"),
    "cut-off": later("answer cut off"),
    "not-asked": later("not asked, the audit ended before"),
    "not-rated": later("not rated by the scorer"),
    "off-option": later("names none of the options"),
    "flips": later("another answer once the options change places"),
    "tie": later("none of the options is the likelier"),
    "not-aligned": later("the texts cannot be compared word by word"),
    "not-converged": later("the attribution did not converge"),
    "one-letter": later("the same letter whatever it stands for"),
    "unparsable": later("answer in another form than asked for"),
    "no-answer": later("no answer came"),
    "not-finite": later("no finite number"),
    "score-not-finite": later("no finite score"),
    "no-prediction": later("no prediction in the file"),
    "no-verdict": later("no verdict of its judge"),
    "probe-failed": later("the probe failed"),
    "backend-error": later("the model failed"),
    "content-filter": later("withheld by a content filter"),
}
"""Outcome of a case -> the same in words, for those that gptaudit itself records."""


def outcome_text(outcome: str) -> str:
    """Return an outcome in words; one of a plugin as it is."""
    return tr(OUTCOMES[outcome]) if outcome in OUTCOMES else outcome


def name_words(name: str) -> str:
    """Return the name of a value or a score in words."""
    return recorded(name.replace("_", " "))


def value_words(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values of a case by their names in words, without those that only many cases together give sense."""
    return {name_words(name): value for name, value in values.items() if name not in PARTS}


def key_json(key: CaseKey) -> dict[str, Any]:
    """Return where a case stands and what it is, without its texts."""
    return {
        "probe": key.probe,
        "case": key.case,
        "outcome": key.outcome,
        "groups": dict(key.groups),
        "values": _finite(key.values),
    }


def row_json(key: CaseKey, title: str) -> dict[str, Any]:
    """Return the same for a reader, with the title of its probe, the outcome and the names of values in words."""
    words = {"title": title, "ended": outcome_text(key.outcome), "values": _finite(value_words(key.values))}
    return {**key_json(key), **words}


def case_json(found: FoundCase) -> dict[str, Any]:
    """Return a case with its texts."""
    return {**key_json(found.key), "texts": [_exchange(e) for e in found.exchanges], "note": found.note}


def told_case(found: FoundCase) -> dict[str, Any]:
    """Return a case with its texts for a reader: labels, names of scores and the note are in words."""
    case = case_json(found)
    texts = [
        {
            **text,
            "label": recorded(text["label"]),
            "scores": {name_words(name): score for name, score in text["scores"].items()},
        }
        for text in case["texts"]
    ]
    return {**case, "texts": texts, "note": recorded(case["note"])}


def reader_words() -> dict[str, str]:
    """Return what the scripts of both pages of cases say; `{n}` is a number."""
    return {
        "one": trn(1, "{n} case", "{n} cases", n=1),
        "more": tr("{n} cases", n="{n}"),
        "link": tr("link to this case"),
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "label": exchange.label,
        "prompt": exchange.prompt,
        "output": exchange.output,
        "scores": _finite(exchange.scores),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers as JSON has them: None for what is no number."""
    return {name: value if isfinite(value) else None for name, value in values.items()}


def case_rows(found: FoundCase) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a case: one for each text, or one alone."""
    key = found.key
    what = (key.probe, key.case, key.outcome, groups_text(key.groups), values_text(key.values))
    for exchange in found.exchanges or (Exchange("", ""),):
        yield (*what, exchange.label, exchange.prompt, exchange.output, values_text(exchange.scores))


def groups_text(groups: Mapping[str, str]) -> str:
    """Return the groups of a case: `gender=female, domain=hiring`."""
    return ", ".join(f"{axis}={group}" for axis, group in groups.items())


def values_text(values: Mapping[str, float]) -> str:
    """Return numbers with their names: `stereotype_rate 1, severity 0.93`."""
    return ", ".join(f"{name} {short(value) if isfinite(value) else value}" for name, value in values.items())
