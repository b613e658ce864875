"""The files of a new plugin: a distribution that installs, whose tests pass, and that `gptaudit list` shows."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from gptaudit.errors import UsageError
from gptaudit.files import write_atomic

KINDS = ("probe", "scorer", "backend", "reporter", "attack", "suite")
"""What a plugin can be started as; it may register anything."""

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "gptaudit-"


def write_plugin(folder: Path, distribution: str, kind: str) -> list[Path]:
    """Write the files of a plugin of that kind into a new folder, and return them.

    Raises:
        UsageError: the name is none for a distribution, or the folder is there already.
    """
    name = distribution.removeprefix(PREFIX)
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        msg = f"{distribution!r}: expected a name of small letters, digits and hyphens, such as gptaudit-politeness"
        raise UsageError(msg)
    if folder.exists():
        msg = f"{folder}: exists and was not changed; name another plugin, or another folder with -o"
        raise UsageError(msg)
    module = distribution.replace("-", "_")
    words = name.split("-")
    values = {
        "distribution": distribution,
        "name": name,
        "module": module,
        "kind": kind,
        "title": " ".join(words).capitalize(),
        "class_name": "".join(word.capitalize() for word in words),
    }
    pages = Environment(  # noqa: S701 - it writes Python and TOML, no HTML
        loader=PackageLoader("gptaudit.testing", "new_plugin"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    files = {
        "pyproject.toml": "pyproject.toml",
        f"{module}/__init__.py": f"{kind}.py",
        **({f"{module}/{name}.toml": "suite.toml"} if kind == "suite" else {}),
        f"tests/test_{module}.py": f"test_{kind}.py",
    }
    written = []
    for path, template in files.items():
        place = folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{place.parent}: cannot be made: {error.strerror or error}; choose another folder with -o"
            raise UsageError(msg) from None
        write_atomic(place, pages.get_template(f"{template}.jinja").render(values))
        written.append(place)
    return written
