"""What to ask: every distinct request of the audit, once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

from gptaudit.records import GenerateRequest, Request


def digest(value: object) -> str:
    """Hash a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def request_key(request: Request, seed: int) -> str:
    """Name a request by its content. The seed counts only where the answer is drawn at random."""
    return digest([asdict(request), seed if isinstance(request, GenerateRequest) else None])


def plan(requests: Iterable[Request], seed: int) -> dict[Request, str]:
    """Return the distinct requests with their keys, each kind together and its longest texts first.

    Longest first makes batches of like lengths, and shows at once whether the memory suffices.
    """
    keys = {request: request_key(request, seed) for request in dict.fromkeys(requests)}
    return dict(sorted(keys.items(), key=lambda item: (item[0].kind, -_length(item[0]), item[1])))


def _length(request: Request) -> int:
    if request.kind == "score":
        return len(request.context) + len(request.continuation)
    return len(request.prompt)
