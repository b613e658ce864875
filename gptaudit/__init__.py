"""Audit GPT-style language models for bias, toxicity and unsafe behaviour, and gate their releases.

    audit = gptaudit.audit("hf:FOLDER", suites=["bias"], policy="default")
    audit.verdict, audit.figure("gender-occupation.association").value

`audit` and `load` are the way in from Python; the other names are what plugins are written with. All are loaded when
they are first used, so that the program starts quickly.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gptaudit.markers import VERSION, hookimpl

if TYPE_CHECKING:
    from gptaudit.engine.local import answer_chunk
    from gptaudit.errors import (
        BackendError,
        BackendLostError,
        DataError,
        GptauditError,
        PluginError,
        PolicyError,
        ScorerError,
        TargetError,
        UsageError,
    )
    from gptaudit.probe import (
        Answered,
        CaseStream,
        Predictions,
        Probe,
        ProbeContext,
        Scored,
        Sees,
        Unscored,
    )
    from gptaudit.probes.kinds.registry import probe_of_suite
    from gptaudit.protocols.attack import (
        Attack,
    )
    from gptaudit.protocols.attribution import EmbeddingMethod, WordMethod
    from gptaudit.protocols.backend import (
        Backend,
        BackendType,
        ChoosingBackend,
        MixedPrecisionBackend,
        RecordedBackend,
        StreamingBackend,
    )
    from gptaudit.protocols.data_set import DataFile, DataSet
    from gptaudit.protocols.engine import (
        Engine,
        EngineType,
        Work,
    )
    from gptaudit.protocols.flaw import (
        Flaw,
    )
    from gptaudit.protocols.options import (
        NoOptions,
    )
    from gptaudit.protocols.reporter import (
        ReportContext,
        Reporter,
        ReportSection,
    )
    from gptaudit.protocols.scorer import (
        Output,
        Scorer,
        ScorerType,
        Scores,
    )
    from gptaudit.protocols.text_backend import TextBackend
    from gptaudit.python_api.audits import audit, load
    from gptaudit.python_api.finished import Audit, Decision, Records
    from gptaudit.records import (
        AttributeRequest,
        Attribution,
        AuditResult,
        AurocSpec,
        Case,
        Choice,
        ChooseRequest,
        Completion,
        ContrastSpec,
        DataSource,
        Evidence,
        Exchange,
        Failure,
        GenerateRequest,
        Likelihood,
        Margin,
        Measurement,
        Message,
        Metric,
        MetricSpec,
        ProbeResult,
        RatioSpec,
        Sampling,
        ScoreRequest,
        SecretRequest,
        TargetInfo,
    )

__version__ = VERSION

__all__ = [
    "Answered",
    "Attack",
    "AttributeRequest",
    "Attribution",
    "Audit",
    "AuditResult",
    "AurocSpec",
    "Backend",
    "BackendError",
    "BackendLostError",
    "BackendType",
    "Case",
    "CaseStream",
    "Choice",
    "ChooseRequest",
    "ChoosingBackend",
    "Completion",
    "ContrastSpec",
    "DataError",
    "DataFile",
    "DataSet",
    "DataSource",
    "Decision",
    "EmbeddingMethod",
    "Engine",
    "EngineType",
    "Evidence",
    "Exchange",
    "Failure",
    "Flaw",
    "GenerateRequest",
    "GptauditError",
    "Likelihood",
    "Margin",
    "Measurement",
    "Message",
    "Metric",
    "MetricSpec",
    "MixedPrecisionBackend",
    "NoOptions",
    "Output",
    "PluginError",
    "PolicyError",
    "Predictions",
    "Probe",
    "ProbeContext",
    "ProbeResult",
    "RatioSpec",
    "RecordedBackend",
    "Records",
    "ReportContext",
    "ReportSection",
    "Reporter",
    "Sampling",
    "ScoreRequest",
    "Scored",
    "Scorer",
    "ScorerError",
    "ScorerType",
    "Scores",
    "SecretRequest",
    "Sees",
    "StreamingBackend",
    "TargetError",
    "TargetInfo",
    "TextBackend",
    "Unscored",
    "UsageError",
    "WordMethod",
    "Work",
    "__version__",
    "answer_chunk",
    "audit",
    "hookimpl",
    "load",
    "probe_of_suite",
]

_MODULES = (
    "gptaudit.errors",
    "gptaudit.probe",
    "gptaudit.protocols.attack",
    "gptaudit.protocols.attribution",
    "gptaudit.protocols.backend",
    "gptaudit.protocols.data_set",
    "gptaudit.protocols.engine",
    "gptaudit.protocols.flaw",
    "gptaudit.protocols.options",
    "gptaudit.protocols.reporter",
    "gptaudit.protocols.scorer",
    "gptaudit.protocols.text_backend",
    "gptaudit.records",
    "gptaudit.engine.local",
    "gptaudit.probes.kinds.registry",
    "gptaudit.python_api.finished",
    "gptaudit.python_api.audits",
)
"""Where the names come from."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in map(import_module, _MODULES):
            if hasattr(module, name):
                return getattr(module, name)
    msg = f"module 'gptaudit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
