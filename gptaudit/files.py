"""Reading of text, TOML and JSON with errors that name the place; atomic writing."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib.resources.abc import Traversable
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

from gptaudit.errors import DataError, GptauditError, UsageError
from gptaudit.markers import VERSION
from gptaudit.text import shorten, well_formed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def user_path(text: str, *, error: type[GptauditError]) -> Path:
    """Return a path that a user wrote, with `~` for a home folder; raise `error` where there is no such home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        msg = f"{text}: there is no such home folder; write the path in full"
    raise error(msg)


LARGEST = 2**28
"""Bytes of the largest file that is read whole; larger ones, such as `/dev/zero`, are refused."""
LONGEST_LINE = 2**26
"""Bytes of the longest line of a file that is read line by line."""
GREATEST = 1e100
"""Greatest number that is read: sums and squares of such numbers are finite."""
INTEGERS = range(-(2**63), 2**63)
"""Whole numbers that are read; TOML, SQLite and torch have no others."""


def read_bytes(path: Path | Traversable, *, error: type[GptauditError]) -> bytes:
    """Read a file of at most `LARGEST` bytes, or raise `error` with the reason why it cannot be read."""
    try:
        with path.open("rb") as file:
            content: bytes = file.read(LARGEST + 1)
    except OSError as caught:
        msg = f"{path}: cannot be read: {caught.strerror or caught}"
    except ValueError as caught:  # a NUL in the path
        msg = f"{str(path)!r}: is no path: {caught}"
    else:
        if len(content) <= LARGEST:
            return content
        msg = (
            f"{path}: is larger than {LARGEST >> 20} MiB, which is the most that is read; name the right file"
        )
    raise error(msg)


def as_text(content: bytes, path: Path | Traversable, *, error: type[GptauditError]) -> str:
    """Decode the UTF-8 content of a file, or raise `error` naming the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as caught:
        # Without its mark of the byte order, the content that failed is shorter.
        start = caught.start + len(content) - len(caught.object)
        line = content.count(b"\n", 0, start) + 1
        msg = f"{path}, line {line}: expected UTF-8, found byte {content[start]:#04x} at offset {start}; "
    raise error(f"{msg}save it as UTF-8")


def read_text(path: Path | Traversable, *, error: type[GptauditError]) -> str:
    """Read a UTF-8 file, or raise `error` with the reason why it cannot be read."""
    return as_text(read_bytes(path, error=error), path, error=error)


def read_lines(path: Path, *, error: type[GptauditError]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a UTF-8 file that is not blank, or raise `error` naming the line.

    The file is read line by line, so it may be larger than memory.
    """
    try:
        with path.open("rb") as file:
            yield from lines_of(file, str(path), error=error)
    except OSError as caught:
        msg = f"{path}: cannot be read: {caught.strerror or caught}"
        raise error(msg) from None


def lines_of(file: IO[bytes], where: str, *, error: type[GptauditError]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of an open file, as `read_lines` does; `where` names the file."""
    for number in count(1):
        line = file.readline(LONGEST_LINE + 1)
        if not line:
            return
        if len(line) > LONGEST_LINE:
            msg = f"{where}, line {number}: is longer than {LONGEST_LINE >> 20} MiB; name the right file"
            raise error(msg)
        if line.strip():
            yield number, _line(line, f"{where}, line {number}", error)


def _line(line: bytes, where: str, error: type[GptauditError]) -> str:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as caught:
        found = caught.object[caught.start]
    msg = f"{where}: expected UTF-8, found byte {found:#04x}; save it as UTF-8"
    raise error(msg)


def read_toml(text: str, *, where: str, error: type[GptauditError]) -> dict[str, Any]:
    """Parse TOML, or raise `error` naming the line and column."""
    try:
        found = tomllib.loads(text)
        _require_integers(found)
    except RecursionError:
        msg = f"{where}: expected TOML, found values nested too deeply to read"
    except ValueError as caught:
        msg = f"{where}: expected TOML: {caught}"
    else:
        return found
    raise error(msg)


def parse_json(
    text: str,
    where: str,
    *,
    error: type[GptauditError] = DataError,
    line: int | None = None,
    finite: bool = True,
) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON without repeated keys, or raise `error` naming `where` and the line.

    `line` is that of a text which is one line of a file. Unless `finite` is false, NaN, infinity, and numbers that are
    no figure are refused; transformers writes them for what has no limit.
    """
    place = where if line is None else f"{where}, line {line}"
    try:
        return (_STRICT if finite else _LENIENT).decode(text)
    except json.JSONDecodeError as caught:
        number = caught.lineno if line is None else line
        msg = f"{where}, line {number}, column {caught.colno}: expected JSON: {caught.msg}"
    except RecursionError:
        msg = f"{place}: expected JSON, found values nested too deeply to read"
    except ValueError as caught:
        msg = f"{place}: expected JSON: {caught}"
    raise error(msg)


def read_json(path: Path | Traversable, *, error: type[GptauditError], finite: bool = True) -> Any:  # noqa: ANN401
    """Read a JSON file; raises as `read_text` and `parse_json` do."""
    return parse_json(read_text(path, error=error), str(path), error=error, finite=finite)


def read_object(
    path: Path, *, error: type[GptauditError], remedy: str, finite: bool = True
) -> dict[str, Any]:
    """Read a JSON file that holds an object; raises as `read_json` does, with messages that end with `remedy`."""
    try:
        found = read_json(path, error=error, finite=finite)
    except error as caught:
        msg = str(caught)
    else:
        if isinstance(found, dict):
            return found
        msg = f"{path}: expected a JSON object, found {type(found).__name__}"
    raise error(f"{msg}; {remedy}")


def read_record(
    path: Path | Traversable, into: type[T], schema: str, *, remedy: str, error: type[GptauditError]
) -> T:
    """Read a record that has a `schema` from JSON; unknown keys are ignored.

    Raises `error`, naming the file, the key and what was expected; `remedy` ends the message of a file of another
    schema.
    """
    from gptaudit.validation import validated  # pydantic is slow to import, and few commands read a record

    data = read_with_schema(path, schema, remedy=remedy, error=error)
    return validated(into, data, where=str(path), error=error)


def read_with_schema(
    path: Path | Traversable, schema: str, *, remedy: str, error: type[GptauditError]
) -> dict[str, Any]:
    """Read the JSON object of a record with this `schema`, whatever its other keys; raise as `read_record` does."""
    data = read_json(path, error=error)
    found = data.get("schema") if isinstance(data, dict) else None
    if isinstance(data, dict) and found == schema:
        return data
    msg = f"{path}: expected an object with schema {schema!r}, found schema {found!r}. "
    raise error(msg + (newer(found, schema) or remedy))


def newer(found: object, schema: str) -> str:
    """Say that a schema such as `gptaudit.results/2` is a later one of the same kind; empty where it is not."""
    kind, _, number = schema.rpartition("/")
    other, _, later = found.rpartition("/") if isinstance(found, str) else ("", "", "")
    if other != kind or not later.isdecimal() or int(later) <= int(number):
        return ""
    return f"It was written by a newer version of gptaudit: read it with that one; this is {VERSION}"


def to_json(record: DataclassInstance) -> str:
    """Return a record that has a `schema` as JSON, keys in the order of the fields with `schema` first.

    The text is ASCII, so that no model output can control a terminal that shows it; lone surrogates, which cannot be
    encoded, become U+FFFD. Raises `ValueError` if a number is not finite.
    """
    plain = _plain(record)
    ordered = {"schema": plain.pop("schema"), **plain}
    return json.dumps(ordered, indent=1, allow_nan=False) + "\n"


def write_atomic(path: Path, content: str | bytes, *, remedy: str = "Choose another folder with -o") -> None:
    """Write a file atomically, a text as UTF-8: a reader of `path` sees the old content or the new, never a part.

    Raises `UsageError`, whose message ends with `remedy`, if the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
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
    value = float(number)
    if abs(value) <= GREATEST:
        return value
    msg = f"{shorten(number, 20)[0]} is more than {GREATEST:g}, which is no figure; write null for an unknown one"
    raise ValueError(msg)


def _refuse(number: str) -> NoReturn:
    msg = f"{shorten(number, 20)[0]} is not a number in JSON; write null for an unknown figure"
    raise ValueError(msg)


def _integer(digits: str) -> int:
    # Python itself refuses to convert many digits, and says how to make it do so.
    value = int(digits) if len(digits) <= 20 else None
    if value is None or value not in INTEGERS:
        msg = f"{shorten(digits, 20)[0]}, of {len(digits)} digits, is more than a whole number of 64 bits"
        raise ValueError(msg)
    return value


def _require_integers(value: object) -> None:
    """Raise `ValueError` for a whole number in parsed TOML that has more than 64 bits."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_integers(inner)
    elif isinstance(value, int) and value not in INTEGERS:
        msg = f"found a whole number of {value.bit_length()} bits; at most 64 are allowed"
        raise ValueError(msg)


_STRICT = json.JSONDecoder(
    parse_constant=_refuse, parse_float=_finite, parse_int=_integer, object_pairs_hook=_distinct
)
_LENIENT = json.JSONDecoder(object_pairs_hook=_distinct)
