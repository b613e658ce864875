"""Rendering of prompts with a tokenizer's chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jinja2 import TemplateError

from gptaudit.causal_lm.bounded import bounded
from gptaudit.causal_lm.chat_date import asks_for_date, read_date, with_date
from gptaudit.causal_lm.encoding import EncodedQuestion, Encoder
from gptaudit.errors import TargetError, first_line
from gptaudit.protocols.thinking import opened_thought, tags_of, without_thought
from gptaudit.records import Completion, Failure, Message, Prompt, folded, messages_of

LONGEST = 2**22
"""Characters of the longest rendered prompt; no model reads as many."""
PRINTED_PART = "{'type': 'text', 'text': "
"""How Python prints a part, as a template does that knows contents as texts only."""
BEGUN = "The boat that"
"""Beginning of an answer that is rendered then, to see whether the model can continue one."""
NO_CHAT = Failure("no-chat", "the model continues texts; it answers conversations with -b chat=true")
PROBE = "Which boat came into the harbour first?"
"""Message that is rendered when a template is opened, to see that it is there."""


class Chat:
    """Renders conversations in the chat template of a tokenizer; a text is the user's message.

    A rendered prompt contains the text of every message, or it is a failure.
    """

    def __init__(
        self,
        tokenizer: Any,  # noqa: ANN401 - transformers has no typed base
        system: str = "",
        *,
        fold_system: bool = False,
        date: str = "",
        template: Mapping[str, Any] | None = None,
        think_end: str = "",
    ) -> None:
        """Raise `TargetError` if the tokenizer has no template, or its template cannot render the messages."""
        self._tokenizer = tokenizer
        self._system = system
        self._fold = fold_system
        self._variables = dict(template or {})
        self._think_end = think_end
        if not tokenizer.chat_template:
            msg = "chat=true: the tokenizer has no chat template; leave chat out, or save the tokenizer with one"
            raise TargetError(msg)
        self._template = tokenizer.get_chat_template()
        self.details: dict[str, Any] = {}
        """How prompts are rendered, where it is not the usual way."""
        if fold_system:
            self.details["system"] = "folded into the user's turn"
        if asks_for_date(self._template):
            day = read_date(date)
            self._template = with_date(self._template, day)
            self.details["chat_date"] = day.isoformat()
        elif date:
            msg = f"date={date}: the chat template asks for no date (strftime_now); leave date out"
            raise TargetError(msg)
        if template:
            self.details["template"] = self._variables
        if think_end:
            self.details["think_end"] = think_end
        self._parts = self._needs_parts()
        if self._parts:
            self.details["chat_content"] = "parts"
        self.identity = json.dumps([system, self.details])
        """What decides a rendering, and which part of a text is the answer, beside the tokenizer's files."""
        self.tags = frozenset(tag for pair in tags_of(think_end).items() for tag in pair if tag)
        """What opens and ends a thought."""
        rendered = self.render(PROBE)
        self._opened = opened_thought(rendered, think_end) if isinstance(rendered, str) else ""
        begun = self.render((Message("user", PROBE), Message("assistant", BEGUN)))
        self.continues = not self._opened and isinstance(begun, str) and begun.endswith(BEGUN)
        """Whether an answer can be begun for the model; one that thinks first cannot tell where its answer begins."""

    def render(self, prompt: Prompt) -> str | Failure:
        """Return the full text that the model reads, from the start token to the beginning of its answer.

        Where the prompt ends with that beginning, the text ends with it, and the model continues it.
        """
        messages = messages_of(prompt, self._system)
        return self._rendered(folded(messages) if self._fold else messages, parts=self._parts)

    def contents(self, prompt: Prompt, rendered: str) -> list[tuple[int, int]]:
        """Return the start and end of each message in the rendered prompt, in characters; not of system messages."""
        found = []
        place = 0
        for message in messages_of(prompt, self._system):
            content = message.content.strip()
            place = max(place, rendered.find(content, place))
            if message.role != "system":
                found.append((place, place + len(content)))
            place += len(content)
        return found

    def answer(self, completion: Completion) -> Completion | Failure:
        """Return a completion of a rendered prompt with its thought apart from its text; see `without_thought`."""
        return without_thought(replace(completion, text=self._opened + completion.text), self._think_end)

    def _needs_parts(self) -> bool:
        """Whether the template wants contents as lists of parts, as those of models that see images do."""
        messages = messages_of(PROBE, self._system)
        given = folded(messages) if self._fold else messages
        as_text = self._rendered(given, parts=False)
        if isinstance(as_text, str):
            return False
        if isinstance(self._rendered(given, parts=True), str):
            return True
        alone = [self._rendered(messages_of(PROBE), parts=parts) for parts in (False, True)]
        if len(given) > 1 and any(isinstance(text, str) for text in alone):
            msg = f"system: {as_text.message}; add -b fold_system=true to put it before the user's first message, "
            raise TargetError(f"{msg}or leave system out")
        msg = f"chat=true: {as_text.message}, neither with the content as text nor as a list of parts; leave chat out, "
        raise TargetError(f"{msg}or save the tokenizer with a template that prints each message's content")

    def _rendered(self, messages: Sequence[Message], *, parts: bool) -> str | Failure:
        """Render messages; a failure where the template raises an error, or leaves a message out."""
        given = [
            {"role": m.role, "content": [{"type": "text", "text": m.content}] if parts else m.content}
            for m in messages
        ]
        begun = messages[-1].role == "assistant"
        try:
            text = bounded(
                lambda: self._tokenizer.apply_chat_template(
                    given,
                    chat_template=self._template,
                    tokenize=False,
                    add_generation_prompt=not begun,
                    continue_final_message=begun,
                    **self._variables,
                )
            )
        except TemplateError as error:
            return Failure("template", f"the chat template cannot render the messages: {first_line(error)}")
        except Exception as error:  # noqa: BLE001 - a template may do all that Python can fail at
            said = f"{type(error).__name__}: {first_line(error)}"
            return Failure("template", f"the chat template cannot render the messages: {said}")
        if parts and PRINTED_PART in text:
            return Failure("template", "the chat template prints the list of parts itself")
        if len(text) > LONGEST:
            return Failure("template", f"the chat template writes more than {LONGEST:,} characters")
        left_out = _left_out(messages, str(text))
        if left_out is not None:
            message = f"the chat template leaves out the text of a message of role {left_out.role!r}"
            return Failure("template-dropped-message", message)
        return str(text)


def encoded_question(
    encoder: Encoder, chat: Chat | None, prompt: Prompt, target: str, foil: str | None
) -> tuple[str, EncodedQuestion] | Failure:
    """Return the text that the model reads, and the question of what in it speaks for the target.

    With a chat, target and foil are how the answer begins.
    """
    if chat is not None:
        text = chat.render(prompt)
        if isinstance(text, Failure):
            return text
        question = encoder.question(text, target, foil, chat.contents(prompt, text))
    elif isinstance(prompt, str):
        text = prompt
        question = encoder.question(text, target, foil)
    else:
        return NO_CHAT
    return question if isinstance(question, Failure) else (text, question)


def _left_out(messages: Sequence[Message], text: str) -> Message | None:
    """Return the first message whose text is not in the rendered one.

    A message's text may be that of another one, so each is looked for after the message before it. A system message
    may stand anywhere: some templates put it before the user's last message.
    """
    place = 0
    for message in messages:
        content = message.content.strip()
        found = text.find(content, 0 if message.role == "system" else place)
        if found < 0:
            return message
        if message.role != "system":
            place = found + len(content)
    return None
