"""Reading of a server's answers: the model's answer, its thought, its refusal, or an error."""

from __future__ import annotations

import pytest

from gptaudit.records import Completion, Failure
from gptaudit.remote.faults import RequestFault, of_error, of_status
from gptaudit.remote.wire import read_completion


def read(message, finish="stop", stop=(), think_end="", most=100):
    body = {"choices": [{"message": message, "finish_reason": finish}]}
    return read_completion("chat", body, stop, think_end, most=most)


class TestEnds:
    @pytest.mark.parametrize("reason", ["error", "ERROR", "abort", "aborted", "cancelled", "timeout"])
    @pytest.mark.parametrize("api", ["chat", "completions"])
    def test_an_answer_that_broke_off(self, reason, api):
        """What a server could not finish is no answer, however much text came; another attempt may succeed."""
        choice = {"text": "Nine.", "message": {"content": "Nine."}, "finish_reason": reason}
        with pytest.raises(RequestFault, match=rf"finish_reason: '{reason}'") as raised:
            read_completion(api, {"choices": [choice]}, (), "", most=100)
        assert raised.value.reason == "server-error"
        assert raised.value.transient

    @pytest.mark.parametrize(
        ("reason", "finish"),
        [
            *[("stop", "stop"), ("eos_token", "stop"), ("end_turn", "stop"), ("length", "length")],
            *[("max_tokens", "length"), ("MAX_TOKENS", "length"), (None, "unknown"), ("whatever", "unknown")],
        ],
    )
    def test_other_words_for_an_end(self, reason, finish):
        """An answer at its limit is cut off, whatever the server calls it."""
        assert read({"content": "Nine."}, reason) == Completion("Nine.", finish)


class TestThoughts:
    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    def test_fields(self, field):
        """What a server separates stands as the thought, whichever of the two fields it uses."""
        found = read({"content": "Nine.", field: "Three times three."})

        assert found == Completion("Nine.", "stop", thought="Three times three.")

    def test_both_fields(self):
        """A server that sends the same thought in both fields, for older and newer clients, is read once."""
        message = {
            "content": "Nine.",
            "reasoning_content": "Three times three.",
            "reasoning": "Three times three.",
        }

        assert read(message).thought == "Three times three."

    @pytest.mark.parametrize("other", [None, "", {"effort": "low"}, ["summary"]])
    def test_fields_of_another_form(self, other):
        """A field without a text is no thought, and no reason to lose the answer."""
        assert read({"content": "Nine.", "reasoning": other}) == Completion("Nine.", "stop")

    @pytest.mark.parametrize("content", [None, "", "\n"])
    def test_the_budget_is_spent_on_the_thought(self, content):
        """A thought without an answer at the limit of tokens is unfinished; without a limit it is an empty answer."""
        cut = read({"content": content, "reasoning": "Three times"}, "length")
        ended = read({"content": content, "reasoning": "Three times"}, "stop")

        assert cut.reason == "unfinished-thought"
        assert "more tokens" in cut.message
        assert ended == Completion(content or "", "stop", thought="Three times")

    def test_tags_in_the_content(self):
        """A thought in the text is parted from it, unless that is turned off; another end tag may be given."""
        text = "<think>Three times three.</think>\nNine."

        assert read({"content": text}) == Completion("Nine.", "stop", thought="Three times three.")
        assert read({"content": text}, think_end="none") == Completion(text, "stop")
        assert read({"content": "Three times three.##Nine."}, think_end="##").text == "Nine."
        assert read({"content": "<think>Three times"}, "length").reason == "unfinished-thought"

    def test_texts(self):
        """A thought in a completion of a text is none of its answer either."""
        body = {"choices": [{"text": "Three times three.</think>Nine.", "finish_reason": "stop"}]}

        assert read_completion("completions", body, (), "", most=8).text == "Nine."

    def test_stop_strings(self):
        """A stop string ends the answer, and not the thought before it."""
        found = read({"content": "<think>3.\n3 times 3.</think>Nine.\nOr ten."}, "length", stop=("\n",))

        assert found == Completion("Nine.", "stop", thought="3.\n3 times 3.")


class TestRefusals:
    def test_a_refusal_is_the_answer(self):
        """A refusal in a field of its own is what the model answers, and is marked."""
        found = read({"content": None, "refusal": "I would rather not."})

        assert found == Completion("I would rather not.", "stop", refused=True)

    @pytest.mark.parametrize("refusal", [None, ""])
    def test_no_refusal(self, refusal):
        """An empty field is no refusal."""
        assert read({"content": "Nine.", "refusal": refusal}) == Completion("Nine.", "stop")

    def test_a_filtered_answer(self):
        """An answer that a filter cuts off is marked, and kept as far as it came."""
        found = read({"content": "First, take"}, "content_filter")

        assert found == Completion("First, take", "unknown", refused=True)

    @pytest.mark.parametrize(
        "message",
        [
            {"content": None},
            {"content": " "},
            {"content": None, "reasoning": "They want"},
            {"content": "<think>They want"},
        ],
    )
    def test_a_filtered_answer_without_text(self, message):
        """Where the filter lets nothing through, there is no answer."""
        assert read(message, "content_filter") == Failure(
            "content-filter", "the server's filter withheld the answer"
        )

    def test_a_filter_that_refuses(self):
        """A refusal beside the filter's word is the answer."""
        found = read({"content": None, "refusal": "I would rather not."}, "content_filter")

        assert (found.text, found.refused) == ("I would rather not.", True)


def fault(code=None, kind=None, said="too much to do"):
    return of_error(said, code=f"{code} {kind}", parameter="", wait=None)


class TestErrorsWithStatus200:
    @pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
    @pytest.mark.parametrize("form", [int, str])
    def test_a_status_as_the_code(self, status, form):
        """The error is that of its status, and says the same."""
        expected = of_status(status, "too much to do", code="", parameter="", wait=None)
        found = fault(form(status), "error")

        assert (found.reason, found.message, found.status) == (expected.reason, expected.message, status)

    @pytest.mark.parametrize(
        ("code", "kind", "reason"),
        [
            ("overloaded", None, "server-error"),
            (None, "overloaded_error", "server-error"),
            ("server_error", None, "server-error"),
            (None, "InternalServerError", "server-error"),
            ("service_unavailable", None, "server-error"),
            ("rate_limit_exceeded", "requests", "rate-limited"),
            (None, "TooManyRequests", "rate-limited"),
            (None, None, "error-in-answer"),
            ("insufficient_quota", None, "error-in-answer"),
            (50301, None, "error-in-answer"),
            (-1, "invalid_request_error", "error-in-answer"),
            ("content_filter", None, "content-filter"),
            ("context_length_exceeded", None, "context-overflow"),
        ],
    )
    def test_other_codes(self, code, kind, reason):
        """Without a status, the words of code and type decide whether another attempt may succeed."""
        found = fault(code, kind)

        assert found.reason == reason
        assert found.transient == (reason in {"server-error", "rate-limited"})
        assert found.message == "an error with status 200: too much to do"
