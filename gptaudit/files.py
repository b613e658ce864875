"""Reading of text, TOML and JSON with errors that name the place; atomic writing."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from gptaudit.errors import DataError, GptauditError, UsageError
from gptaudit.text import well_formed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def read_text(path: Path | Traversable, *, error: type[GptauditError]) -> str:
    """Read a UTF-8 file, or raise `error` with the reason why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as caught:
        msg = f"{path}: cannot be read: {caught.strerror or caught}"
    except UnicodeDecodeError as caught:
        msg = (
            f"{path}: expected UTF-8, found byte {caught.object[caught.start]:#04x} at offset {caught.start}"
        )
    raise error(msg)


def read_toml(text: str, *, where: str, error: type[GptauditError]) -> dict[str, Any]:
    """Parse TOML, or raise `error` naming the line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as caught:
        msg = f"{where}: expected TOML: {caught}"
    raise error(msg)


def parse_json(text: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON without NaN, infinity and repeated keys, or raise `DataError` naming `where` and the line."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        msg = f"{where}: line {error.lineno}, column {error.colno}: expected JSON: {error.msg}"
    except RecursionError:
        msg = f"{where}: expected JSON, found values nested too deeply to read"
    except ValueError as error:
        msg = f"{where}: expected JSON: {error}"
    raise DataError(msg)


def read_record(
    path: Path | Traversable, into: type[T], schema: str, *, remedy: str, error: type[GptauditError]
) -> T:
    """Read a record that has a `schema` from JSON; unknown keys are ignored.

    Raises `error` (`DataError` for what is no JSON), naming the file, the key and what was expected; `remedy` ends the
    message of a file of another schema.
    """
    from gptaudit.validation import validated  # pydantic is slow to import, and few commands read a record

    data = read_object(path, schema, remedy=remedy, error=error)
    return validated(into, data, where=str(path), error=error)


def read_object(
    path: Path | Traversable, schema: str, *, remedy: str, error: type[GptauditError]
) -> dict[str, Any]:
    """Read the JSON object of a record with this `schema`, whatever its other keys; raise as `read_record` does."""
    data = parse_json(read_text(path, error=error), str(path))
    found = data.get("schema") if isinstance(data, dict) else None
    if isinstance(data, dict) and found == schema:
        return data
    msg = f"{path}: expected an object with schema {schema!r}, found schema {found!r}. {remedy}"
    raise error(msg)


def to_json(record: DataclassInstance) -> str:
    """Return a record that has a `schema` as JSON, keys in the order of the fields with `schema` first.

    The text is ASCII, so that no model output can control a terminal that shows it; lone surrogates, which cannot be
    encoded, become U+FFFD. Raises `ValueError` if a number is not finite.
    """
    plain = _plain(record)
    ordered = {"schema": plain.pop("schema"), **plain}
    return json.dumps(ordered, indent=1, allow_nan=False) + "\n"


def write_atomic(path: Path, text: str, *, remedy: str = "Choose another folder with -o") -> None:
    """Write a file atomically: a reader of `path` sees the old content or the new, never a part.

    Raises `UsageError`, whose message ends with `remedy`, if the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}. {remedy}"
        raise UsageError(msg) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return well_formed(value)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"the key {twice!r} stands twice in one object; keep one"
        raise ValueError(msg)
    return found


def _finite(number: str) -> float:
    return value if math.isfinite(value := float(number)) else _refuse(number)


def _refuse(number: str) -> NoReturn:
    msg = f"{number} is not a number in JSON; write null for an unknown figure"
    raise ValueError(msg)
