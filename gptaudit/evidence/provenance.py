"""Versions, options and machine of an audit, without secrets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers", "captum", "detoxify", "numpy", "scipy")


_SECRET = re.compile(
    r"(^|[._-]|api)(key|secret|password|passwd|token|credentials?)(\.|$)|(^|-b)header(\.|$)", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Return whether an option of this name holds a secret, such as `api_key`, `password` or any `header.NAME`."""
    return _SECRET.search(name) is not None


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with secrets hidden: `{"api_key": "x", "n": 1}` becomes `{"api_key": "***", "n": 1}`."""
    return {name: _hidden(name, value) for name, value in options.items()}


def _hidden(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _hidden(f"{name}.{key}", inner) for key, inner in value.items()}
    return "***" if is_secret(name) else value


def without_secret_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line with secrets hidden: `api_key=x` becomes `api_key=***`."""
    pairs = (argument.partition("=") for argument in arguments)
    return tuple(
        f"{name}=***" if equals and is_secret(name) else name + equals + rest for name, equals, rest in pairs
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect figures."""
    return {"python": platform.python_version(), **{name: package_version(name) for name in PACKAGES}}


def package_version(name: str) -> str:
    """Return the version of a package, or `not installed`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def environment(engine: str) -> Mapping[str, str | int | None]:
    """Return a description of the machine, without its host name."""
    return {
        "engine": engine,
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }
