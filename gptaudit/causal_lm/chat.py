"""Rendering of prompts with a tokenizer's chat template."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jinja2 import TemplateError

from gptaudit.errors import TargetError, first_line
from gptaudit.records import Prompt, messages_of


class Chat:
    """Renders prompts as user messages in the chat template of a tokenizer."""

    def __init__(self, tokenizer: Any, system: str = "") -> None:  # noqa: ANN401 - transformers has no typed base
        """Raise `TargetError` if the tokenizer has no template, or its template cannot render the messages."""
        self._tokenizer = tokenizer
        self._system = system
        if not tokenizer.chat_template:
            msg = "chat=true: the tokenizer has no chat template; leave chat out, or save the tokenizer with one"
            raise TargetError(msg)
        try:
            self.render("a")
        except TemplateError as error:
            remedy = "; leave system out" if system else ""
            msg = f"chat=true: the chat template cannot render the messages: {first_line(error)}{remedy}"
            raise TargetError(msg) from None

    def render(self, prompt: Prompt) -> str:
        """Return the full text that the model reads, from the start token to the beginning of its answer.

        Raises `TemplateError` for a conversation that the template cannot render.
        """
        messages = [asdict(message) for message in messages_of(prompt, self._system)]
        rendered = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return str(rendered)
