"""Probing of a server's abilities with about fourteen short requests."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gptaudit.protocols.choosing import TRIAL
from gptaudit.records import Failure, Prompt, Sampling, ScoreRequest
from gptaudit.remote.choosing import (
    FIRST_GREEDY,
    MOST_SHOWN,
    at_temperature_one,
    check_trial,
    choice_body,
    read_first_token,
)
from gptaudit.remote.faults import NotHttpError, RequestFault
from gptaudit.remote.likelihood import (
    PromptToken,
    likeliest_share,
    likelihood_body,
    moving,
    prompt_tokens,
    read_likelihood,
)
from gptaudit.remote.opening import opening_error, system_error
from gptaudit.remote.persistence import persist
from gptaudit.remote.sampling_checks import SampledTexts, entry_of, ids_of
from gptaudit.remote.wire import NEUTRAL, PATHS, Api, Manner, Reply, allowed, choice_text, read_reply, used

if TYPE_CHECKING:
    from gptaudit.remote.address import Address
    from gptaudit.remote.http import Client
    from gptaudit.remote.options import RemoteOptions

T = TypeVar("T")

PROMPT: Final = "Once there was a lighthouse keeper who"
CONTINUATION: Final = " stood at the window"
OTHER: Final = ", so they say, could not read"
GREEDY: Final = Sampling(max_new_tokens=12, temperature=0)
WILD: Final = Sampling(max_new_tokens=12, temperature=2)
ABOUT_TOKENS: Final = 24
"""Estimated tokens of one of these requests, for the rate limit."""

ODD: Final = frozenset({"invalid-utf8", "not-json", "wrong-schema", "too-large"})
"""Faults that an audit counts as failures; here they are retried, since a finding must not depend on one."""

REFUSED: Final = frozenset({"refused-by-server", "error-in-answer"})
_SYSTEM: Final = re.compile(r"system.{0,3}(role|message|prompt|instruction)", re.IGNORECASE)
"""What servers say that refuse a system message with another status than 4xx."""

LEAST_LIKELIEST: Final = 0.25
"""Least share of the tokens of a greedy text that must be the likeliest at their places; the rest is for rounding."""

KEPT: Final = frozenset({401, 402, 403, 429})
"""Statuses that say nothing of the endpoint: another one would be refused for the same reason."""
ABSENT: Final = frozenset({404, 405, 501})
"""Statuses of an endpoint that a server lacks."""

FOLDED: Final = "folded into the user's turn"

OPTIONAL_BACKOFF = 0.1
"""Seconds before an optional ability is tried again: usually the server lacks it, and is not overloaded."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server supports, as far as the first requests showed."""

    manner: Manner
    scores: bool
    shows: int
    """How many of the likeliest first tokens of a chat's answer it shows; 0 if none that are to be believed."""
    greedy: tuple[str, ...]
    """The distinct completions of `PROMPT` at temperature 0, asked twice: one if the server repeats itself."""
    heeded: frozenset[str] = frozenset()
    """Sampling fields that the server was seen to apply."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """The server's description of the model, without fields that change from call to call."""
    findings: Mapping[str, Any] = field(default_factory=dict)
    """All of this for the results, as JSON."""


@dataclass(frozen=True, slots=True)
class Echo:
    """The tokens of a text with their log-probabilities, and the body that has them."""

    tokens: list[PromptToken]
    body: object


@dataclass(frozen=True, slots=True)
class Scored:
    """What the log-probabilities of a few texts showed."""

    without_context: str
    """Whether a text without context has them: `yes`, or why not."""
    likeliest: float | None
    """Share of the tokens of a greedy text that are the likeliest at their places; None if the server does not say."""


class Prober:
    """Finds out what a server supports."""

    def __init__(self, client: Client, address: Address, model: str, options: RemoteOptions) -> None:
        self._client = client
        self._address = address
        self._model = model
        self._options = options

    async def run(self) -> Abilities:
        """Return the abilities; raise `TargetError` if the server returns no completion."""
        begun = time.monotonic()
        first: Api = "completions" if self._options.api == "completions" else "chat"
        patience = self._options if first == "completions" else self._less
        text = asyncio.ensure_future(self._greedy(self._manner("completions"), patience))
        chosen = text if first == "completions" else self._greedy(self._manner("chat"), self._options)
        models = self._optionally(lambda: self._client.get("/models"))
        listed, found, continued = await asyncio.gather(models, chosen, text)
        chat = "not asked" if first == "completions" else _yes_or_why(found)
        if isinstance(found, RequestFault) and first == "chat":
            found = await self._without_chat(found)
        if isinstance(found, RequestFault):
            raise opening_error(found, self._address, self._model, ids_of(listed), time.monotonic() - begun)
        manner, reply = found
        greedy = choice_text(reply.choices[0])
        sampling, scored, shown, again = await asyncio.gather(
            self._sampling(manner, greedy),
            self._scored(continued),
            self._shown(manner),
            self._texts(manner, GREEDY, 1),
        )
        scored, shown = _doubted(scored, sampling), at_temperature_one(shown, sampling)
        shows = 0 if isinstance(shown, RequestFault) else shown
        entry = entry_of(listed, self._model)
        findings = {
            "api": manner.api,
            "chat": chat,
            "completions": _yes_or_why(continued),
            "log_probabilities": _yes_or_why(scored),
            "likelihood_without_context": scored.without_context if isinstance(scored, Scored) else "no",
            "probabilities_of_letters": "not asked" if manner.api == "completions" else _yes_or_why(shown),
            "top_logprobs": shows,
            "system_prompt": await self._system_prompt(manner, reply),
            **({"system": FOLDED} if manner.api == "chat" and manner.fold_system else {}),
            "repeats_itself": _repeats(greedy, again),
            **sampling,
            "length_limit": "heeded" if allowed(reply, GREEDY.max_new_tokens) is None else "ignored",
            "own_defaults": sorted(manner.own),
            "model_listed": self._model in ids_of(listed) if ids_of(listed) else None,
            "answered_as": reply.model if isinstance(reply.model, str) else None,
            "server": entry,
        }
        refused = {name for name, finding in sampling.items() if finding == "refused"}
        manner = replace(manner, refused=manner.refused | refused)
        heeded = frozenset(name for name, finding in sampling.items() if finding == "heeded")
        scores = not isinstance(scored, RequestFault)
        greedily = tuple(dict.fromkeys([greedy, *([] if isinstance(again, RequestFault) else again)]))
        return Abilities(manner, scores, shows, greedily, heeded, entry, findings)

    async def _without_chat(self, fault: RequestFault) -> tuple[Manner, Reply] | RequestFault:
        """Ask for the completion of a text instead; raise `TargetError` if chats fail by their system message only."""
        if await self._takes_no_system_message(fault):
            raise system_error(fault, self._address)
        if self._options.api != "auto" or fault.status is None or fault.status in KEPT or fault.status < 400:
            return fault
        found = await self._greedy(self._manner("completions"), self._options)
        return fault if isinstance(found, RequestFault) and fault.status not in ABSENT else found

    def _manner(self, api: Api) -> Manner:
        options = self._options
        given = frozenset(NEUTRAL).intersection(options.body)
        return Manner(self._model, api, options.system, own=given, fold_system=options.fold_system)

    async def _takes_no_system_message(self, fault: RequestFault) -> bool:
        """Return whether a fault of a chat is due to its system message: without it, the server answers."""
        if not self._options.system or self._options.fold_system:
            return False
        if fault.reason not in REFUSED and not _SYSTEM.search(fault.message):
            return False
        without = await self._greedy(replace(self._manner("chat"), system_prompt=""), self._options)
        return not isinstance(without, RequestFault)

    async def _greedy(self, manner: Manner, options: RemoteOptions) -> tuple[Manner, Reply] | RequestFault:
        """Ask for a greedy completion, leaving out, one by one, the fields that the server refuses."""
        while True:
            asked = partial(self._complete, manner, GREEDY, 1)
            try:
                return manner, await self._persist(asked, options)
            except RequestFault as fault:
                other = manner.without_cause(fault)
                if other is None:
                    return fault
                manner = other

    async def _scored(self, continued: tuple[Manner, Reply] | RequestFault) -> Scored | RequestFault:
        """Ask for the log-probabilities of texts, and see whether they are those of their tokens.

        One of the texts is the greedy continuation of `PROMPT`.
        """
        if isinstance(continued, RequestFault):
            return continued
        greedy = choice_text(continued[1].choices[0])
        one = await self._echoed(ScoreRequest(PROMPT, CONTINUATION))
        other = await self._echoed(ScoreRequest(PROMPT, greedy if greedy.strip() else OTHER))
        if isinstance(one, RequestFault):
            return one
        if isinstance(other, RequestFault):
            return other
        fault = moving(PROMPT, one.tokens, other.tokens)
        if fault is not None:
            return fault
        share = likeliest_share(other.body, PROMPT + greedy, len(PROMPT)) if greedy.strip() else None
        added = one.tokens[0].begin < 0
        return Scored("yes" if added else await self._without_context(), share)

    async def _without_context(self) -> str:
        """Return whether a text without context has likelihoods where the server shows no start token of its own."""
        if not self._options.bos:
            return "no: the server shows no start token"
        return _yes_or_why(await self._echoed(ScoreRequest("", CONTINUATION)))

    async def _echoed(self, request: ScoreRequest) -> Echo | RequestFault:
        """Ask for the log-probabilities of a text."""
        start = self._options.bos
        body = likelihood_body(self._model, request, start)

        async def call() -> Echo:
            found = await self._client.post(PATHS["completions"], body, ABOUT_TOKENS)
            likelihood = read_likelihood(found, request, start)
            if isinstance(likelihood, Failure) or likelihood.logprob >= 0:
                raise RequestFault("wrong-schema", "token_logprobs: expected numbers below 0")
            return Echo(prompt_tokens(found, body["prompt"]), found)

        return await self._optionally(call)

    async def _shown(self, manner: Manner) -> int | RequestFault:
        """Find out how many of the likeliest first tokens of an answer the server shows, 0 without chats.

        They are believed if most of their probability lies on the letters of a question with lettered options, and
        the likeliest is what the server writes greedily.
        """
        if manner.api != "chat":
            return 0
        greedy = await self._optionally(lambda: self._complete(manner, FIRST_GREEDY, 1, TRIAL.prompt))
        if isinstance(greedy, RequestFault):
            return greedy
        written, (most, fewer) = choice_text(greedy.choices[0]), MOST_SHOWN
        shown = await self._trial(manner, written, most)
        refused = isinstance(shown, RequestFault) and shown.reason in REFUSED
        return await self._trial(manner, written, fewer) if refused else shown

    async def _trial(self, manner: Manner, greedy: str, most: int) -> int | RequestFault:
        """Return `most` if the server shows so many of the likeliest first tokens of the answer to `TRIAL`."""

        async def call() -> int:
            found = await self._client.post(PATHS["chat"], choice_body(manner, TRIAL, most), ABOUT_TOKENS)
            check_trial(read_first_token(found, self._options.think_end), greedy)
            return most

        return await self._optionally(call)

    async def _sampling(self, manner: Manner, greedy: str) -> dict[str, str]:
        """Find out which sampling fields have an effect; a field counts as heeded only if the effect was seen."""
        stop = (greedy[len(greedy) // 2 :][:3],) if len(greedy) > 3 else ()
        first, again, other, top_k, top_p, repeated = await asyncio.gather(
            self._texts(manner, WILD, 1),
            self._texts(manner, WILD, 1),
            self._texts(manner, WILD, 2, n=2),
            self._texts(manner, replace(WILD, top_k=1), 3),
            self._texts(manner, replace(WILD, top_p=0.001), 4),
            self._texts(manner, replace(GREEDY, stop=stop), 5),
        )
        n = "refused" if isinstance(other, RequestFault) else "heeded" if len(other) == 2 else "ignored"
        if isinstance(other, RequestFault):
            other = await self._texts(manner, WILD, 2)
        refused = manner.refused
        if isinstance(repeated, RequestFault) and stop:
            if repeated.reason in REFUSED:
                refused = refused | {"stop"}
            stop = ()
            repeated = await self._texts(manner, GREEDY, 5)
        texts = SampledTexts(greedy, stop, first, again, other, top_k, top_p, repeated)
        return {"n": n, **texts.findings(refused)}

    async def _texts(
        self, manner: Manner, sampling: Sampling, seed: int, **more: int
    ) -> list[str] | RequestFault:
        reply = await self._optionally(lambda: self._complete(manner, sampling, seed, **more))
        return reply if isinstance(reply, RequestFault) else [choice_text(choice) for choice in reply.choices]

    async def _system_prompt(self, manner: Manner, with_it: Reply) -> str:
        """Find out whether the system prompt, if one is given, is applied: it must change the prompt's length.

        It may make it shorter, where it takes the place of a longer system message of the template's own.
        """
        if not manner.system_prompt:
            return "not asked"
        if manner.api != "chat":
            return "ignored"
        without = await self._optionally(lambda: self._complete(replace(manner, system_prompt=""), GREEDY, 1))
        counts = [
            used(r.usage, "prompt_tokens") for r in (with_it, without) if not isinstance(r, RequestFault)
        ]
        if len(counts) < 2 or counts[0] is None or counts[1] is None:
            return "unknown"
        return "heeded" if counts[0] != counts[1] else "ignored"

    async def _complete(
        self, manner: Manner, sampling: Sampling, seed: int, prompt: Prompt = PROMPT, /, **more: int
    ) -> Reply:
        """Ask for completions of a prompt, in one attempt."""
        body = manner.body(prompt, sampling, seed, **more)
        found = await self._client.post(PATHS[manner.api], body, ABOUT_TOKENS)
        return read_reply(manner.api, found, most=more.get("n", 1))

    async def _optionally(self, call: Callable[[], Awaitable[T]]) -> T | RequestFault:
        try:
            return await self._persist(call, self._less)
        except RequestFault as fault:
            return fault

    @property
    def _less(self) -> RemoteOptions:
        """The options for what a server may lack."""
        return replace(self._options, backoff=min(self._options.backoff, OPTIONAL_BACKOFF))

    async def _persist(self, call: Callable[[], Awaitable[T]], options: RemoteOptions) -> T:
        return await persist(call, options, retried=_may_pass, seconds=options.give_up_after)


def _doubted(scored: Scored | RequestFault, sampling: Mapping[str, str]) -> Scored | RequestFault:
    """Return a fault if tokens that the model wrote greedily, as it can, are not the likeliest at their places."""
    if isinstance(scored, RequestFault) or scored.likeliest is None or sampling["temperature"] != "heeded":
        return scored
    if scored.likeliest >= LEAST_LIKELIEST:
        return scored
    msg = f"token_logprobs: {scored.likeliest:.0%} of the tokens that were written greedily are the likeliest there"
    return RequestFault("wrong-schema", f"{msg}: the numbers belong to other tokens")


def _repeats(greedy: str, again: list[str] | RequestFault) -> str:
    """Return whether the server answered the same greedy request twice alike: yes, no or unknown."""
    return "unknown" if isinstance(again, RequestFault) else "yes" if again == [greedy] else "no"


def _may_pass(fault: RequestFault) -> bool:
    return (fault.transient or fault.reason in ODD) and not isinstance(fault, NotHttpError)


def _yes_or_why(found: object) -> str:
    return f"no: {found.reason}: {found}" if isinstance(found, RequestFault) else "yes"
