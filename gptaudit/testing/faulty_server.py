"""A server with OpenAI's protocol and configurable faults, for tests of clients.

    with FaultyServer(faults={"500": 0.1, "reset": 0.1}, latency=0.05) as server:
        backend = open_openai(server.model, RemoteOptions(base_url=server.url))

It runs in a background thread, answers with `gptaudit.testing.toy_model`, and counts requests, answers and faults. The
fault of a request depends on the seed, the request's content and how often it came before, so that a test gets the
same faults again, however its requests overlap. `faults` and the other attributes may be changed while it runs.

    python -m gptaudit.testing.faulty_server --latency 0.05 --fault 500=0.1

serves until its standard input ends; it prints its address first, and its counts last.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Self

from aiohttp import web

from gptaudit.remote.background import Background
from gptaudit.testing import toy_model
from gptaudit.testing.protocol_faults import FAULTS

HEEDED = frozenset({"temperature", "seed", "top_k", "top_p", "stop", "n"})
KNOWN = HEEDED | {
    "model",
    "messages",
    "prompt",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "echo",
    "stream",
    "min_p",
    "repeat_penalty",
    "repetition_penalty",
}


@dataclass
class FaultyServer:
    """A context manager; see the module's docstring. Its abilities and faults are attributes."""

    faults: Mapping[str, float] = field(default_factory=dict)
    """Share of requests with each fault; the names are in `gptaudit.testing.protocol_faults.FAULTS`."""
    fails_after: int = 0
    """Number of requests without faults at the beginning."""
    heals_after: int | None = None
    """Number of faults after which there are no more; None for no end."""
    latency: float = 0.0
    """Seconds before each answer."""
    seed: int = 0
    model: str = "toy"
    weights: str = ""
    """Put after every prompt, unseen: another text is another model under the same name."""
    listed: tuple[str, ...] | None = ("toy",)
    """The models of `/models`; None for a server without `/models`."""
    api_key: str = ""
    """The required key; empty for none."""
    chat: bool = True
    completions: bool = True
    logprobs: bool = True
    logprobs_shift: int = 0
    """By how many places log-probabilities stand before their tokens, as they do with some real servers."""
    top_logprobs: bool = True
    """Whether log-probabilities come with that of the likeliest token at each place."""
    first_tokens: Callable[[str], Mapping[str, float]] | None = None
    """Function from a prompt to the probability of each first token of its answer, which chats then show and write
    alone; for a prompt without any, and without a function, the toy model answers and shows none."""
    most_shown: int = 20
    """Most first tokens that a chat shows."""
    start_token: str = ""
    """Put before every prompt, and shown as a token in echoes."""
    heeds: frozenset[str] = HEEDED
    """Sampling fields that have an effect."""
    refuses: frozenset[str] = frozenset()
    """Names of fields that are refused with status 400."""
    takes: frozenset[str] = frozenset()
    """Names of further fields that are accepted, without effect."""
    takes_system: bool = True
    """Whether a chat may have a system message."""
    thinks_in: str = ""
    """Field of a chat's message that holds all that the model writes, as a thought; empty for `content`."""
    capacity: int | None = None
    """Most requests at once; further ones are answered with status 503. None for no limit."""
    retry_after: str = "1"
    """The header `Retry-After` of the faults `429-retry-after` and `429-retry-date`, in seconds."""
    tls: SSLContext | None = None

    def __post_init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """Number of requests for each path."""
        self.answers: Counter[str] = Counter()
        """Number of answers without a fault for each prompt."""
        self.met: Counter[str] = Counter()
        """Number of requests with each fault."""
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        """Headers of all requests, and bodies of those with one."""
        self.most_in_flight = 0
        self._peers: set[Any] = set()
        self._in_flight = 0
        self._seen: Counter[bytes] = Counter()

    @property
    def url(self) -> str:
        """The address, for `-b base_url`."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    @property
    def connections(self) -> int:
        """Number of connections made."""
        return len(self._peers)

    def __enter__(self) -> Self:
        """Start serving in a background thread."""
        self._background = Background().__enter__()
        self._background.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections and end the thread."""
        self._background.run(self._runner.cleanup())
        self._background.__exit__()

    async def _start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        self.port = int(self._runner.addresses[0][1])

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        self.requests[request.path] += 1
        self.headers.append(request.headers)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._respond(request, await request.read())
        finally:
            self._in_flight -= 1

    async def _respond(self, request: web.BaseRequest, raw: bytes) -> web.StreamResponse:
        if self.capacity is not None and self._in_flight > self.capacity:
            return error(503, "too many requests under way")
        if self.api_key and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return error(401, f"expected the key, got {request.headers.get('Authorization')}")
        fault = self._fault(request.path.encode() + raw)
        await asyncio.sleep(self.latency)
        if fault is not None:
            return await FAULTS[fault](request, self.retry_after)
        return self._answer(request, raw)

    def _fault(self, content: bytes) -> str | None:
        """Return the fault of a request, or None; drawn again when the same content is sent again."""
        if self.requests.total() <= self.fails_after:
            return None
        if self.heals_after is not None and self.met.total() >= self.heals_after:
            return None
        digest = hashlib.sha256(content).digest()
        self._seen[digest] += 1
        drawn = hashlib.sha256(b"%d %d " % (self.seed, self._seen[digest]) + digest).digest()
        place = int.from_bytes(drawn[:8], "big") / 2**64
        for fault, share in self.faults.items():
            place -= share
            if place < 0:
                self.met[fault] += 1
                return fault
        return None

    def _answer(self, request: web.BaseRequest, raw: bytes) -> web.Response:
        path = request.path
        if path == "/v1/models" and self.listed is not None:
            entries = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.listed]
            return web.json_response({"object": "list", "data": entries})
        if path == "/v1/chat/completions" and self.chat:
            return self._complete(json.loads(raw), chat=True)
        if path == "/v1/completions" and self.completions:
            return self._complete(json.loads(raw), chat=False)
        return error(404, "Not Found")

    def _complete(self, body: dict[str, Any], *, chat: bool) -> web.Response:
        self.bodies.append(body)
        for name in sorted(body):
            if name in self.refuses or name not in KNOWN | self.takes:
                remedy = ". Use 'max_completion_tokens' instead" if name == "max_tokens" else ""
                return error(400, f"Unsupported parameter: {name!r}{remedy}", param=name)
        if body["model"] != self.model:
            return error(404, f"The model {body['model']!r} does not exist", code="model_not_found")
        if not self.takes_system and any(m["role"] == "system" for m in body.get("messages", ())):
            return error(400, "This model knows no role but user and assistant")
        messages = [message["content"] for message in body.get("messages", ())]
        prompt = self.start_token + ("\n".join(messages) if chat else body["prompt"])
        self.answers[messages[-1] if chat else body["prompt"]] += 1
        most = body.get("max_tokens", body.get("max_completion_tokens", 16))
        heeded = {name: body[name] for name in self.heeds if name in body}
        first = self.first_tokens(prompt) if chat and self.first_tokens else {}
        choices = [
            self._first_choice(number, first, body, heeded)
            if first
            else self._choice(number, prompt, *self._written(prompt, most, heeded, number), body, chat=chat)
            for number in range(heeded.get("n", 1))
        ]
        usage = {"prompt_tokens": len(toy_model.tokens(prompt)), "completion_tokens": most * len(choices)}
        return web.json_response({"model": self.model, "choices": choices, "usage": usage})

    def _written(
        self, prompt: str, most: int, heeded: Mapping[str, Any], number: int
    ) -> tuple[list[str], str]:
        """Return the words of one choice, up to the first stop string, and its finish reason."""
        seed = None if "seed" not in heeded else f"{heeded['seed']} {number}"
        how = {name: heeded[name] for name in ("temperature", "top_k", "top_p") if name in heeded}
        words = toy_model.write(prompt + self.weights, most, seed=seed, **how)
        text = "".join(words)
        places = [place for stop in heeded.get("stop", ()) if (place := text.find(stop)) >= 0]
        return ([text[: min(places)]], "stop") if places else (words, "length")

    def _first_choice(
        self, number: int, first: Mapping[str, float], body: Mapping[str, Any], heeded: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a chat's choice of one token, with the likeliest tokens at its place if they are asked for."""
        ranked = sorted(first.items(), key=lambda shown: -shown[1])
        drawn = random.Random(f"{heeded.get('seed')} {number}").choices(*zip(*ranked, strict=True))[0]
        token = drawn if heeded.get("temperature", 1) else ranked[0][0]
        choice = {
            "index": number,
            "message": {"role": "assistant", "content": token},
            "finish_reason": "stop",
        }
        if not body.get("logprobs"):
            return choice
        shown = [
            {"token": text, "logprob": math.log(probability), "bytes": None}
            for text, probability in ranked[: min(self.most_shown, body["top_logprobs"])]
        ]
        written = {"token": token, "logprob": math.log(first[token]), "bytes": None, "top_logprobs": shown}
        return {**choice, "logprobs": {"content": [written], "refusal": None}}

    def _choice(
        self,
        number: int,
        prompt: str,
        written: list[str],
        finish: str,
        body: Mapping[str, Any],
        *,
        chat: bool,
    ) -> dict[str, Any]:
        text = "".join(written)
        if chat:
            return {
                "index": number,
                "message": {"role": "assistant", "content": None, self.thinks_in or "content": text},
                "finish_reason": finish,
            }
        echoed = prompt.removeprefix(self.start_token) if body.get("echo") else ""
        choice = {"index": number, "text": echoed + text, "finish_reason": finish, "logprobs": None}
        if body.get("logprobs") and self.logprobs:
            choice["logprobs"] = self._echo_logprobs(echoed, written)
        return choice

    def _echo_logprobs(self, echoed: str, written: list[str]) -> dict[str, Any]:
        """Return the log-probability of every token as OpenAI does: offsets in characters, None for the first token."""
        found = [*([self.start_token] if self.start_token else []), *toy_model.tokens(echoed), *written]
        offsets = [len("".join(found[:i])) for i in range(len(found))]
        of_tokens = self._shifted(toy_model.logprobs(found), -1.0)
        answer = {"tokens": found, "token_logprobs": of_tokens, "text_offset": offsets}
        if self.top_logprobs:
            likeliest = [toy_model.likeliest(before) for before in ["", *found[:-1]]]
            answer["top_logprobs"] = self._shifted([{word: value} for word, value in likeliest], {})
        return answer

    def _shifted(self, values: list[Any], after: object) -> list[Any]:
        return [*values[self.logprobs_shift :], *[after] * min(self.logprobs_shift, len(values))]


def error(status: int, message: str, **more: str) -> web.Response:
    """Return an error in OpenAI's form."""
    return web.json_response({"error": {"message": message, "type": "error", **more}}, status=status)


def main() -> None:
    """Serve until the standard input ends; print the address first, and the counts last."""
    parser = argparse.ArgumentParser(prog="faulty_server", description=main.__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE", help=", ".join(FAULTS))
    parser.add_argument("--fails-after", type=int, default=0, help="requests without faults at the beginning")
    given = parser.parse_args()
    faults = {name: float(share) for name, _, share in (fault.partition("=") for fault in given.fault)}
    with FaultyServer(faults=faults, latency=given.latency, fails_after=given.fails_after) as server:
        print(server.url, flush=True)  # noqa: T201 - the output of the program
        sys.stdin.read()
        counts = {"requests": server.requests.total(), "connections": server.connections}
        print(json.dumps({**counts, "most_in_flight": server.most_in_flight}))  # noqa: T201


if __name__ == "__main__":
    main()
