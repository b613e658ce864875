"""Backend for a model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gptaudit.errors import TargetError
from gptaudit.evidence.plan import digest
from gptaudit.protocols.text_backend import TextBackend
from gptaudit.records import (
    Answer,
    Choice,
    ChooseRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    Request,
    ScoreRequest,
    request_text,
)
from gptaudit.remote.address import Address, find_addresses
from gptaudit.remote.agreement import common_abilities
from gptaudit.remote.asking import Attempts, Pump, Server
from gptaudit.remote.background import Background
from gptaudit.remote.choosing import choice_body, read_choice
from gptaudit.remote.http import Client
from gptaudit.remote.likelihood import likelihood_body, read_likelihood
from gptaudit.remote.limits import Pacing
from gptaudit.remote.probing import PROMPT, Abilities, Prober
from gptaudit.remote.wire import PATHS, read_completion, sample_seed

if TYPE_CHECKING:
    from gptaudit.remote.options import RemoteOptions

log = logging.getLogger("gptaudit")

A = TypeVar("A", bound=Answer)

CHARACTERS_A_TOKEN = 4
"""Estimate for English text; the server's token counts correct it."""


def open_backend(model: str, options: RemoteOptions) -> OpenAIBackend:
    """Probe the abilities of the server and return the backend; raise `TargetError` if it cannot be used."""
    addresses = find_addresses(options, os.environ)
    pacing = Pacing(options.requests_per_minute, options.tokens_per_minute)

    async def probe(address: Address) -> Abilities:
        async with Client(address, options, pacing) as client:
            return await Prober(client, address, model, options).run()

    async def probe_all() -> list[Abilities]:
        return await asyncio.gather(*map(probe, addresses))

    with Background() as background:
        found = dict(zip((a.url for a in addresses), background.run(probe_all()), strict=True))
    for url, abilities in found.items():
        _require_effects(url, abilities, options)
        _say_what_is_doubtful(url, abilities, options)
    return OpenAIBackend(addresses, options, pacing, common_abilities(found))


def _capabilities(abilities: Abilities) -> frozenset[str]:
    chat = {"chat"} if abilities.manner.api == "chat" else set()
    whole = abilities.findings["likelihood_without_context"] == "yes"
    scores = {"score" if whole else "score-after-context"} if abilities.scores else set()
    chooses = {"choose"} if abilities.shows else set()
    return frozenset({"generate"} | chat | scores | chooses)


def _require_effects(url: str, abilities: Abilities, options: RemoteOptions) -> None:
    """Raise `TargetError` for an option that the server takes no notice of."""
    without_context = abilities.findings["likelihood_without_context"]
    if abilities.findings["system_prompt"] == "ignored":
        msg = f"{url}: the system prompt of -b system has no effect; leave it out, or ask with -b api=chat"
        raise TargetError(msg)
    if options.bos and abilities.scores and without_context != "yes":
        msg = f"{url}: the start token of -b bos={options.bos!r} does not work ({without_context}); leave it out"
        raise TargetError(msg)


def _say_what_is_doubtful(url: str, abilities: Abilities, options: RemoteOptions) -> None:
    """Warn where a model may not be the one that was meant, or not be asked as it was meant."""
    model, findings = abilities.manner.model, abilities.findings
    if findings["model_listed"] is False:
        log.warning("%s: the server does not list %r; another model may answer under that name", url, model)
    if findings["length_limit"] == "ignored":
        log.warning("%s: the server ignores %s; longer answers are cut there", url, abilities.manner.limit)
    if options.api == "auto" and findings["chat"] == findings["completions"] == "yes":
        log.warning(
            "%s: the server has chats and completions, and is asked in chats, in the template that it chose: "
            "for a base model add -b api=completions",
            url,
        )


class OpenAIBackend(TextBackend):
    """Sends requests to one or several servers concurrently; opened by `open_backend`.

    One request per sample, each with its own seed, so that a sample does not depend on the others.
    """

    def __init__(
        self, addresses: Sequence[Address], options: RemoteOptions, pacing: Pacing, abilities: Abilities
    ) -> None:
        self._addresses = addresses
        self._options = options
        self._pacing = pacing
        self._manner = abilities.manner
        self._heeded = abilities.heeded
        self._shows = abilities.shows
        self.capabilities = _capabilities(abilities)
        self.samples_as_asked = "temperature" in abilities.heeded
        urls = [address.url for address in addresses]
        self.details = {"base_url": ", ".join(urls), **abilities.findings}
        identity = [
            sorted(urls),
            self._manner.model,
            self._manner.api,
            sorted(self._manner.own),
            options.system,
            options.fold_system,
            options.think_end,
            options.body,
            options.bos,
            dict(abilities.server),
            abilities.findings["answered_as"],
        ]
        self.first_answers = {f"{self._manner.api}: {PROMPT}": abilities.greedy}
        self.fingerprint = f"sha256:{digest(identity)}"

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> list[Completion | Failure]:
        """Return the completions in order; see `stream`."""
        return self._in_order(requests, seed)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Return the log-likelihoods in order; see `stream`."""
        return self._in_order(requests, 0)

    def choose(self, requests: Sequence[ChooseRequest]) -> list[Choice | Failure]:
        """Return the probabilities of the options in order; see `stream`."""
        return self._in_order(requests, 0)

    def stream(self, requests: Iterable[Request], *, seed: int) -> Iterator[tuple[Request, Answer]]:
        """Yield answers in the order of their arrival; see `StreamingBackend.stream`.

        `requests` is read in the caller's thread, each request when it can be sent.
        """
        waiting = iter(requests)
        servers = [Server(address, self._options, self._pacing) for address in self._addresses]
        attempts = Attempts(servers, self._options)
        with Background() as background, ExitStack() as connections:
            for server in servers:
                connections.enter_context(background.entered(server.client))
            pump = Pump(partial(self._answer, attempts, seed), attempts, background)
            while pump.fill(waiting):
                yield from pump.answered()

    def _in_order(self, requests: Sequence[Any], seed: int) -> list[Any]:
        answers = dict(self.stream(dict.fromkeys(requests), seed=seed))
        return [answers[request] for request in requests]

    async def _answer(self, attempts: Attempts, seed: int, request: Request) -> Answer:
        read: Callable[[Any], Answer]
        match request:
            case GenerateRequest():
                if (lacking := self._lacking(request)) is not None:
                    return lacking
                path, most = PATHS[self._manner.api], request.sampling.max_new_tokens
                body = self._manner.body(request.prompt, request.sampling, sample_seed(request, seed))
                stop, think_end = request.sampling.stop, self._options.think_end
                read = partial(read_completion, self._manner.api, stop=stop, think_end=think_end, most=most)
            case ScoreRequest():
                path, most, start = PATHS["completions"], 1, self._options.bos
                body = likelihood_body(self._manner.model, request, start)
                read = partial(read_likelihood, request=request, start_token=start)
            case ChooseRequest():
                path, most = PATHS["chat"], 1
                body = choice_body(self._manner, request, self._shows)
                read = partial(read_choice, request=request, think_end=self._options.think_end)
            case _:
                raise AssertionError(request)
        tokens = len(request_text(request)) / CHARACTERS_A_TOKEN + most

        async def call(client: Client) -> Answer:
            reply = await client.post(path, body, tokens)
            found = self._other_model(reply) or read(reply)
            self._pacing.correct(_used(found, tokens) - tokens)
            return found

        return await attempts(call)

    def _other_model(self, reply: object) -> Failure | None:
        """Return a failure if the answer names another model than the answers to the first requests did."""
        named, expected = reply.get("model") if isinstance(reply, dict) else None, self.details["answered_as"]
        if expected is None or not isinstance(named, str) or named == expected:
            return None
        return Failure("other-model", f"expected an answer of {expected}, got one of {named}")

    def _lacking(self, request: GenerateRequest) -> Failure | None:
        """Return a failure if the server cannot answer a conversation, or not sample as this request asks."""
        if not isinstance(request.prompt, str) and "chat" not in self.capabilities:
            return Failure("no-chat", "the server continues texts; it answers conversations with -b api=chat")
        sampling = request.sampling
        asked = {"top_k": sampling.top_k > 0, "top_p": sampling.top_p < 1}
        lacking = [name for name, is_asked in asked.items() if is_asked and name not in self._heeded]
        if not lacking or not self.samples_as_asked or sampling.temperature == 0:
            return None
        return Failure("unsupported-sampling", f"the server does not apply {' and '.join(lacking)}")


def _used(answer: Answer, estimate: float) -> float:
    """Return the tokens that an answer used; `estimate` if unknown."""
    match answer:
        case Completion(tokens=int(written), prompt_tokens=int(read)):
            return written + read
        case Choice(prompt_tokens=int(read)):
            return read + 1
        case Likelihood():
            return answer.context_tokens + len(answer.token_logprobs) + 1
        case _:
            return estimate
