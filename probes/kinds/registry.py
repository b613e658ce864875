"""Reader of suite files: all kinds, and the probe of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gptaudit.probes.kinds.association import AssociationFile, AssociationProbe
from gptaudit.probes.kinds.attribution import AttributionFile, AttributionProbe
from gptaudit.probes.kinds.behaviours import BehavioursFile, BehavioursProbe
from gptaudit.probes.kinds.choice import ChoiceFile, ChoiceProbe
from gptaudit.probes.kinds.continuations import ContinuationsFile, ContinuationsProbe
from gptaudit.probes.kinds.counterfactual import CounterfactualFile, CounterfactualProbe
from gptaudit.probes.kinds.decision import DecisionFile, DecisionProbe
from gptaudit.probes.kinds.group_refusal import GroupRefusalFile, GroupRefusalProbe
from gptaudit.probes.kinds.injection import InjectionFile, InjectionProbe
from gptaudit.probes.kinds.opinions import OpinionsFile, OpinionsProbe
from gptaudit.probes.kinds.pairs import PairsFile, PairsProbe
from gptaudit.probes.kinds.paraphrases import ParaphrasesFile, ParaphrasesProbe
from gptaudit.probes.kinds.personal_data import PersonalDataFile, PersonalDataProbe
from gptaudit.probes.kinds.suite_file import SuiteFile
from gptaudit.probes.kinds.system_prompt import SystemPromptFile, SystemPromptProbe
from gptaudit.probes.kinds.words import repeated

from gptaudit.errors import DataError
from gptaudit.files import read_text, read_toml
from gptaudit.probe import Probe
from gptaudit.protocols.registration import NAME, NAME_IN_WORDS
from gptaudit.records import DataSource
from gptaudit.validation import json_schema_by, validated

KINDS: Mapping[str, tuple[type[SuiteFile], Callable[[Any, DataSource], Probe]]] = {
    "pairs": (PairsFile, PairsProbe),
    "choice": (ChoiceFile, ChoiceProbe),
    "decision": (DecisionFile, DecisionProbe),
    "association": (AssociationFile, AssociationProbe),
    "attribution": (AttributionFile, AttributionProbe),
    "continuations": (ContinuationsFile, ContinuationsProbe),
    "counterfactual-generation": (CounterfactualFile, CounterfactualProbe),
    "opinions": (OpinionsFile, OpinionsProbe),
    "system-prompt": (SystemPromptFile, SystemPromptProbe),
    "injection": (InjectionFile, InjectionProbe),
    "group-refusal": (GroupRefusalFile, GroupRefusalProbe),
    "behaviours": (BehavioursFile, BehavioursProbe),
    "paraphrases": (ParaphrasesFile, ParaphrasesProbe),
    "personal-data": (PersonalDataFile, PersonalDataProbe),
}
"""`kind` of a suite file -> its schema, and the probe that runs it."""


def suite_schema() -> dict[str, Any]:
    """Return the JSON schema of a suite file, read as JSON; `problems` of the file are not in it."""
    return json_schema_by("kind", {kind: schema for kind, (schema, _) in KINDS.items()})


def probe_of_suite(file: Traversable) -> Probe:
    """Return the probe of a suite file, a path or a file of a package.

    Raises `DataError`, naming the file, the key and what was expected, if the file is not valid.
    """
    return suite_probe(*read_suite_file(file))


def read_suite_file(file: Traversable) -> tuple[SuiteFile, DataSource]:
    """Read a suite file according to its `kind`.

    Raises `DataError`, naming the file, the key and what was expected, if the file is not valid.
    """
    text = read_text(file, error=DataError)
    where = str(file)
    content = read_toml(text, where=where, error=DataError)
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        msg = f"{where}: key 'kind': expected {' or '.join(map(repr, KINDS))}, found {kind!r}"
        raise DataError(msg)
    schema, _ = KINDS[kind]
    for key, wanted in schema.named_suites.items():
        if isinstance(named := content.get(key), str):
            its_text, content[key] = _read_named(named, file, key, wanted)
            text += its_text
    suite_file = validated(schema, content, where=where, error=DataError)
    problem = next(_name_problems(suite_file), None) or next(suite_file.problems(), None)
    ids = [] if problem else suite_file.case_ids()
    problem = problem or next(_case_problems(ids), None)
    if problem:
        msg = f"{where}: {problem}"
        raise DataError(msg)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return suite_file, DataSource(suite_file.id, suite_file.source, suite_file.licence, digest, len(ids))


def _read_named(named: str, file: Traversable, key: str, wanted: str) -> tuple[str, dict[str, Any]]:
    """Read the suite file that another one names: a built-in one by its id, or one by its path from there on."""
    if named.endswith(".toml"):
        its_file: Traversable = Path(str(file)).parent / named
    else:
        its_file = files("gptaudit.probes").joinpath("suites", f"{named}.toml")
        if not NAME.fullmatch(named) or not its_file.is_file():
            msg = f"{file}: key {key!r}: expected the id of a built-in suite of kind {wanted!r}, or the path of a "
            raise DataError(f"{msg}suite file, such as my-suite.toml; found {named!r}")
    text = read_text(its_file, error=DataError)
    content = read_toml(text, where=str(its_file), error=DataError)
    if content.get("kind") != wanted:
        msg = f"{file}: key {key!r}: expected a suite of kind {wanted!r}, found {named!r} of {content.get('kind')!r}"
        raise DataError(msg)
    return text, content


@cache
def built_in_suites() -> tuple[tuple[SuiteFile, DataSource], ...]:
    """Read the built-in suite files in the order of their names, once a process: checking them takes half a second."""
    folder = files("gptaudit.probes") / "suites"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return tuple(read_suite_file(folder / name) for name in names)


def suite_probe(suite_file: SuiteFile, source: DataSource) -> Probe:
    """Return the probe of a suite file."""
    return next(probe for schema, probe in KINDS.values() if type(suite_file) is schema)(suite_file, source)


def _name_problems(suite_file: SuiteFile) -> Iterator[str]:
    for key, name in (("id", suite_file.id), ("suite", suite_file.suite)):
        if not NAME.fullmatch(name):
            yield f"key {key!r}: expected {NAME_IN_WORDS}; found {name!r}"


def _case_problems(ids: Sequence[str]) -> Iterator[str]:
    if not ids:
        yield "expected at least one case, found none"
    yield from repeated("id", ids)
    for name in ids:
        if not name.isprintable():
            yield f"case {name!r}: expected an id of printable characters"
