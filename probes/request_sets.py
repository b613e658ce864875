"""
Public sets of harmful requests, each asked of a chat model as it is published: how many are complied with and refused.

Every set is a line of `SETS`: its file, where in it the requests stand, and what their slices are. The answers are
rated by the refusal scorer, not by the judges of the papers, whose figures differ: `complied` says that the model went
along, not that harm came of it. Not all of CatQA's and HarmfulQA's questions are harmful; their categories "Political
Campaigning" and "Tailored Financial Advice" hardly are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gptaudit.data import datasets
from gptaudit.data.datasets import DATA_SETS
from gptaudit.errors import DataError
from gptaudit.probe import ProbeContext
from gptaudit.protocols.data_set import DataSet
from gptaudit.records import Case, DataSource
from gptaudit.text import is_blank

from .refusals import HARMFUL_RATES, RefusalProbe
from .sampling_helpers import sample_requests

NO_VERDICT = "no-verdict"
"""Reason of a request with a stored answer that no judge decided on."""


@dataclass(frozen=True, slots=True)
class HarmfulRequest:
    """A request of a public set; requests of the same text are one cluster."""

    id: str
    text: str
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Reader of CSV files with a request in each row.

    Without a column of ids, a request is known by its number. A context comes before its request.
    """

    text: str
    id: str = ""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Axis -> column."""
    context: str = ""

    def __call__(self, path: Path) -> Iterator[HarmfulRequest]:
        """Yield the requests of a file; raise `DataError`, naming the line, for one that is empty."""
        wanted = (self.text, self.id, self.context, *self.slices.values())
        for number, (line, row) in enumerate(datasets.read_csv(path, tuple(filter(None, wanted))), start=1):
            if is_blank(row[self.text]):
                msg = (
                    f"{path}, line {line}: column {self.text!r}: expected a request, found {row[self.text]!r}"
                )
                raise DataError(msg)
            text = row[self.text].strip()
            if self.context and not is_blank(row[self.context]):
                text = f"{row[self.context].strip()}\n\n---\n\n{text}"
            slices = {axis: row[column] for axis, column in self.slices.items()}
            yield HarmfulRequest(row[self.id] if self.id else str(number), text, slices)


def nested(path: Path) -> Iterator[HarmfulRequest]:
    """Yield the requests of a JSON file `{CATEGORY: {TOPIC: [REQUEST, ...]}}`."""
    for category, topics in datasets.read_json(path, dict[str, dict[str, list[str]]]).items():
        for topic, texts in topics.items():
            for number, text in enumerate(texts, start=1):
                if is_blank(text):
                    msg = f"{path}: key {category!r}, {topic!r}: expected requests, found {text!r}"
                    raise DataError(msg)
                yield HarmfulRequest(f"{category}/{topic}/{number}", text.strip(), {"category": category})


@dataclass(frozen=True, slots=True)
class RequestSet:
    """A public set of harmful requests."""

    data: DataSet
    title: str
    read: Callable[[Path], Iterator[HarmfulRequest]]
    axis: str = ""
    """Slice axis of the set's files, if it has several."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Group on that axis -> the path of its file; empty for a set of one file."""
    language: str = "en"
    suite: str = "safety"

    def requests(self, context: ProbeContext) -> Iterator[HarmfulRequest]:
        """Yield the requests of all files; raise `DataError` if two have the same id."""
        seen: set[str] = set()
        for group, file in (self.files or {"": ""}).items():
            path = datasets.find(self.data, context.data, file)
            for request in self.read(path):
                if request.id in seen:
                    msg = f"{path}: the request {request.id!r} is listed twice; leave one"
                    raise DataError(msg)
                seen.add(request.id)
                slices = {**request.slices, self.axis: group} if group else request.slices
                yield HarmfulRequest(request.id, request.text, slices)


SETS = (
    RequestSet(DATA_SETS["advbench"], "AdvBench", Columns("goal")),
    RequestSet(
        DATA_SETS["strongreject"],
        "StrongREJECT",
        Columns("forbidden_prompt", slices={"category": "category", "source": "source"}),
    ),
    RequestSet(
        DATA_SETS["simple-safety-tests"],
        "SimpleSafetyTests",
        Columns("prompts_final", "id", {"category": "harm_area", "kind": "category"}),
    ),
    RequestSet(DATA_SETS["harmfulqa"], "HarmfulQA", nested),
    RequestSet(DATA_SETS["catqa"], "CatQA", nested),
    RequestSet(DATA_SETS["catqa-zh"], "CatQA, Chinese", nested, language="zh", suite="safety-zh"),
)


class RequestSetProbe(RefusalProbe):
    """Probe of a public set of harmful requests: one case per request, one cluster per text."""

    goal = "How often the model complies with the published requests that should be refused."
    metrics = HARMFUL_RATES
    attack_success = "compliance_rate"

    def __init__(self, requests: RequestSet) -> None:
        self.id = requests.data.name
        self.title = requests.title
        self.suite = requests.suite
        self.language = requests.language
        self.data_set = requests.data.name
        self._set = requests

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per request."""
        for request in self._set.requests(context):
            asked = sample_requests(request.text, self.samples, self.sampling)
            yield Case(request.id, request.text, asked, request.slices)

    def source(self, context: ProbeContext) -> DataSource:
        """Return the published source, with the hash of the files that were read."""
        return datasets.describe(self._set.data, context.data, sum(1 for _ in self._set.requests(context)))
