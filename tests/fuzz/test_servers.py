"""Answers of a server that are damaged, in its bodies and its headers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from fuzz.damage import HOSTILE, changed, damaged, fuzz, many, one_of, reads
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gptaudit.files import parse_json
from gptaudit.records import Answer, ChooseRequest, ScoreRequest
from gptaudit.remote.address import Address, find_addresses
from gptaudit.remote.choosing import read_choice
from gptaudit.remote.faults import REASONS, RequestFault
from gptaudit.remote.http import Client
from gptaudit.remote.likelihood import likeliest_share, moving, prompt_tokens, read_likelihood
from gptaudit.remote.limits import Level, Pacing
from gptaudit.remote.opening import opening_error
from gptaudit.remote.options import RemoteOptions
from gptaudit.remote.sampling_checks import entry_of, ids_of
from gptaudit.remote.wire import read_completion

ADDRESS = Address("http://127.0.0.1:1/v1", secrets=("sesame-open",))
MOST = 8

CHAT = {
    "model": "toy",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "A",
                "refusal": None,
                "reasoning_content": "It is A.",
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}
SHOWN = {
    "model": "toy",
    "choices": [
        {
            "message": {"role": "assistant", "content": "A"},
            "finish_reason": "length",
            "logprobs": {
                "content": [
                    {
                        "token": "A",
                        "logprob": -0.1,
                        "top_logprobs": [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.5}],
                    }
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 1},
}
ECHOED = {
    "model": "toy",
    "choices": [
        {
            "text": "The cat sat",
            "finish_reason": "length",
            "logprobs": {
                "tokens": ["The", " cat", " sat"],
                "token_logprobs": [None, -1.5, -2.5],
                "text_offset": [0, 3, 7],
                "top_logprobs": [None, {" cat": -1.5}, {" sat": -2.5}],
            },
        }
    ],
    "usage": {"prompt_tokens": 2, "completion_tokens": 1},
}
LISTED = {"object": "list", "data": [{"id": "toy", "owned_by": "tests", "created": 7}]}
ERROR = {"error": {"message": "slow down", "type": "error", "code": "rate_limit", "param": "seed"}}
SCORED = ScoreRequest("The", " cat")


def completion(body):
    found = read_completion("chat", body, ("x",), "", most=MOST)
    assert len(getattr(found, "text", "")) <= MOST * 128
    return found


def likelihood(body):
    tokens = prompt_tokens(body, "The cat")
    moving("The", tokens, tokens)
    likeliest_share(body, "The cat", 3)
    return read_likelihood(body, SCORED, "")


READ = {
    "chat": (CHAT, completion),
    "first tokens": (SHOWN, lambda body: read_choice(body, ChooseRequest("Q?", ("A", "B")), "")),
    "echo": (ECHOED, likelihood),
    "text": (ECHOED, lambda body: read_completion("completions", body, (), "", most=MOST)),
    "models": (LISTED, lambda body: json.dumps([ids_of(body), entry_of(body, "toy")]) and None),
    "error": (ERROR, lambda body: None),
}


def decoded(raw, status=200, **headers):
    """Decode a body as if it had come from a server; return the body, or the fault."""
    response = SimpleNamespace(status=status, content_type="application/json", headers=headers)
    return Client(ADDRESS, RemoteOptions(), Pacing(0, 0))._decoded(response, raw)


def faultless(call):
    """Return what a call gives; None for a fault, which has a reason that is documented."""
    try:
        return call()
    except RequestFault as raised:
        fault = raised
    assert fault.reason in REASONS
    assert len(str(fault)) < 1000
    assert "sesame" not in str(fault)
    assert str(opening_error(fault, ADDRESS, "toy", ["toy"], 1.0))
    Level(4).failed(fault, 0.0)
    return None


@pytest.mark.parametrize("kind", READ)
@many(300)
def test_bodies(kind, examples):
    """A damaged body is a fault, or an answer that can be kept."""
    body, read = READ[kind]
    whole = json.dumps(body).encode()

    def check(raw):
        answer = faultless(lambda: read(decoded(raw)))
        if answer is not None:
            parse_json(TypeAdapter(Answer).dump_json(answer).decode(), "what is kept")

    fuzz(st.one_of(damaged(whole), changed(whole)), check, examples)


@many(300)
def test_statuses_and_headers(examples):
    """Any status, with hostile headers, is a fault or a body."""
    text = st.one_of(
        one_of(HOSTILE).map(lambda raw: raw.decode("latin-1")),
        st.sampled_from(["http://[bad", "//", "http://user:word@host/?key=1", "9" * 400, "٣", "-1", "1e9"]),
        damaged(b"Wed, 21 Oct 2037 07:28:00 GMT").map(lambda raw: raw.decode("latin-1")),
        st.text(max_size=20),
    )

    def check(example):
        status, location, retry, raw = example
        faultless(lambda: decoded(raw, status, Location=location, **{"Retry-After": retry}))

    statuses = st.one_of(
        st.sampled_from([200, 301, 307, 400, 401, 404, 429, 500, 503]), st.integers(100, 999)
    )
    fuzz(st.tuples(statuses, text, text, damaged(json.dumps(ERROR).encode())), check, examples)


@many(300)
def test_addresses(examples):
    """A damaged address is refused, without what may be secret in it."""

    def opened(raw):
        return find_addresses(RemoteOptions(base_url=raw.decode("utf-8", "surrogateescape")), {})

    fuzz(
        damaged(b"https://host.example:8080/v1"), lambda raw: reads(lambda: opened(raw), "base_url"), examples
    )
