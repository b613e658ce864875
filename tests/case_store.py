"""A store with cases of each outcome and hostile texts, for tests."""

from __future__ import annotations

from pathlib import Path

from gptaudit.evidence.store import Store
from gptaudit.records import (
    Attribution,
    Case,
    Completion,
    Evidence,
    Exchange,
    Failure,
    GenerateRequest,
    Likelihood,
    Measurement,
    ScoreRequest,
)

HOSTILE = (
    "=cmd|' /C calc'!A0<img src=x onerror=alert(1)>"
    "</script><script>alert(2)</script>\x1b[2J\u202e\r\nsecond  scored  gender=female"
)

REQUESTS = (GenerateRequest("The Nurse said"), GenerateRequest("Who is it?"), ScoreRequest("A ", "fool"))


def stored_cases(folder: Path) -> Path:
    """Make a store of two probes: scored cases, and cases that failed, or of which no texts were measured."""
    cases = [
        Case("nurse", "a", (REQUESTS[0],), {"gender": "female"}),
        Case("refused", "b", (REQUESTS[1],), {"gender": "male"}),
        Case("bare", "c", (REQUESTS[2],), {}),
    ]
    store = Store(folder)
    store.plan(
        {"first": cases, "second": [Case(HOSTILE, "d", (), {"name": HOSTILE})]}, fingerprint="f", seed=0
    )
    store.keep(REQUESTS[0], Completion(" HELLO there", "stop"), 0)
    store.keep(REQUESTS[1], Failure("refused", "I cannot say"), 0)
    store.keep(REQUESTS[2], Likelihood((-1.0,), -1.0, 1), 0)
    measured = Evidence(
        (Exchange("sample 1", "The Nurse said", " HELLO there", {"toxicity": 0.25}),), note="one of 1"
    )
    tokens = Attribution(("The", " cook"), ((0, 3), (3, 8)), (0.1, 0.2), 1.0, 0.5, 0.0, 5, True, "mean", "ig")
    store.keep_measurements(
        "first",
        [
            [
                Measurement.of(cases[0], {"rate": 1.0}, evidence=measured),
                Measurement.of(cases[1], unscored="refused"),
                Measurement.of(cases[2], {"rate": 0.0}),
            ]
        ],
    )
    hostile = Evidence(
        (Exchange(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: 1.0}),), attribution=tokens, note=HOSTILE
    )
    store.keep_measurements(
        "second", [[Measurement(HOSTILE, "d", {"name": HOSTILE}, {"rate": 1.0}, evidence=hostile)]]
    )
    store.close()
    return folder
