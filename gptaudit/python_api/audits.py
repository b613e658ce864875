"""An audit in three lines of Python, and a finished one read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from gptaudit.commands._progress import shown_progress
from gptaudit.errors import UsageError
from gptaudit.evidence.results_file import read_bound
from gptaudit.plugins import load_plugins
from gptaudit.probe import Probe
from gptaudit.python_api.finished import Audit, TemporaryFolder, results_of
from gptaudit.python_api.live_targets import live_probes, live_target
from gptaudit.run.audit import run_audit
from gptaudit.run.configuration import CONFIGURATION_SCHEMA, Configuration
from gptaudit.run.folder import RESULTS
from gptaudit.run.settings import checked_settings
from gptaudit.validation import validated

Place: TypeAlias = str | PathLike[str]
Names: TypeAlias = str | Sequence[Place]
OptionValue: TypeAlias = str | int | float | bool


class Arguments(TypedDict, total=False):
    """The arguments of `gptaudit run` by name, as in a `gptaudit.toml`, with typed values."""

    probes: Names | Probe | Sequence[Place | Probe]
    """Names of probes, files of probes, and probes."""
    suites: Names
    """Names of suites, and suite files."""
    excluded: Names
    attacks: Names
    policy: Place
    """A file, or `default`."""
    baseline: Place | Audit
    data: Place
    secrets: Place
    limit: int
    elicited: bool
    until: Literal["decided", "all"]
    seed: int
    options: Mapping[str, OptionValue | Mapping[str, OptionValue]]
    """Options of the backend and the engine: `{"chat": True}`."""
    scorers: Mapping[str, OptionValue]
    probe_options: Mapping[str, OptionValue | Mapping[str, OptionValue]]
    """Options of probes: `{"toxicity-prompts": {"samples": 10}}`."""
    plugins: Mapping[str, Sequence[str]]
    """`{"disable": ["politeness"]}` leaves plugins out."""
    output: Place
    """The run folder; without it, a temporary one that lives as long as the `Audit`."""
    reports: Names
    lang: Literal["en", "zh"]
    """Language of the report."""
    engine: str
    cache: Place
    max_requests: int
    max_tokens: int
    max_seconds: float
    fresh: bool
    quiet: bool


LISTS = frozenset({"probes", "suites", "excluded", "attacks", "reports"})
PATHS = frozenset({"baseline", "data", "secrets", "output", "cache"})


def audit(target: object = "decoder:reference", **given: Unpack[Arguments]) -> Audit:
    """Audit a model and return what was found.

    `target` is a spec such as `"hf:FOLDER"`, a function from a list of prompts to a list of completions, a pair of a
    model of transformers and its tokenizer, or a pipeline. A model is given back as it was.

        audit = gptaudit.audit((model, tokenizer), probes=["gender-occupation"], policy="default")
        audit.verdict

    Raises:
        GptauditError: where the program would exit with 2. A verdict is no error: see `Audit.verdict`.
    """
    own, names = _split_probes(given.get("probes"))
    settings = _checked({**given, "probes": names})
    quiet = settings.pop("quiet", False)
    plugins = load_plugins()
    if own:
        plugins.add(*live_probes(own))
    with ExitStack() as stack:
        if not isinstance(target, str):
            live = stack.enter_context(live_target(target))
            plugins.manager.register(live, live.spec)
            target = live.spec
        temporary = None if "output" in settings else TemporaryFolder()
        if temporary is not None:
            settings["output"] = temporary.path / "audit"
        checked = checked_settings(plugins, target, command=("gptaudit.audit", target), **settings)
        progress = stack.enter_context(shown_progress(quiet=quiet))
        run_audit(checked, plugins, progress)
    return Audit(checked.folder, read_bound(checked.folder / RESULTS), temporary)


def load(folder: Place) -> Audit:
    """Read a finished audit from its run folder, or from the `results.json` in it.

    Raises:
        DataError: there is none, or its results are not those that were written.
    """
    results = results_of(folder)
    return Audit(results.parent, read_bound(results))


def _split_probes(given: object) -> tuple[list[Probe], list[Any] | None]:
    """Return the probes that are given as objects, and the names of all that are given; None where none is."""
    if given is None:
        return [], None
    every = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    own = [probe for probe in every if isinstance(probe, Probe)]
    return own, [probe.id if isinstance(probe, Probe) else probe for probe in every]


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are given, as settings; raise `UsageError` naming the one that is wrong."""
    said = {name: _plain(name, value) for name, value in given.items() if value is not None}
    document = {"schema": CONFIGURATION_SCHEMA, **said}
    read = validated(Configuration, document, where="gptaudit.audit", error=UsageError, context=Path())
    found = {f.name: getattr(read, f.name) for f in fields(read) if f.name in said}
    disabled = tuple(read.plugins.disable) if read.plugins else ()
    found.pop("plugins", None)
    return {"policy": None, "reports": (), "data": None, "without": disabled} | {
        name: tuple(value) if name in LISTS else Path(value) if name in PATHS else value
        for name, value in found.items()
    }


def _plain(name: str, value: object) -> object:
    """Return an argument as a `gptaudit.toml` would have it."""
    if isinstance(value, Audit):
        return str(results_of(value))
    if name in LISTS and isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain("", one) for one in value]
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Mapping):
        return {key: _plain("", one) for key, one in value.items()}
    return [value] if name in LISTS and isinstance(value, str) else value
