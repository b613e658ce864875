"""`replay:FILE.jsonl`: completions recorded elsewhere, one JSON object per line.

    {"prompt": "The harbour", "completion": " was quiet."}
    {"prompt": "The harbour", "completions": [" was busy.", " froze over."]}
    {"messages": [{"role": "user", "content": "How are you?"}], "completion": "Well, thank you."}

Sample number i of a prompt is its i-th recorded completion, counted over the whole file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptaudit.errors import TargetError
from gptaudit.files import parse_json, read_text, user_path
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import Backend, BackendType
from gptaudit.protocols.options import ChatOptions
from gptaudit.protocols.text_backend import CHAT_CAPABILITIES, TextBackend
from gptaudit.records import (
    Completion,
    Failure,
    GenerateRequest,
    Message,
    Prompt,
    Request,
    conversation_problem,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ReplayBackend(TextBackend):
    """Answers from a recording; a request that was not recorded is a failure."""

    def __init__(self, text: str, where: str, *, chat: bool = False) -> None:
        self.fingerprint = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self._where = where
        self._recorded: dict[Prompt, list[str]] = {}
        for prompt, completions in _lines(text, where):
            self._recorded.setdefault(prompt, []).extend(completions)
        conversations = any(not isinstance(prompt, str) for prompt in self._recorded)
        self.capabilities = CHAT_CAPABILITIES if chat or conversations else TextBackend.capabilities
        if not self._recorded:
            msg = f"{where}: expected at least one line with a prompt and its completion, found none"
            raise TargetError(msg)

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> list[Completion | Failure]:  # noqa: ARG002
        """Return the recorded completions."""
        return [self._answer(request) for request in requests]

    def holds(self, request: Request) -> bool:
        """Return whether the recording has this sample of the prompt."""
        if not isinstance(request, GenerateRequest):
            return False
        return request.sample < len(self._recorded.get(request.prompt, []))

    def _answer(self, request: GenerateRequest) -> Completion | Failure:
        recorded = self._recorded.get(request.prompt, [])
        if request.sample < len(recorded):
            return Completion(recorded[request.sample], "unknown")
        message = f"{self._where} has {len(recorded)} completions of this prompt; requested number {request.sample + 1}"
        return Failure("not-recorded", message)


def _lines(text: str, where: str) -> Iterator[tuple[Prompt, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = parse_json(line, where, line=number, error=TargetError)
        yield _prompt_and_completions(record, f"{where}, line {number}")


def _prompt_and_completions(record: object, place: str) -> tuple[Prompt, list[str]]:
    if isinstance(record, dict):
        prompt = (
            record.get("prompt") if "messages" not in record else _conversation(record["messages"], place)
        )
        one, many = record.get("completion"), record.get("completions")
        completions = [one] if many is None else many
        if (
            isinstance(prompt, str | tuple)
            and (one is None) != (many is None)
            and isinstance(completions, list)
            and all(isinstance(text, str) for text in completions)
        ):
            return prompt, completions
    msg = (
        f'{place}: expected {{"prompt": TEXT, "completion": TEXT}} or "completions": [TEXT, ...], '
        f"found {json.dumps(record, ensure_ascii=False)[:120]}"
    )
    raise TargetError(msg)


def _conversation(messages: object, place: str) -> Prompt:
    """Read the messages of a line, as chat APIs write them."""
    from gptaudit.validation import validated

    found = validated(tuple[Message, ...], messages, where=f"{place}, messages", error=TargetError)
    if problem := conversation_problem(found):
        msg = f"{place}, messages: {problem}"
        raise TargetError(msg)
    return found


def open_replay(rest: str, options: ChatOptions) -> Backend:
    """Read the recording."""
    return ReplayBackend(
        read_text(user_path(rest, error=TargetError), error=TargetError), f"replay:{rest}", chat=options.chat
    )


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `replay:`."""
    register(BackendType("replay", "completions recorded in a file", "FILE.jsonl", ChatOptions, open_replay))
