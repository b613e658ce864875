"""What the reports in formats of others share: JSON texts, names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from gptaudit.plugins import SHIPPED
from gptaudit.records import PluginInfo, RunInfo, TargetInfo
from gptaudit.text import visible

_URL = re.compile(r"https?://[\w.-]+(?:/[\w./~%@+-]*)?", re.ASCII)


def json_document(content: Mapping[str, Any]) -> str:
    """Return a JSON document in ASCII; invisible and control characters of its texts are written as code points."""
    return json.dumps(_visible(content), indent=1, allow_nan=False) + "\n"


def json_line(value: object) -> str:
    """Return a value as JSON on one line, for a place that takes only a text."""
    return json.dumps(_visible(value), ensure_ascii=False, allow_nan=False)


def one_line(text: str) -> str:
    """Return a text as one line, with its invisible and control characters as code points."""
    return " ".join(visible(text).split())


def model_name(target: TargetInfo) -> str:
    """Return what a target is called, without its scheme and the folder that it lies in.

    For example `org/model` for `hf:org/model`, and `model` for `hf:./models/model`.
    """
    name = target.spec.partition(":")[2] or target.spec
    is_path = name.startswith(("/", ".", "~"))
    return one_line(PurePath(name).name if is_path else name) or "unnamed"


def urls(text: str) -> list[str]:
    """Return the addresses that stand in a text, without queries, fragments and a full stop at the end."""
    return [found.rstrip(".") for found in _URL.findall(text)]


def foreign_plugins(run: RunInfo) -> list[PluginInfo]:
    """Return the plugins of an audit that do not ship with gptaudit."""
    return [plugin for plugin in run.plugins if plugin.origin != SHIPPED]


def _visible(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {visible(str(key)): _visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return visible(value) if isinstance(value, str) else value
