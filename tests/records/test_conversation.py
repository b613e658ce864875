"""Prompts that are conversations."""

from __future__ import annotations

import pytest

from gptaudit.evidence.plan import REQUEST, request_key
from gptaudit.records import (
    ChooseRequest,
    Completion,
    GenerateRequest,
    Message,
    Sampling,
    folded,
    messages_of,
    prompt_text,
    request_text,
)

USER, ANSWER = Message("user", "Hello"), Message("assistant", "Hi!")


def test_a_text_is_the_users_message():
    """A text becomes the user's message, after the run's system message if there is one."""
    assert messages_of("Hello") == (USER,)
    assert messages_of("Hello", "Be brief.") == (Message("system", "Be brief."), USER)


def test_a_system_message_of_its_own_wins():
    """A probe's own system message replaces the run's."""
    own = (Message("system", "Be long."), USER)

    assert messages_of(own, "Be brief.") == own


def test_the_next_turn():
    """The next turn has the model's answer and the user's next message; the sampling is unchanged."""
    sampling = Sampling(max_new_tokens=7)
    turn = GenerateRequest("Hello", sampling).then(Completion("Hi!", "stop"), "How are you?")

    assert turn == GenerateRequest((USER, ANSWER, Message("user", "How are you?")), sampling)
    assert request_text(turn) == "user: Hello\n\nassistant: Hi!\n\nuser: How are you?"


def test_an_answer_that_was_begun():
    """The model continues it; the next turn has the whole answer. A choice of options cannot be begun."""
    request = GenerateRequest((USER, Message("assistant", "Hi, ")))

    assert request.then(Completion("dear!", "stop"), "Bye.").prompt == (
        USER,
        Message("assistant", "Hi, dear!"),
        Message("user", "Bye."),
    )
    with pytest.raises(ValueError, match="found one of role 'assistant'"):
        ChooseRequest((USER, ANSWER), ("A", "B"))


@pytest.mark.parametrize("prompt", ["Hello", (USER,), (USER, ANSWER, USER), (USER, ANSWER)])
def test_requests_are_kept_as_they_are(prompt):
    """Written as JSON and read again a request is equal, and has the same key."""
    request = GenerateRequest(prompt)
    again = REQUEST.validate_json(REQUEST.dump_json(request))

    assert again == request
    assert request_key(again, 3) == request_key(request, 3)


def test_a_text_is_another_request_than_its_conversation():
    """A base model reads only the text."""
    assert request_key(GenerateRequest("Hello"), 0) != request_key(GenerateRequest((USER,)), 0)


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ((), "at least one message"),
        ((USER, Message("assistant", " ")), "found nothing to continue"),
        ((ANSWER,), "found nothing to continue"),
        ((Message("system", "Be brief."),), "found one of role 'system'"),
        ((USER, Message("system", "Be brief."), USER), "at the beginning alone"),
    ],
)
def test_what_nobody_can_answer(messages, problem):
    """An empty conversation, or one that does not end before the model's turn, raises when it is created."""
    with pytest.raises(ValueError, match=problem):
        GenerateRequest(messages)


def test_an_unknown_role():
    """The roles that chat models know are named."""
    with pytest.raises(ValueError, match="expected one of system, user, assistant, tool, found 'robot'"):
        Message("robot", "Hello")


def test_the_text_of_a_prompt():
    """A conversation is shown with its roles, a text as it is."""
    assert prompt_text("Hello") == "Hello"
    assert prompt_text((Message("tool", "12 °C"),)) == "tool: 12 °C"


class TestFolding:
    def test_the_first_user_s_message(self):
        """System messages stand before the first user's message, which is the only one that changes."""
        messages = (
            Message("system", "Be brief."),
            Message("user", "Three times three?"),
            Message("assistant", "Nine."),
            Message("user", "And four?"),
        )

        assert folded(messages) == (Message("user", "Be brief.\n\nThree times three?"), *messages[2:])

    @pytest.mark.parametrize("roles", [["user"], ["user", "assistant", "user"], ["system"]])
    def test_nothing_to_fold(self, roles):
        """Without a system message, or a user's to hold it, all stays as it is."""
        messages = tuple(Message(role, "Well?") for role in roles)

        assert folded(messages) == messages
