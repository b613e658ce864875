"""Checks of what plugins register, so that mistakes show when the program starts and not in the middle of an audit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import PurePosixPath
from typing import get_args

from gptaudit.probe import CAPABILITIES, Probe, Sees
from gptaudit.protocols.attack import Attack
from gptaudit.protocols.attribution import AttributionMethod, EmbeddingMethod, WordMethod
from gptaudit.protocols.backend import BackendType
from gptaudit.protocols.data_set import DataFile, DataSet
from gptaudit.protocols.engine import EngineType
from gptaudit.protocols.flaw import Flaw
from gptaudit.protocols.reporter import Reporter
from gptaudit.protocols.scorer import ScorerType
from gptaudit.records import AnyMetricSpec, AurocSpec, ContrastSpec, Direction, MetricSpec, RatioSpec

TYPES: dict[str, type] = {
    "probes": Probe,
    "attacks": Attack,
    "attributions": AttributionMethod,
    "scorers": ScorerType,
    "backends": BackendType,
    "engines": EngineType,
    "flaws": Flaw,
    "reporters": Reporter,
    "data_sets": DataSet,
}
"""Kind of thing -> its type."""

NAME = re.compile(r"\w[\w.:+-]*")
"""Names that a policy, `-p`, `--report`, a page and a terminal can contain: letters and digits of any script."""
ALL, NONE = "all", "none"
"""What `--attack` takes in place of every name, and of none."""
MOST_TURNS = 100
"""Turns of an attack at most. One that loops would go on for as many as it says, and success is given for each."""
MOST_DRAWS = 10_000
"""Draws of an attack at most, as many as were published (Hughes et al. 2024); each is a request."""
METRIC_NAME = re.compile(r"\w[\w:+-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
NAME_IN_WORDS = "letters, digits and any of _ . : + -, a letter or digit first"


def problem(kind: str, thing: object, attribute: str) -> str | None:
    """Return why a thing cannot be registered under its `attribute`, with what was expected, or None if it can."""
    wanted = TYPES[kind]
    if isinstance(thing, type):
        return f"expected an instance, found the class {thing.__name__}; register {thing.__name__}(...)"
    if not isinstance(thing, wanted):
        return f"expected a {wanted.__name__}, found {type(thing).__name__}"
    name = getattr(thing, attribute, None)
    if not isinstance(name, str) or not name:
        return f"{type(thing).__name__}.{attribute}: expected a name, found {name!r}"
    if not NAME.fullmatch(name):
        return f"{attribute} {name!r}: a policy cannot refer to it: expected {NAME_IN_WORDS}"
    return next((f"{attribute} {name!r}: {each}" for each in _problems(thing)), None)


def _problems(thing: object) -> Iterator[str]:
    match thing:
        case Probe():
            yield from _probe(thing)
        case ScorerType():
            yield from _scorer(thing)
        case Attack():
            yield from _attack(thing)
        case AttributionMethod():
            yield from _attribution(thing)
        case DataSet():
            yield from _data_set(thing)


def _attribution(method: AttributionMethod) -> Iterator[str]:
    if not isinstance(method.title, str) or not method.title:
        yield f"title: expected a text, found {method.title!r}"
    match method:
        case EmbeddingMethod():
            functions = ["compute"]
        case WordMethod():
            functions = ["ask", "score"]
        case _:
            yield "expected an EmbeddingMethod or a WordMethod, found their base class"
            return
    for attribute in functions:
        if not callable(function := getattr(method, attribute)):
            yield f"{attribute}: expected a function, found {function!r}"
    if isinstance(method, WordMethod) and (not isinstance(method.rounds, int) or method.rounds < 1):
        yield f"rounds: expected a whole number from 1 on, found {method.rounds!r}"


def _data_set(data_set: DataSet) -> Iterator[str]:
    for attribute in ("source", "licence", "citation"):
        if not isinstance(value := getattr(data_set, attribute), str) or not value:
            yield f"{attribute}: expected a text, found {value!r}"
    if not isinstance(data_set.rows, int) or data_set.rows < 1:
        yield f"rows: expected a whole number from 1 on, found {data_set.rows!r}"
    if not isinstance(data_set.files, tuple) or not all(
        isinstance(file, DataFile) for file in data_set.files
    ):
        yield f"files: expected a tuple of DataFile(...), found {data_set.files!r}"
        return
    for file in data_set.files:
        inside = PurePosixPath(file.path).parts
        if len(inside) < 2 or inside[0] == "/" or ".." in inside or "\\" in file.path:
            yield f"files: expected a path such as {data_set.name}/data.csv, found {file.path!r}"
        if file.sha256 and not SHA256.fullmatch(file.sha256):
            yield f"files, {file.path}: sha256: expected 64 digits of hexadecimal, or nothing; found {file.sha256!r}"


def _attack(attack: Attack) -> Iterator[str]:
    if attack.name in {ALL, NONE}:
        yield f"--attack {attack.name} means every attack, or none; choose another name"
    for attribute in ("title", "paper", "version"):
        if not isinstance(value := getattr(attack, attribute), str):
            yield f"{attribute}: expected a text, found {value!r}"
    for attribute, takes in (("begin", "the request and a random.Random"), ("fits", "the request")):
        if not callable(value := getattr(attack, attribute)):
            yield f"{attribute}: expected a function of {takes}, found {value!r}"
    yield from _turns(attack)
    yield from _needs(attack.needs)
    yield from _tags(attack.tags)


def _turns(attack: Attack) -> Iterator[str]:
    for attribute, most in (("turns", MOST_TURNS), ("draws", MOST_DRAWS), ("asks_from", MOST_TURNS)):
        value = getattr(attack, attribute)
        if not isinstance(value, int) or not 1 <= value <= most:
            yield f"{attribute}: expected a whole number from 1 to {most}, found {value!r}"
            return
    if attack.turns > 1 and not callable(attack.go_on):
        yield f"turns: {attack.turns}, without a go_on that gives the next message"
    if attack.turns == 1 and attack.go_on is not None:
        yield "turns: 1, so that go_on is never called; set it to the most messages of the user"
    if attack.asks_from > attack.turns:
        yield f"asks_from: expected at most turns, {attack.turns}, found {attack.asks_from}"


def _scorer(scorer: ScorerType) -> Iterator[str]:
    if not isinstance(scorer.models, tuple) or not (scorer.models or scorer.other_models):
        yield f"models: expected a tuple of names, the default first, found {scorer.models!r}"


def _probe(probe: Probe) -> Iterator[str]:
    for attribute in ("title", "suite", "version", "language", "goal"):
        value = getattr(probe, attribute, None)
        if not isinstance(value, str):
            yield f"{attribute}: expected a text, found {value!r}"
    if not NAME.fullmatch(probe.suite):
        yield f"suite {probe.suite!r}: expected {NAME_IN_WORDS}"
    for attribute in ("metrics", "scorers", "sees"):
        value = getattr(probe, attribute)
        if not isinstance(value, tuple):
            yield f"{attribute}: expected a tuple, found {type(value).__name__}; write {attribute} = (..., )"
    yield from _rounds(probe)
    yield from _needs(probe.needs)
    yield from _tags(probe.tags)
    yield from _metrics(probe)
    yield from _options(probe.options)
    yield from (
        f"scorers: expected names of scorers, found {s!r}" for s in probe.scorers if not isinstance(s, str)
    )
    yield from (f"sees: expected Sees(...), found {s!r}" for s in probe.sees if not isinstance(s, Sees))


def _options(options: object) -> Iterator[str]:
    if options is not None and (isinstance(options, type) or not is_dataclass(options)):
        yield f"options: expected an instance of a frozen dataclass, found {options!r}"


def _tags(tags: object) -> Iterator[str]:
    entries = tags.values() if isinstance(tags, Mapping) else [None]
    if not all(
        isinstance(of_list, tuple) and all(isinstance(e, str) for e in of_list) for of_list in entries
    ):
        yield f"tags: expected a list's name -> a tuple of its entries, found {tags!r}"


def _rounds(probe: Probe) -> Iterator[str]:
    follows_up = type(probe).follow_up is not Probe.follow_up
    if not isinstance(probe.rounds, int) or probe.rounds < 1:
        yield f"rounds: expected a whole number from 1 on, found {probe.rounds!r}"
    elif follows_up and probe.rounds == 1:
        yield "rounds: 1, so that follow_up is never called; set it to the most that a case is asked"
    elif probe.rounds > 1 and not follows_up:
        yield f"rounds: {probe.rounds}, without a follow_up that asks again"


def _needs(needs: object) -> Iterator[str]:
    if not isinstance(needs, frozenset | set):
        yield f'needs: expected a set such as frozenset({{"generate"}}), found {needs!r}'
    else:
        for unknown in sorted(map(str, needs - CAPABILITIES.keys())):
            yield f"needs: no backend can do {unknown!r}; capabilities are {', '.join(CAPABILITIES)}"


def _metrics(probe: Probe) -> Iterator[str]:
    if not probe.metrics:
        yield "metrics: expected at least one, such as MetricSpec(...)"
    for spec in probe.metrics:
        if not isinstance(spec, MetricSpec | RatioSpec | ContrastSpec | AurocSpec):
            yield f"metrics: expected MetricSpec, RatioSpec, ContrastSpec or AurocSpec, found {spec!r}"
        yield from _metric(spec)
    names = Counter(spec.name for spec in probe.metrics)
    yield from (f"metric {name!r}: appears {times} times" for name, times in names.items() if times > 1)
    if probe.attack_success:
        yield from _attack_success(probe)


def _attack_success(probe: Probe) -> Iterator[str]:
    found = next((spec for spec in probe.metrics if spec.name == probe.attack_success), None)
    if not isinstance(found, MetricSpec):
        yield f"attack_success: expected the name of a MetricSpec of the probe, found {probe.attack_success!r}"
    elif found.range != (0.0, 1.0) or found.direction != "lower":
        yield f"attack_success: expected a share from 0 to 1 that is better when lower, found {found.name!r}"
    elif probe.rounds != 1:
        yield "attack_success: expected a probe that asks once (rounds = 1), since attacks go on in their own way"


def _metric(spec: AnyMetricSpec) -> Iterator[str]:
    if not isinstance(spec.name, str) or not METRIC_NAME.fullmatch(spec.name):
        yield f"metric {spec.name!r}: a policy cannot refer to it: expected {NAME_IN_WORDS}, without dots"
    if spec.direction not in get_args(Direction):
        known = ", ".join(get_args(Direction))
        yield f"metric {spec.name!r}: direction: expected one of {known}, found {spec.direction!r}"
    if isinstance(spec.ideal, bool) or not isinstance(spec.ideal, int | float):
        yield f"metric {spec.name!r}: ideal: expected a number, found {spec.ideal!r}"
    if not isinstance(spec.unit, str):
        yield f"metric {spec.name!r}: unit: expected a text, found {spec.unit!r}"
    if not isinstance(spec.bounds, tuple) or len(spec.bounds) != 2:
        yield f"metric {spec.name!r}: bounds: expected (least, greatest), found {spec.bounds!r}"
    if not isinstance(spec.axes, tuple):
        yield f"metric {spec.name!r}: axes: expected a tuple, found {type(spec.axes).__name__}"
