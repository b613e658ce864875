"""Conversion of plain data into typed values, with errors that name the place."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from gptaudit.errors import GptauditError

T = TypeVar("T")

SHOWN = 3
"""Most problems listed in one message; the rest are counted."""


def validated(into: type[T], data: object, *, where: str, error: type[GptauditError], **how: Any) -> T:  # noqa: ANN401
    """Build `into` from plain data, or raise `error` naming `where`, the key, what was expected and what was found.

    `how` goes to pydantic's `validate_python`; unknown keys are an error if the type's
    `__pydantic_config__` forbids them.
    """
    adapter: TypeAdapter[T] = _adapter(into)  # type: ignore[arg-type]  # every class can be hashed
    try:
        return adapter.validate_python(data, **how)
    except ValidationError as caught:
        problems = [_describe(into, problem) for problem in caught.errors()[:SHOWN]]
        more = caught.error_count() - len(problems)
    msg = f"{where}: " + "; ".join(problems) + (f"; and {more} more" if more else "")
    raise error(msg)


@lru_cache
def _adapter(into: type[Any]) -> TypeAdapter[Any]:
    """Build the validator of a type, once: building takes far longer than validating a row of a data set."""
    return TypeAdapter(into)


DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(into: type[Any]) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a type as it is written; a file's `schema` must be the one it names."""
    described = TypeAdapter(into).json_schema(mode="serialization")
    name = described["properties"]["schema"]
    if "default" in name:
        described["properties"]["schema"] = {"const": name["default"]}
        described["required"] = ["schema", *described["required"]]
    return {"$schema": DRAFT, **described}


def json_schema_by(key: str, kinds: Mapping[str, type[Any]]) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a file as it is read, which is of the type that its `key` names.

    The type is chosen by that key first, so that a validator names the place of a mistake in the file.
    """
    chosen, described = TypeAdapter.json_schemas(
        (kind, "validation", TypeAdapter(into)) for kind, into in kinds.items()
    )
    return {
        "$schema": DRAFT,
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(kinds)}},
        "allOf": [
            {
                "if": {"required": [key], "properties": {key: {"const": kind}}},
                "then": chosen[kind, "validation"],
            }
            for kind in kinds
        ],
        **described,
    }


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known names that resemble `name`, as ` Did you mean 'x'?`, or with all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f" Did you mean {' or '.join(map(repr, close))}?"
    return f" Known: {', '.join(names) or 'none'}."


def key_path(location: Iterable[int | str]) -> str:
    """Return a key's location as users write it, counting from one: `rule[2].max`."""
    path = ""
    for part in location:
        path += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _describe(into: type[Any], problem: Mapping[str, Any]) -> str:
    place = key_path(problem["loc"])
    came = problem["input"]
    match problem["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            *table, key = problem["loc"]
            known = _keys(into, table)
            return f"unknown key {place!r}." + (nearest(str(key), known) if known else "")
        case "missing" | "missing_argument":
            return f"key {place!r} is missing"
        case _:
            text = problem["msg"].removeprefix("Value error, ")
            return f"key {place!r}: {text}; found {reprlib.repr(came)}" if place else text


def _keys(into: object, location: Iterable[int | str]) -> set[str]:
    """Return the keys of the dataclass at a location; none if there is no dataclass."""
    kinds = _kinds(into)
    for part in location:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    return {
        field.name
        for kind in kinds
        if isinstance(kind, type) and is_dataclass(kind)
        for field in fields(kind)
    }


def _inside(kind: object, part: int | str) -> list[object]:
    if isinstance(kind, type) and is_dataclass(kind):
        return _kinds(get_type_hints(kind, include_extras=True).get(str(part)))
    held = (
        get_args(kind) if isinstance(part, int) else get_args(kind)[-1:]
    )  # of a mapping, the type of the values
    return [inner for argument in held for inner in _kinds(argument)]


def _kinds(hint: object) -> list[object]:
    """Return the types that a type hint allows."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [inner for argument in get_args(hint) for inner in _kinds(argument)]
    return [hint]
