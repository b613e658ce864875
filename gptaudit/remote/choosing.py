"""Probabilities of an answer's first token, by `/chat/completions` with `logprobs` and `top_logprobs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import exp, fsum
from typing import Any, Final

from pydantic import TypeAdapter

from gptaudit.protocols.choosing import TRIAL, spellings
from gptaudit.records import EMPTY, REFUSED, Choice, ChooseRequest, Failure, Sampling
from gptaudit.remote.faults import RequestFault
from gptaudit.remote.likelihood import ROUNDING
from gptaudit.remote.wire import Manner, read_completion, read_reply, typed
from gptaudit.text import is_blank

MOST_SHOWN: Final = (20, 5)
"""Numbers of likeliest tokens to ask for: OpenAI shows 20 at most, and some servers refuse more than 5."""

FIRST_TOKEN: Final = Sampling(max_new_tokens=1, temperature=1)
"""The temperature is 1, since some servers apply it to the log-probabilities; the token that is drawn is ignored."""

FIRST_GREEDY: Final = replace(FIRST_TOKEN, temperature=0)

SLACK: Final = 1e-3
"""By how much rounded probabilities may exceed 1 together, and their logarithms 0."""

PARTIAL: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class TopToken:
    """A token that may come first, and its log-probability in nats."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token that was written, and the likeliest at its place."""

    token: str
    logprob: float
    top_logprobs: list[TopToken]


@dataclass(frozen=True, slots=True)
class ChatLogprobs:
    """The log-probabilities of a chat choice."""

    content: list[WrittenToken] | None = None


_LOGPROBS: TypeAdapter[ChatLogprobs] = TypeAdapter(ChatLogprobs)


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The likeliest first tokens of an answer, each once; two may have the same text."""

    likeliest: frozenset[TopToken]
    prompt_tokens: int | None = None

    def choice(self, options: Iterable[str]) -> Choice:
        """Return the probabilities of options; raise `RequestFault` if one is shown with two numbers.

        An option is spelled by its text, with or without a space before it. If neither is shown, each is at most as
        likely as the least likely token that is, and both together have at most what the shown ones leave.
        """
        shown = [(top.token, min(1.0, exp(top.logprob))) for top in self.likeliest]
        hidden = min(2 * min(p for _, p in shown), max(0.0, 1 - fsum(p for _, p in shown)))
        least = []
        for option in options:
            spelled = [(text, p) for text, p in shown if text in spellings(option)]
            if len(spelled) > len({text for text, _ in spelled}):
                raise RequestFault("wrong-schema", f"top_logprobs: {option!r} is shown with two numbers")
            least.append(fsum(p for _, p in spelled))
        return Choice(tuple(least), tuple(p or hidden for p in least), self.prompt_tokens)

    def may_begin(self, text: str) -> bool:
        """Return whether one of the likeliest of these tokens begins a text that was written greedily."""
        most = max(top.logprob for top in self.likeliest)
        return any(_begins(text, top.token) for top in self.likeliest if top.logprob >= most - ROUNDING)


def choice_body(manner: Manner, request: ChooseRequest, most: int) -> dict[str, Any]:
    """Return the body of a request for the `most` likeliest tokens at the beginning of a chat's answer."""
    return manner.body(request.prompt, FIRST_TOKEN, 0, logprobs=True, top_logprobs=most)


def read_choice(body: object, request: ChooseRequest, think_end: str) -> Choice | Failure:
    """Return the probabilities of a request's options; see `read_first_token` and `FirstToken.choice`."""
    found = read_first_token(body, think_end)
    return found if isinstance(found, Failure) else found.choice(request.options)


def read_first_token(body: object, think_end: str) -> FirstToken | Failure:
    """Return the likeliest first tokens of an answer; a failure if there is no answer, or a thought stands before it.

    The tokens may stand in any order, since some servers list the one that was written first or last.
    """
    found = read_completion("chat", body, (), think_end, most=FIRST_TOKEN.max_new_tokens)
    if isinstance(found, Failure):
        return found
    if found.refused:
        return REFUSED
    if found.thought:
        raise RequestFault("wrong-schema", "choices.0.message: expected an answer, found a thought before it")
    said = read_reply("chat", body).choices[0].logprobs
    if said is None:
        raise RequestFault(
            "no-log-probabilities", "choices.0.logprobs: expected log-probabilities, found none"
        )
    written = typed(_LOGPROBS, said).content
    if not written:
        if is_blank(found.text):
            return EMPTY
        msg = "choices.0.logprobs.content: expected the tokens of the answer, found none"
        raise RequestFault("wrong-schema", msg)
    return FirstToken(_likeliest(written[0], found.text), found.prompt_tokens)


def check_trial(found: FirstToken | Failure, greedy: str) -> None:
    """Raise `RequestFault` unless the first tokens of the answer to `TRIAL`, which was `greedy`, are to be believed."""
    if isinstance(found, Failure):
        raise RequestFault(found.reason, found.message)
    choice = found.choice(TRIAL.options)
    if not choice.is_likely:
        msg = (
            "the answer to a question with lettered options begins with a letter with probability "
            f"{choice.share:.2f} only"
        )
        raise RequestFault("off-option", msg)
    if not found.may_begin(greedy):
        msg = f"the greedy answer {greedy[:40]!r} does not begin with the likeliest token"
        raise RequestFault("wrong-schema", f"{msg}: the numbers belong to other tokens")


def at_temperature_one(shown: int | RequestFault, sampling: Mapping[str, str]) -> int | RequestFault:
    """Return a fault if the temperature that the probabilities belong to is not known to be 1."""
    if isinstance(shown, RequestFault) or not shown or sampling["temperature"] == "heeded":
        return shown
    return RequestFault("unsupported-sampling", "the server does not apply the temperature")


def _likeliest(written: WrittenToken, text: str) -> frozenset[TopToken]:
    """Return the likeliest tokens at a place; raise `RequestFault` unless they fit the token that was written there."""
    likeliest = frozenset(written.top_logprobs)
    problem = None
    if not likeliest:
        problem = "expected the likeliest tokens, found none"
    elif max(top.logprob for top in likeliest) > SLACK:
        problem = "expected numbers of at most 0"
    elif not (total := fsum(exp(top.logprob) for top in likeliest)) <= 1 + SLACK:
        problem = f"expected probabilities of at most 1 together, found {total:.3f}"
    elif not is_blank(text) and not _begins(text, written.token):
        problem = f"expected the tokens of {text[:40]!r}, found {written.token[:40]!r}"
    elif not _fits(written, likeliest):
        problem = f"the number of {written.token[:40]!r} is not that of the likeliest tokens at its place"
    if problem:
        raise RequestFault("wrong-schema", f"choices.0.logprobs.content.0: {problem}")
    return likeliest


def _fits(written: WrittenToken, likeliest: Iterable[TopToken]) -> bool:
    """Return whether a token has the number with which it is listed, or one that is too small to be listed."""
    listed = [top.logprob for top in likeliest if top.token == written.token]
    if not listed:
        return written.logprob <= min(top.logprob for top in likeliest) + ROUNDING
    return any(abs(logprob - written.logprob) <= ROUNDING for logprob in listed)


def _begins(text: str, token: str) -> bool:
    """Return whether a token may be the first of a text; parts of a character pass."""
    word = token.strip()
    return PARTIAL in word or (text.strip().startswith(word) if word else is_blank(text[:1]))
