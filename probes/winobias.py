"""
WinoBias (Zhao et al. 2018, NAACL N18-2003).

The paper reports the F1 of coreference systems on sentences that agree with a gender stereotype and on the same
sentences with the other pronoun, separately for sentences that need world knowledge (type 1) and sentences that syntax
resolves (type 2). A causal model chooses between the two occupations, so accuracy replaces F1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptaudit.data import datasets
from gptaudit.data.datasets import WINOBIAS
from gptaudit.errors import DataError
from gptaudit.files import read_text
from gptaudit.probe import Answered, ProbeContext, Scored, Unscored
from gptaudit.records import Case, Counterfactual, DataSource, MetricSpec

from .coreference import (
    COREFERENCE_METHOD,
    PRONOUNS,
    CoreferenceProbe,
    ask_counterfactual,
    ask_who,
    margins,
    ties,
    who_evidence,
)

FRACTION = (0.0, 1.0)
SIDES = ("pro", "anti")
_BRACKETED = re.compile(r"\[([^\]]*)\]")
_ARTICLE = re.compile(r"^(the|an?)\s+", re.IGNORECASE)


class WinoBias(CoreferenceProbe):
    """WinoBias probe: one case per sentence with both of its pronouns, one cluster per pair of occupations."""

    id = "winobias"
    title = "WinoBias"
    goal = "Whether the model resolves pronouns worse where that goes against the gender stereotype of an occupation."
    data_set = WINOBIAS.name
    severity = "gap"
    normalised = MappingProxyType({"accuracy_pro": "sum", "accuracy_anti": "sum", "gap": "sum"})
    metrics = (
        MetricSpec(
            "accuracy_pro",
            ideal=1.0,
            direction="higher",
            unit="fraction",
            title="share of pronouns resolved rightly where that agrees with the stereotype",
            binary=True,
            bounds=FRACTION,
        ),
        MetricSpec(
            "accuracy_anti",
            ideal=1.0,
            direction="higher",
            unit="fraction",
            title="share of pronouns resolved rightly where that goes against the stereotype",
            binary=True,
            bounds=FRACTION,
        ),
        MetricSpec(
            "gap",
            ideal=0.0,
            direction="target",
            unit="fraction",
            title="accuracy_pro minus accuracy_anti: above 0, the stereotype helps",
            bounds=(-1.0, 1.0),
        ),
    )

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per line of the stereotypical files, together with its anti-stereotypical line."""
        for name, sides in _pairs(context.data):
            requests = tuple(
                request for s in sides for request in ask_who(s.text, s.pronoun, s.right, s.wrong)
            )
            pair = " and ".join(sorted((sides[0].right, sides[0].wrong)))
            yield Case(name, pair, requests, {"type": name[len("type")]})

    def counterfactuals(
        self,
        context: ProbeContext,
        length: Callable[[str], int],  # noqa: ARG002 - the pronouns are given
    ) -> Iterator[Counterfactual]:
        """Yield the prompts of each sentence with its two pronouns, the stereotypical one first."""
        for name, (pro, anti) in _pairs(context.data):
            pair = " and ".join(sorted((pro.right, pro.wrong)))
            sides = [(side.text, side.pronoun) for side in (pro, anti)]
            yield ask_counterfactual(name, pair, sides, pro.right, pro.wrong)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compute which of the two sentences are resolved correctly; unscored if one ties."""
        pro, anti = found = margins(answered)
        evidence = who_evidence(
            answered, ("with the stereotype", "against the stereotype"), pro.lead - anti.lead
        )
        if ties(found):
            return Unscored("tie", evidence)
        return Scored(self.values({}, [float(margin.lead > 0) for margin in found]), evidence)

    def values(self, content: Mapping[str, Any], right: Sequence[float]) -> dict[str, float]:  # noqa: ARG002
        """Return the two accuracies and their difference."""
        pro, anti = right
        return {"accuracy_pro": pro, "accuracy_anti": anti, "gap": pro - anti}

    def source(self, context: ProbeContext) -> DataSource:
        """Return the published source, with the hash of the files that were read."""
        rows = sum(len(sides) for _, sides in _pairs(context.data))
        return datasets.describe(WINOBIAS, context.data, rows)

    def method(self) -> Mapping[str, Any]:
        """Describe the prompt and its candidates."""
        return {
            **COREFERENCE_METHOD,
            "sentence": "without its brackets, and with 's joined to its noun",
            "candidates": "the first two occupations of the sentence",
            "pronoun": "the first that is bracketed",
            "cluster": "pair of occupations",
        }


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    pronoun: str
    right: str
    wrong: str


def _pairs(folder: Path | None) -> Iterator[tuple[str, tuple[_Sentence, _Sentence]]]:
    """Yield (id, (stereotypical, anti-stereotypical sentence)) for each line of the files."""
    occupations = _occupations(folder)
    for kind in ("1", "2"):
        for split in ("dev", "test"):
            pro, anti = (
                _read(folder, f"{side}_stereotyped_type{kind}.txt.{split}", occupations) for side in SIDES
            )
            if len(pro) != len(anti):
                file = datasets.find(WINOBIAS, folder, f"winobias/anti_stereotyped_type{kind}.txt.{split}")
                msg = f"{file}: expected {len(pro)} lines, as in the stereotypical file, found {len(anti)}"
                raise DataError(msg)
            for number, sides in enumerate(zip(pro, anti, strict=True), start=1):
                yield f"type{kind}/{split}/{number}", sides


def _occupations(folder: Path | None) -> re.Pattern[str]:
    files = [datasets.find(WINOBIAS, folder, f"winobias/{g}_occupations.txt") for g in ("male", "female")]
    names = [line.strip() for file in files for line in read_text(file, error=DataError).splitlines()]
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    if not longest_first:
        msg = f"{files[0]}: expected an occupation on each line, found none"
        raise DataError(msg)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def _read(folder: Path | None, name: str, occupations: re.Pattern[str]) -> list[_Sentence]:
    path = datasets.find(WINOBIAS, folder, f"winobias/{name}")
    lines = read_text(path, error=DataError).splitlines()
    return [
        _sentence(line, f"{path}, line {number}", occupations) for number, line in enumerate(lines, start=1)
    ]


def _sentence(line: str, where: str, occupations: re.Pattern[str]) -> _Sentence:
    """Parse a line such as `1 [The nurse] thanked the cook because [she] was tired.`."""
    number, _, marked = line.partition(" ")
    text = " ".join(marked.replace("[", "").replace("]", "").split()).replace(" 's", "'s")
    spelled: dict[str, str] = {}
    for found in occupations.findall(text):
        spelled.setdefault(found.lower(), found)
    candidates = list(spelled)[:2]
    bracketed = [_ARTICLE.sub("", found.strip()).lower() for found in _BRACKETED.findall(marked)]
    right = [found for found in bracketed if found in candidates]
    pronouns = [found for found in bracketed if found in PRONOUNS]
    if not number.isdigit() or len(candidates) < 2 or not right or not pronouns:
        msg = f"{where}: expected a number and a sentence about two listed occupations, one of them and a pronoun in "
        raise DataError(f"{msg}[brackets]; found {line!r}")
    wrong = next(c for c in candidates if c != right[0])
    return _Sentence(text, pronouns[0], spelled[right[0]], spelled[wrong])
