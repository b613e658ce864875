"""A bounded sample of an audit's cases, compressed, for the explorer in the page itself."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gptaudit.errors import DataError
from gptaudit.evidence.cases import SCORED, UNSCORED, FoundCase, StoredCases
from gptaudit.evidence.stored import FILE_NAME
from gptaudit.gate.numbers import count
from gptaudit.language import recorded, tr
from gptaudit.records import AuditResult
from gptaudit.text import shorten

from .cases import outcome_text, reader_words, row_json, told_case
from .probe_view import View

MOST_CASES = 2_000
"""Cases in the sample, in equal numbers of each probe as far as it has them."""

LONGEST = 700
"""Characters of each text in the sample; the whole text is in the store."""

MOST_BYTES = 1_500_000
"""Size of the compressed sample, before it is written in Base64; of longer texts there are fewer cases."""


def case_sample(result: AuditResult, folder: Path) -> View | None:
    """Return the view of the sample, drawn by the run's seed; None where the folder has no evidence of cases."""
    if not (folder / FILE_NAME).is_file():
        return None
    try:
        cases = StoredCases(folder)
        drawn = list(_drawn(cases, result.run.seed))
    except DataError:
        return None  # `gptaudit verify` says what is damaged
    if not drawn:
        return None
    titles = {probe.id: recorded(probe.title) for probe in result.probes}
    told = [_told(found, titles) for found in drawn]
    packed = _packed(told)
    while len(packed) > MOST_BYTES:
        told = told[:: len(packed) // MOST_BYTES + 1]
        packed = _packed(told)
    return {
        "packed": base64.b64encode(packed).decode(),
        "cases": count(len(told)),
        "all": count(sum(cases.count(probe) for probe in cases.probes)),
    }


def _drawn(cases: StoredCases, seed: int) -> Iterator[FoundCase]:
    """Yield a sample of each probe; what one probe does not fill is left to those with more cases."""
    left, waiting = MOST_CASES, sorted(cases.probes, key=cases.count)
    sizes = {}
    for place, probe in enumerate(waiting):
        sizes[probe] = min(cases.count(probe), left // (len(waiting) - place))
        left -= sizes[probe]
    for probe in cases.probes:
        places = random.Random(f"{seed}:{probe}").sample(range(cases.count(probe)), sizes[probe])
        yield from cases.at(probe, sorted(places))


def _told(found: FoundCase, titles: dict[str, str]) -> dict[str, Any]:
    """Return a case as the script shows it, in the language of the page."""
    case = told_case(found)
    return {
        **case,
        **row_json(found.key, titles.get(found.key.probe, found.key.probe)),
        "note": _cut(case["note"]),
        "texts": [
            {**text, "prompt": _cut(text["prompt"]), "output": _cut(text["output"])} for text in case["texts"]
        ],
    }


def _cut(text: str) -> str:
    shown, omitted = shorten(text, LONGEST)
    return (
        f"{shown} {tr('… {n} more characters are in evidence.sqlite', n=count(omitted))}"
        if omitted
        else shown
    )


def _packed(told: Sequence[dict[str, Any]]) -> bytes:
    content = json.dumps({"words": _words(told), "cases": told}, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(content.encode(), 9)


def _words(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the filters offer, each with the number of its cases, and what the script says."""
    groups = Counter(f"{axis}={group}" for case in told for axis, group in case["groups"].items())
    outcomes = Counter(case["outcome"] for case in told)
    scores = sorted({name for case in told for name in case["values"]})
    probes = Counter((case["title"], case["probe"]) for case in told)
    return {
        "probe": [[probe, f"{title} ({many})"] for (title, probe), many in sorted(probes.items())],
        "outcome": outcome_choices(outcomes),
        "group": [[group, f"{group} ({many})"] for group, many in sorted(groups.items())],
        "score": [[name, name] for name in scores],
        **reader_words(),
    }


def outcome_choices(outcomes: Counter[str]) -> list[list[str]]:
    """Return the outcomes that a filter offers, with their numbers of cases: what was scored, what not, and why not."""
    lost = outcomes.total() - outcomes[SCORED]
    every = [(SCORED, outcomes[SCORED]), (UNSCORED, lost)]
    every += [(reason, many) for reason, many in outcomes.most_common() if reason != SCORED]
    return [[outcome, f"{outcome_text(outcome)} ({many})"] for outcome, many in every if many]
