"""Encoding of requests and decoding of answers in OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from gptaudit.evidence.plan import request_key
from gptaudit.protocols.thinking import without_thought
from gptaudit.records import Completion, Failure, GenerateRequest, Prompt, Sampling, folded, messages_of
from gptaudit.remote.faults import RequestFault
from gptaudit.text import is_blank

T = TypeVar("T")

Api: TypeAlias = Literal["chat", "completions"]

PATHS: Final[Mapping[Api, str]] = {"chat": "/chat/completions", "completions": "/completions"}

NEUTRAL: Final[Mapping[str, float]] = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "repetition_penalty": 1.0,
}
"""Values without effect. Servers have others as their defaults: llama.cpp draws from the 40 likeliest tokens only, and
lowers the probability of tokens that were written before, in greedy texts too."""

OPTIONAL: Final = ("seed", "temperature")
"""Fields of every request that a server may refuse."""

FINISHES: Final[Mapping[str, Literal["stop", "length"]]] = {
    **dict.fromkeys(("stop", "eos_token", "stop_sequence", "end_turn"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length"), "length"),
}
"""What OpenAI, and servers with words of their own, call the end of an answer; any other word tells nothing."""

BROKEN: Final = frozenset(
    {"error", "abort", "aborted", "cancelled", "timeout", "insufficient_system_resource"}
)
"""What servers say of an answer that they could not finish: vLLM, OpenRouter, DeepSeek."""

MOST_STOPS = 4
"""OpenAI accepts no more in a request; `cut` applies all of them."""

LONGEST_TOKEN = 128
"""Characters of the longest tokens of known vocabularies, which are of spaces."""
COUNTED_APART = 8
"""Tokens that a server may count beyond the limit, such as those that end an answer or mark its parts."""
MOST_TOKENS = 2**53
"""A larger count of tokens is no count: not every reader of JSON can tell it from the next."""

# --- answers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """The message of a chat choice."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def thought(self) -> str:
        """The thought that the server separated from the content; servers use either field."""
        return next((t for t in (self.reasoning_content, self.reasoning) if t and isinstance(t, str)), "")


@dataclass(frozen=True, slots=True)
class ChatChoice:
    """One choice of a chat reply."""

    message: Message
    finish_reason: str | None = None
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The body of `/chat/completions`."""

    choices: list[ChatChoice]
    usage: Any = None
    model: Any = None


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Log-probabilities of the tokens of a text; the first token has none."""

    tokens: list[str]
    token_logprobs: list[float | None]
    text_offset: list[int]
    top_logprobs: Any = None


@dataclass(frozen=True, slots=True)
class TextChoice:
    """One choice of a text reply."""

    text: str
    finish_reason: str | None = None
    logprobs: Any = None

    @property
    def message(self) -> Message:
        """The text as a chat choice has it."""
        return Message(self.text)


@dataclass(frozen=True, slots=True)
class TextReply:
    """The body of `/completions`."""

    choices: list[TextChoice]
    usage: Any = None
    model: Any = None


Reply: TypeAlias = ChatReply | TextReply

REPLIES: Final[Mapping[Api, TypeAdapter[Any]]] = {
    "chat": TypeAdapter(ChatReply),
    "completions": TypeAdapter(TextReply),
}


def typed(adapter: TypeAdapter[T], body: object) -> T:
    """Return a validated body; raise `RequestFault` naming the first field that is wrong."""
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole answer"
        raise RequestFault("wrong-schema", f"{place}: {first['msg']}") from None


def read_reply(api: Api, body: object, *, most: int = 1) -> Reply:
    """Return the reply, with 1 to `most` choices; raise `RequestFault` for another body or a broken answer."""
    reply: Reply = typed(REPLIES[api], body)
    if not 1 <= len(reply.choices) <= most:
        msg = f"choices: expected {most}, found {len(reply.choices)}"
        raise RequestFault("wrong-schema", msg)
    for choice in reply.choices:
        if (choice.finish_reason or "").lower() in BROKEN:
            msg = f"finish_reason: {choice.finish_reason!r}: the server gave up in the middle of the answer"
            raise RequestFault("server-error", msg)
    return reply


def choice_text(choice: ChatChoice | TextChoice) -> str:
    """Return all that the model wrote: its thought, and its answer."""
    return choice.message.thought + (choice.message.content or "")


def read_completion(
    api: Api, body: object, stop: tuple[str, ...], think_end: str, *, most: int
) -> Completion | Failure:
    """Return the single completion of a body: its answer cut before the first stop string, and its thought.

    An answer of more than `most` tokens, of a server that ignores the limit, is cut there and counts as one that ends
    at its limit.
    """
    reply = read_reply(api, body)
    choice = reply.choices[0]
    message, filtered = choice.message, choice.finish_reason == "content_filter"
    said = message.refusal or message.content or ""
    room = allowed(reply, most)
    written = Completion(
        said if room is None else said[: max(0, room - len(message.thought))],
        _finish(choice.finish_reason) if room is None else "length",
        used(reply.usage, "completion_tokens"),
        used(reply.usage, "prompt_tokens"),
        thought=message.thought if room is None else message.thought[:room],
        refused=filtered or bool(message.refusal),
    )
    found = without_thought(written, think_end)
    if filtered and (isinstance(found, Failure) or is_blank(found.text)):
        return Failure("content-filter", "the server's filter withheld the answer")
    if isinstance(found, Failure) or (text := cut(found.text, stop)) == found.text:
        return found
    return replace(found, text=text, finish="stop")


def _finish(reason: str | None) -> Literal["stop", "length", "unknown"]:
    return FINISHES.get((reason or "").lower(), "unknown")


def cut(text: str, stop: tuple[str, ...]) -> str:
    """Cut a text before the first stop string in it, for servers that do not apply `stop`.

    cut("one. two.", (".",)) == "one"
    """
    places = [place for string in stop if string and (place := text.find(string)) >= 0]
    return text[: min(places)] if places else text


def used(usage: object, name: str) -> int | None:
    """Return a token count that the server reports; None if it does not."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and 0 <= count < MOST_TOKENS else None


def allowed(reply: Reply, most: int) -> int | None:
    """Return how many characters of an answer `most` tokens can have written; None if it has no more than those."""
    written, tokens = len(choice_text(reply.choices[0])), used(reply.usage, "completion_tokens")
    if tokens is not None and tokens > most + COUNTED_APART:
        return min(written * most // tokens, most * LONGEST_TOKEN)
    return most * LONGEST_TOKEN if written > most * LONGEST_TOKEN else None


# --- requests ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manner:
    """The form of completion requests that a server accepts."""

    model: str
    api: Api
    system_prompt: str = ""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    refused: frozenset[str] = frozenset()
    """Fields that the server refuses."""
    own: frozenset[str] = frozenset()
    """Fields of `NEUTRAL` that are not sent, so that the server's own defaults apply."""
    fold_system: bool = False
    """Whether system messages are put before the text of the first user's message."""

    def body(self, prompt: Prompt, sampling: Sampling, seed: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the body of a request, without the fields that the server refuses."""
        drawn = sampling.temperature > 0
        fields = {
            "temperature": sampling.temperature,
            "seed": seed,
            **{name: value for name, value in NEUTRAL.items() if name not in self.own},
            **({"top_p": sampling.top_p} if drawn and sampling.top_p < 1 else {}),
            **({"top_k": sampling.top_k} if drawn and sampling.top_k else {}),
            **({"stop": sampling.stop[:MOST_STOPS]} if sampling.stop else {}),
            **more,
        }
        return {
            "model": self.model,
            **self._prompt(prompt),
            self.limit: sampling.max_new_tokens,
            **{name: value for name, value in fields.items() if name not in self.refused},
        }

    def without_cause(self, fault: RequestFault) -> Manner | None:
        """Return the form without the field that the server refused; None if the cause is something else."""
        if fault.reason != "refused-by-server":
            return None
        if "max_completion_tokens" in fault.message and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens")
        own = {name for name in NEUTRAL if name == fault.parameter or name in fault.message} - self.own
        if own:
            return replace(self, own=self.own | own)
        named = (name for name in OPTIONAL if name == fault.parameter or name in fault.message)
        name = next((name for name in named if name not in self.refused), None)
        return replace(self, refused=self.refused | {name}) if name else None

    def _prompt(self, prompt: Prompt) -> dict[str, Any]:
        if self.api == "completions":
            return {"prompt": prompt}
        messages = messages_of(prompt, self.system_prompt)
        given = folded(messages) if self.fold_system else messages
        return {"messages": [asdict(message) for message in given]}


def sample_seed(request: GenerateRequest, seed: int) -> int:
    """Return the 31-bit seed of one sample; a server that applies seeds draws the same sample again."""
    return int(request_key(request, seed)[:8], 16) >> 1
