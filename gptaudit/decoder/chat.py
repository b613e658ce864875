"""Chat format: the text that instruct tuning trains on and that chat prompts are rendered to."""

from __future__ import annotations

from typing import Any

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message.role == 'system' %}{{ 'System:\n' + message.content + '\n' }}"
    "{% elif message.role == 'user' %}{{ 'User:\n' + message.content + '\n' }}"
    "{% else %}{{ 'Assistant:\n' + message.content + eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)
"""Jinja, for `tokenizer.chat_template`; it contains the special tokens, so encode the text without adding any."""

ASSISTANT = "Assistant:\n"
"""What an answer follows."""


def render_prompt(prompt: str, start: str) -> str:
    r"""Format a user's message as `CHAT_TEMPLATE` does, up to where the answer begins.

    `start` is the tokenizer's start token. The answer follows without a space and ends with the end token.

    ```python
    render_prompt("Hello", "<|endoftext|>")   # "<|endoftext|>User:\nHello\nAssistant:\n"
    ```
    """
    return f"{start}User:\n{prompt}\n{ASSISTANT}"


def last_answer(conversation: str) -> tuple[str, str]:
    r"""Divide a conversation in chat format where its last answer begins.

    ```python
    last_answer("User:\nHello\nAssistant:\nHi")   # ("User:\nHello\nAssistant:\n", "Hi")
    ```
    """
    before, begins, answer = conversation.rpartition(ASSISTANT)
    return before + begins, answer


def encode_exchange(tokenizer: Any, prompt: str, response: str) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """Encode a prompt in chat format, and the response followed by the end token."""
    before = tokenizer(render_prompt(prompt, tokenizer.bos_token), add_special_tokens=False).input_ids
    after = tokenizer(response, add_special_tokens=False).input_ids
    return list(before), [*after, tokenizer.eos_token_id]
