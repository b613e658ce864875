"""What the audit ran with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers", "captum", "detoxify", "numpy", "scipy")


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
