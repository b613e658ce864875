"""Log-likelihoods through echoed prompts equal what the model is known to say, or are not given at all."""

from __future__ import annotations

import pytest

from gptaudit.backends.openai import open_openai
from gptaudit.records import Failure, Likelihood, ScoreRequest
from gptaudit.remote.faults import RequestFault
from gptaudit.remote.likelihood import prompt_tokens, read_likelihood
from gptaudit.remote.options import RemoteOptions
from gptaudit.testing import toy_model
from gptaudit.testing.faulty_server import FaultyServer

PAIRS = [
    ("The nurse", " slept again today", [" slept", " again", " today"]),
    ("The nurse ", "slept", [" slept"]),
    ("Ein Gebäude in Čačak, 東京 und 🙂", " schlief", [" schlief"]),
    ("un", "happy people", [" people"]),
]


def opened(server, **options):
    return open_openai("toy", RemoteOptions(base_url=server.url, **options))


def closed_form(context, continuation, expected, start=""):
    """The likelihood by the toy model's formula, token by token."""
    found = [*([start] if start else []), *toy_model.tokens(context + continuation)]
    values = tuple(
        toy_model.logprob(*found[i - 1 : i + 1]) for i in range(len(found) - len(expected), len(found))
    )
    assert found[-len(expected) :] == expected
    return Likelihood(values, pytest.approx(sum(values), abs=1e-12), len(found) - len(expected))


class TestClosedForm:
    @pytest.mark.parametrize("start", ["", "<s>"])
    @pytest.mark.parametrize(("context", "continuation", "expected"), PAIRS)
    def test_continuations(self, start, context, continuation, expected):
        """Each token of the continuation counts, those of the context do not, with a start token or without."""
        with FaultyServer(start_token=start) as server:
            [found] = opened(server).score([ScoreRequest(context, continuation)])

        assert found == closed_form(context, continuation, expected, start)

    def test_without_context(self):
        """The first token counts where the server shows its start token, or is told it; else there is no answer."""
        request = ScoreRequest("", "The nurse slept")
        expected = closed_form("", request.continuation, ["The", " nurse", " slept"], "<s>")
        with FaultyServer(start_token="<s>") as server:
            backend = opened(server)
            assert backend.details["likelihood_without_context"] == "yes"
            assert backend.score([request]) == [expected]
        with FaultyServer() as server:
            assert opened(server).score([request])[0].reason == "no-start-token"
            told = opened(server, bos="<s>")
            assert told.details["likelihood_without_context"] == "yes"
            assert told.score([request]) == [expected]
            [within] = told.score([ScoreRequest("The nurse", " slept")])
            assert within == closed_form("The nurse", " slept", [" slept"])

    def test_nothing_to_score(self):
        """A continuation inside the context's last token has no likelihood of its own."""
        with FaultyServer() as server:
            [found] = opened(server).score([ScoreRequest("un", "happy")])

        assert found.reason == "no-tokens"


def body(tokens, offsets=None, logprobs=None, **choice):
    offsets = [len("".join(tokens[:i])) for i in range(len(tokens))] if offsets is None else offsets
    logprobs = [None, *[-1.0] * (len(tokens) - 1)] if logprobs is None else logprobs
    said = {"tokens": tokens, "text_offset": offsets, "token_logprobs": logprobs}
    return {"choices": [{"text": "", "logprobs": said, **choice}]}


class TestWhatIsNotBelieved:
    REQUEST = ScoreRequest("The nurse", " slept")
    TOKENS = ("The", " nurse", " slept", " well")

    @pytest.mark.parametrize(
        "wrong",
        [
            body([]),
            body(TOKENS, logprobs=[None, -1.0, None, -1.0]),
            body(TOKENS, logprobs=[None, -1.0, 0.5, -1.0]),
            body(TOKENS, logprobs=[None, -1.0, float("nan"), -1.0]),
            body(TOKENS, logprobs=[None, -1.0]),
            body(TOKENS, offsets=[0, 4, 10, 16]),
            body(TOKENS, offsets=[0, 0, 0, 0]),
            body(TOKENS, offsets=[0, 9, 3, 15]),
            body(("The", "▁nurse", "▁slept")),
            body(("The", " nurse")),
            body((" well",), offsets=[0]),
            body((" well", " and"), offsets=[15, 20]),
            {"choices": [{"text": "The nurse slept well", "logprobs": None}]},
        ],
    )
    def test_bodies(self, wrong):
        """Offsets and tokens that do not fit the prompt are no likelihood."""
        with pytest.raises(RequestFault) as raised:
            read_likelihood(wrong, self.REQUEST, "")
        assert raised.value.reason == "wrong-schema"

    def test_a_number_for_the_first_token(self):
        """A log-probability of the first token, before which nothing stands, is not believed."""
        found = read_likelihood(
            body(("The", " nurse"), logprobs=[-0.1, -1.0]), ScoreRequest("", "The nurse"), ""
        )

        assert isinstance(found, Failure)
        assert found.reason == "no-start-token"

    def test_parts_of_a_character(self):
        """Tokens that are parts of a character are taken where the offsets say; what follows must fit again."""
        tokens = ["bytes:\\xf0\\x9f", "bytes:\\x99\\x82", " slept", " well"]
        found = read_likelihood(body(tokens, [0, 0, 1, 7]), ScoreRequest("🙂", " slept"), "")

        assert found == Likelihood((-1.0,), -1.0, 2)
        with pytest.raises(RequestFault):
            read_likelihood(body(tokens, [0, 0, 2, 8]), ScoreRequest("🙂", " slept"), "")

    def test_a_start_token_that_counts(self):
        """A start token that the server shows shifts the offsets, or does not."""
        for shift in (0, 3):
            tokens = ["<s>", "The", " nurse", " slept"]
            offsets = [0, *(shift + offset for offset in (0, 3, 9))]
            found = prompt_tokens(body(tokens, offsets), "The nurse slept")
            assert [token.begin for token in found] == [-1, 0, 3, 9]
