"""
Arguments of `gptaudit run` in a file that is reviewed like code: `gptaudit.toml`.

    schema = "gptaudit.config/1"
    target = "hf:./release-candidate"
    policy = "policy.toml"

Each key is named after an argument of `gptaudit run`; `gptaudit init` writes a file that shows them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    with_config,
)

from gptaudit.errors import UsageError
from gptaudit.evidence.provenance import is_secret
from gptaudit.files import INTEGERS, as_text, read_bytes, read_toml
from gptaudit.gate.shipped import SHIPPED
from gptaudit.validation import key_path, validated

CONFIGURATION_SCHEMA = "gptaudit.config/1"
FILE_NAME = "gptaudit.toml"
NO_FILE = "none"
"""Name that means no file."""


def _scalar(value: object) -> str:
    """Return a TOML value as it is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    msg = "expected text, a number, true or false"
    raise ValueError(msg)


def _beside(value: str, info: ValidationInfo[Path]) -> str:
    """Resolve a relative path from the folder of the file, and `~` to the user's home as a shell does."""
    folder = info.context
    if value.startswith("~"):
        try:
            return str(Path(value).expanduser())
        except RuntimeError:
            msg = "there is no such home folder; write the path in full"
            raise ValueError(msg) from None
    return value if folder == Path() or Path(value).is_absolute() else f"{folder}/{value}"


def _beside_if_dotted(value: str, info: ValidationInfo[Path]) -> str:
    """Resolve a value that may be a name or a path only if it starts with `./` or `../`."""
    return _beside(value, info) if value.startswith(("./", "../")) else value


def _target(value: str, info: ValidationInfo[Path]) -> str:
    scheme, colon, rest = value.partition(":")
    return scheme + colon + _beside_if_dotted(rest, info)


def _policy(value: str, info: ValidationInfo[Path]) -> str:
    return value if value in SHIPPED else _beside(value, info)


def _suite(value: str, info: ValidationInfo[Path]) -> str:
    return _beside(value, info) if value.endswith(".toml") else value


def _probe(value: str, info: ValidationInfo[Path]) -> str:
    return _beside(value, info) if value.endswith(".py") else value


def _entries(value: object) -> object:
    """Write a table in a table as its entries: `template.enable_thinking = false` is the key of that name."""
    if not isinstance(value, dict):
        return value
    tables = {key: inner if isinstance(inner, dict) else {None: inner} for key, inner in value.items()}
    return {
        key if entry is None else f"{key}.{entry}": one
        for key, inner in tables.items()
        for entry, one in inner.items()
    }


def _without_nul(value: str) -> str:
    """Refuse NUL, which no argument of a program and no path may have."""
    if "\0" in value:
        msg = "expected text without U+0000"
        raise ValueError(msg)
    return value


Name: TypeAlias = Annotated[str, Field(min_length=1), AfterValidator(_without_nul)]
Place: TypeAlias = Annotated[Name, AfterValidator(_beside)]
Value: TypeAlias = Annotated[
    str, BeforeValidator(_scalar), AfterValidator(_without_nul), AfterValidator(_beside_if_dotted)
]
Values: TypeAlias = Annotated[dict[Name, Value], BeforeValidator(_entries)]
Some: TypeAlias = Annotated[list[Name], Field(min_length=1)]
Count: TypeAlias = Annotated[int, Strict(), Field(ge=1)]
Flag: TypeAlias = Annotated[bool, Strict()]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class PluginChoice:
    """The table `[plugins]`."""

    disable: list[Name] = field(default_factory=list)
    """Plugins that are left out, as with `--without`."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Content of a file: the parameters of `gptaudit run` by name; None if the file does not set them."""

    schema: Literal["gptaudit.config/1"]
    target: Annotated[Name, AfterValidator(_target)] | None = None
    suites: Annotated[list[Annotated[Name, AfterValidator(_suite)]], Field(min_length=1)] | None = None
    probes: Annotated[list[Annotated[Name, AfterValidator(_probe)]], Field(min_length=1)] | None = None
    excluded: Some | None = None
    attacks: Some | None = None
    data: Place | None = None
    secrets: Place | None = None
    limit: Count | None = None
    elicited: Flag | None = None
    until: Literal["decided", "all"] | None = None
    seed: Annotated[int, Strict(), Field(ge=0, lt=INTEGERS.stop)] | None = None
    policy: Annotated[Name, AfterValidator(_policy)] | None = None
    baseline: Place | None = None
    output: Place | None = None
    reports: list[Name] | None = None
    lang: Literal["en", "zh"] | None = None
    engine: Name | None = None
    cache: Place | None = None
    max_requests: Count | None = None
    max_tokens: Count | None = None
    max_seconds: Annotated[float, Strict(), Field(gt=0), AllowInfNan(allow_inf_nan=False)] | None = None
    quiet: Flag | None = None
    verbose: Flag | None = None
    fresh: Flag | None = None
    options: Values | None = None
    scorers: Values | None = None
    probe_options: Values | None = None
    plugins: PluginChoice | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """A file that was read: its `arguments` by the names of the parameters of `gptaudit run`, and its hash."""

    path: Path
    sha256: str
    arguments: Mapping[str, Any]
    disabled: tuple[str, ...] = ()
    """Plugins that it leaves out."""

    @property
    def provenance(self) -> dict[str, str]:
        """The entries of the file in the results."""
        return {"configuration": self.path.as_posix(), "configuration_sha256": self.sha256}


def find_configuration(named: str | None) -> ConfigurationFile | None:
    """Read the file of that name, or else `gptaudit.toml` if the working folder has one; `none` reads none.

    Raises:
        UsageError: it is missing or malformed; the message names the file, the key and the remedy.
    """
    path = Path(named or FILE_NAME)
    # A dangling link is an error: without its file the audit would be another one.
    if named == NO_FILE or (named is None and not path.exists() and not path.is_symlink()):
        return None
    return read_configuration(path)


def read_configuration(path: Path) -> ConfigurationFile:
    """Read a file; raise `UsageError` naming the file, the key and the remedy."""
    text, digest = _content(path)
    document = read_toml(text, where=str(path), error=UsageError)
    _refuse_secrets(document, path)
    found = document.get("schema")
    if found != CONFIGURATION_SCHEMA:
        msg = (
            f"{path}: expected schema = {CONFIGURATION_SCHEMA!r}, found {found!r}; write it as the first line"
        )
        raise UsageError(f"{msg}, or read no file with --config {NO_FILE}")
    read = validated(Configuration, document, where=str(path), error=UsageError, context=path.parent)
    return ConfigurationFile(path, digest, _arguments(read), _disabled(read))


def starting_configuration() -> str:
    """Return the commented file that `gptaudit init` writes."""
    return resources.files("gptaudit.run").joinpath("default_config.toml").read_text("utf-8")


def _arguments(read: Configuration) -> dict[str, Any]:
    """Return the arguments that the file sets; tables become lists of `KEY=VALUE`, as on the command line."""
    names = [field.name for field in fields(read) if field.name not in ("schema", "plugins")]
    given = {name: getattr(read, name) for name in names}
    return {
        name: [f"{key}={text}" for key, text in value.items()] if isinstance(value, dict) else value
        for name, value in given.items()
        if value not in (None, {})
    }


def _disabled(read: Configuration) -> tuple[str, ...]:
    return tuple(read.plugins.disable) if read.plugins else ()


def _content(path: Path) -> tuple[str, str]:
    """Return the text and the hash of a file, reading it once, since it may be a pipe."""
    try:
        content = read_bytes(path, error=UsageError)
    except UsageError as error:
        msg = f"{error}; `gptaudit init -o {path}` writes one"
        raise UsageError(msg) from None
    return as_text(content, path, error=UsageError), sha256(content).hexdigest()


def _refuse_secrets(document: Mapping[str, Any], path: Path) -> None:
    """Raise `UsageError` if a key names a secret, since files are shared and kept. The message has no value."""
    for location in _keys(document):
        if isinstance(location[-1], str) and is_secret(location[-1]):
            msg = f"{path}: key {key_path(location)!r}: this file must not contain a secret. Remove it, and set the "
            remedy = "environment variable OPENAI_API_KEY, or name the file that holds it: api_key_file in [options]"
            raise UsageError(msg + remedy)


def _keys(value: object, at: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Yield the location of every key and list item, at any depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from _keys(inner, (*at, key))
