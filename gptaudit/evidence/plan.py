"""
Keys, order and size of the requests of an audit.

The store holds each distinct request once, under its key. Unanswered requests are sent in the order that is fastest on
a local model: grouped by kind, attributions last, since each takes as long as hundreds of others; within a kind, texts
with the same beginning side by side, so that a shared prefix is computed once; and the group with the longest text
first, so that running out of memory shows early and the estimate of the time left is too high rather than too low.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from gptaudit.records import GenerateRequest, Request, SecretRequest, request_text

ALIKE = 16
"""Number of characters at the beginning of a text by which requests are grouped."""

BYTES = 4
"""Bytes of UTF-8 that make a token, near what tokenizers of English and of Chinese need."""

REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
SECRET: TypeAdapter[SecretRequest] = TypeAdapter(SecretRequest)


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value, in hexadecimal; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def request_key(request: Request, seed: int) -> str:
    """Return the key of a request: 128 bits of the SHA-256 of its content, in hexadecimal.

    The seed is part of the key only if the answer is sampled.
    """
    drawn = seed if isinstance(request, GenerateRequest) else None
    return hashlib.sha256(b"%s\n%r" % (REQUEST.dump_json(request), drawn)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Size:
    """Estimated tokens: those read, and those written at most."""

    reads: int
    writes: int


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind that a probe was the first to ask."""

    probe: str
    kind: str
    requests: int
    answered: int
    left: Size
    """Size of the requests that have neither an answer nor a failure."""


def size(request: Request) -> Size:
    """Estimate the size of a request; of a secret one, that of its texts where they are known."""
    writes = request.sampling.max_new_tokens if isinstance(request, GenerateRequest) else 0
    request = (request.in_full if isinstance(request, SecretRequest) else None) or request
    return Size(len(request_text(request).encode()) // BYTES, writes)
