"""What the audit ran with."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers", "captum", "detoxify", "numpy", "scipy")


_SECRET = re.compile(r"(^|[_-]|api)(key|secret|password|passwd|token|credentials?)$", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether an option of this name holds what must not be published: `api_key`, `password`."""
    return _SECRET.search(name) is not None


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as they may be published: `{"api_key": "x", "n": 1}` becomes `{"api_key": "***", "n": 1}`."""
    return {name: "***" if is_secret(name) else value for name, value in options.items()}


def without_secret_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line as it may be published: what follows `api_key=` is hidden."""
    pairs = (argument.partition("=") for argument in arguments)
    return tuple(
        f"{name}=***" if equals and is_secret(name) else name + equals + rest for name, equals, rest in pairs
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a figure."""
    return {"python": platform.python_version(), **{name: package_version(name) for name in PACKAGES}}


def package_version(name: str) -> str:
    """Return an installed package's version, or `not installed`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def environment(engine: str) -> Mapping[str, str | int | None]:
    """Describe the machine without naming it."""
    return {
        "engine": engine,
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }
