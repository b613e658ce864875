"""
What to ask: every distinct request of the audit, once.

Cases flow from the probes into the store, which keeps each distinct request under its key. What is still to be asked
comes back in the order that serves a local model best: each kind together; requests whose texts begin alike side by
side, so that what they share is computed once; and among such groups the one with the longest text first, so that
the first batches show whether the memory suffices and the rest goes ever faster than foreseen.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field, TypeAdapter

from gptaudit.records import GenerateRequest, Request

ALIKE = 16
"""Characters at the beginning of a text by which requests are grouped."""

REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])


def digest(value: object) -> str:
    """Hash a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def request_key(request: Request, seed: int) -> str:
    """Name a request by its content: 128 bits of SHA-256, in hexadecimal.

    The seed counts only where the answer is drawn at random.
    """
    drawn = seed if isinstance(request, GenerateRequest) else None
    return hashlib.sha256(b"%s\n%r" % (REQUEST.dump_json(request), drawn)).hexdigest()[:32]
