"""The request in another language, where a model may have learned less well to refuse (Deng et al. 2024).

The translations of the built-in requests are our own, in `translations.toml`; other requests have none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from random import Random

from gptaudit.protocols.attack import Attack


@cache
def translations() -> Mapping[str, str]:
    """Return request -> the same one in the other language, English or Chinese."""
    tables = tomllib.loads(
        resources.files("gptaudit.probes").joinpath("attacks", "translations.toml").read_text("utf-8")
    )
    return {**tables["chinese"], **tables["english"]}


def _translated(request: str, draw: Random) -> str:  # noqa: ARG001 - nothing is random
    return translations()[request]


OTHER_LANGUAGE = Attack(
    "other-language",
    "Asks in Chinese what is asked in English, and the other way round; built-in requests alone.",
    _translated,
    "Deng et al. 2024",
    fits=lambda request: request in translations(),
    translates=True,
)
