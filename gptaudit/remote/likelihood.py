"""Log-likelihoods by `/completions` with `echo`: the server returns the log-probability of each prompt token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from pydantic import TypeAdapter

from gptaudit.records import Failure, Likelihood, ScoreRequest
from gptaudit.remote.faults import RequestFault
from gptaudit.remote.wire import Logprobs, TextReply, read_reply, typed
from gptaudit.text import well_formed

ROUNDING = 0.1
"""Nats by which a server's numbers for one token may differ between two requests: batches differ in their rounding."""

_LOGPROBS: TypeAdapter[Logprobs] = TypeAdapter(Logprobs)
_LIKELIEST: TypeAdapter[list[dict[str, float] | None] | None] = TypeAdapter(
    list[dict[str, float] | None] | None
)


def likelihood_body(model: str, request: ScoreRequest, start_token: str) -> dict[str, Any]:
    """Return the body of a request for the log-probabilities of the prompt.

    One token is generated and ignored, since not every server accepts 0. The temperature is 1, since some servers apply
    it to the log-probabilities.
    """
    prompt = _start(request, start_token) + request.context + request.continuation
    return {
        "model": model,
        "prompt": prompt,
        "max_tokens": 1,
        "temperature": 1.0,
        "logprobs": 1,
        "echo": True,
    }


def read_likelihood(body: object, request: ScoreRequest, start_token: str) -> Likelihood | Failure:
    """Return the log-likelihood of the continuation.

    The continuation's tokens are those with an offset at or after its first character; spaces between context and
    continuation belong to the continuation, as for local models. The first token of a prompt has no log-probability,
    since no token precedes it. If it belongs to the continuation, the likelihood is unknown, unless the server puts a
    start token before it.
    """
    start = _start(request, start_token)
    tokens = prompt_tokens(body, start + request.context + request.continuation)
    boundary = len(start + request.context.rstrip())
    before = sum(token.begin < boundary for token in tokens)
    logprobs = [token.logprob for token in tokens[before:]]
    if not logprobs:
        return Failure("no-tokens", "no token of the continuation begins after the context")
    if before == 0:
        msg = "no token precedes the first one; give the model's start token: -b bos=TEXT"
        return Failure("no-start-token", msg)
    known = tuple(logprob for logprob in logprobs if logprob is not None and logprob <= 0)
    if len(known) < len(logprobs):
        raise RequestFault(
            "wrong-schema", "token_logprobs: expected numbers of at most 0 after the first token"
        )
    texts = tuple(well_formed(token.text) for token in tokens[before:]) if request.with_tokens else None
    return Likelihood(known, fsum(known), before, tokens=texts)


def moving(prompt: str, one: Sequence[PromptToken], other: Sequence[PromptToken]) -> RequestFault | None:
    """Return a fault if the log-probabilities of a prompt's tokens change with the text that follows it.

    Some servers give each token the number of the next one: then that of the prompt's last token changes.
    """
    for a, b in zip(one, other, strict=False):
        if a.text != b.text or a.end > len(prompt):
            break
        if a.logprob is not None and b.logprob is not None and abs(a.logprob - b.logprob) > ROUNDING:
            found = f"{a.logprob:.2f} before one text and {b.logprob:.2f} before another"
            return RequestFault(
                "wrong-schema", f"token_logprobs: {a.text!r} has {found}: the numbers belong to other tokens"
            )
    return None


def likeliest_share(body: object, prompt: str, begin: int) -> float | None:
    """Return the share of the tokens from a character on that are the likeliest at their places; None if unknown."""
    try:
        shown = typed(_LIKELIEST, _logprobs(body).top_logprobs) or []
    except RequestFault:  # what is no list of likeliest tokens says nothing of them
        return None
    found = [
        token.logprob >= max(top.values()) - ROUNDING
        for token, top in zip(prompt_tokens(body, prompt), shown, strict=False)
        if token.begin >= begin and token.logprob is not None and top
    ]
    return sum(found) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class PromptToken:
    """A token that the server echoed."""

    text: str
    begin: int
    """Its offset in the prompt, in characters; -1 for a start token that the server added."""
    logprob: float | None

    @property
    def end(self) -> int:
        """Offset of its end."""
        return self.begin + len(self.text)

    def stands_in(self, prompt: str) -> bool:
        """Return whether `prompt` has it at its offset; U+FFFD and `bytes:` mark incomplete characters, which pass."""
        partial = "\N{REPLACEMENT CHARACTER}" in self.text or self.text.startswith("bytes:")
        return self.begin >= 0 and (partial or prompt.startswith(self.text, self.begin))


def prompt_tokens(body: object, prompt: str) -> list[PromptToken]:
    """Return the tokens of the prompt; raise `RequestFault` if the offsets do not fit the prompt.

    A start token added by the server shifts the offsets by its length. The prompt must have each token at its offset,
    and the tokens must cover the whole prompt; otherwise the server's offsets mean something else.
    """
    said = _logprobs(body)
    added = not PromptToken(said.tokens[0], 0, None).stands_in(prompt)
    shift = said.text_offset[min(1, len(said.tokens) - 1)] if added else 0
    tokens = [
        PromptToken(text, offset - shift, logprob)
        for text, offset, logprob in zip(said.tokens, said.text_offset, said.token_logprobs, strict=True)
        if offset - shift < len(prompt)
    ][added:]
    end = begin = 0
    for token in tokens:
        if not begin <= token.begin <= end or not token.stands_in(prompt):
            msg = (
                f"text_offset: the token {token.text[:40]!r} is not at character {token.begin} of the prompt"
            )
            raise RequestFault("wrong-schema", msg)
        begin, end = token.begin, max(end, token.end)
    if end < len(prompt) or not tokens:
        raise RequestFault("wrong-schema", "choices.0.logprobs: expected the tokens of the whole prompt")
    return [PromptToken(said.tokens[0], -1, None), *tokens] if added else tokens


def _start(request: ScoreRequest, start_token: str) -> str:
    return "" if request.context.strip() else start_token


def _logprobs(body: object) -> Logprobs:
    reply = read_reply("completions", body)
    if not isinstance(reply, TextReply) or reply.choices[0].logprobs is None:
        raise RequestFault("wrong-schema", "choices.0.logprobs: expected log-probabilities, found none")
    said = typed(_LOGPROBS, reply.choices[0].logprobs)
    if not said.tokens or not len(said.tokens) == len(said.token_logprobs) == len(said.text_offset):
        raise RequestFault(
            "wrong-schema", "choices.0.logprobs: expected three lists of one length, not empty"
        )
    return said
