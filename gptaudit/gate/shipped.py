"""The policies that ship with gptaudit, which a user names without a file: `--policy release`."""

from __future__ import annotations

from importlib import resources

SHIPPED = ("default", "release")


def shipped_policy(name: str) -> tuple[str, str]:
    """Return the file name and the text of a policy of `SHIPPED`."""
    file = f"{name}_policy.toml"
    return file, resources.files("gptaudit.gate").joinpath(file).read_text("utf-8")
