"""Audit GPT-style language models for bias, toxicity and unsafe behaviour, and gate their releases.

The names below are what plugins are written with. They are loaded when they are first used, so that the program
starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gptaudit.hookspecs import hookimpl

if TYPE_CHECKING:
    from gptaudit.probe import Answered, MetricSpec, Probe, ProbeContext, Scored, Unscored
    from gptaudit.records import (
        AttributeRequest,
        Attribution,
        Case,
        Completion,
        DataSource,
        Evidence,
        Exchange,
        Failure,
        GenerateRequest,
        Likelihood,
        Measurement,
        Sampling,
        ScoreRequest,
    )

__version__ = "0.1.0"

__all__ = [
    "Answered",
    "AttributeRequest",
    "Attribution",
    "Case",
    "Completion",
    "DataSource",
    "Evidence",
    "Exchange",
    "Failure",
    "GenerateRequest",
    "Likelihood",
    "Measurement",
    "MetricSpec",
    "Probe",
    "ProbeContext",
    "Sampling",
    "ScoreRequest",
    "Scored",
    "Unscored",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in ("gptaudit.probe", "gptaudit.records"):
            if hasattr(import_module(module), name):
                return getattr(import_module(module), name)
    msg = f"module 'gptaudit' has no attribute {name!r}"
    raise AttributeError(msg)
