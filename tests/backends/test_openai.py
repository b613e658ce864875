"""A model behind a server: every request ends once, whatever the server does."""

from __future__ import annotations

import gc
import time
from collections import Counter
from itertools import count

import pytest

from gptaudit.backends.openai import open_openai
from gptaudit.engine.asking import ask
from gptaudit.engine.local import local
from gptaudit.errors import BackendLostError
from gptaudit.protocols.backend import StreamingBackend
from gptaudit.protocols.engine import Work
from gptaudit.records import Completion, Failure, GenerateRequest, Likelihood, Sampling, ScoreRequest
from gptaudit.remote.faults import REASONS
from gptaudit.remote.options import RemoteOptions
from gptaudit.testing import toy_model
from gptaudit.testing.faulty_server import FaultyServer
from gptaudit.testing.protocol_faults import ANSWERED, FAULTS

FATAL = {"401", "403", "404", "redirect", "200-402"}

REASON_OF = {
    "400": "refused-by-server",
    "408": "server-error",
    "422": "refused-by-server",
    "429": "rate-limited",
    "429-retry-after": "rate-limited",
    "429-retry-date": "rate-limited",
    "500": "server-error",
    "502-html": "server-error",
    "503": "server-error",
    "200-503": "server-error",
    "200-502-in-choice": "server-error",
    "200-rate-limit": "rate-limited",
    "200-overloaded": "server-error",
    "200-no-credit": "error-in-answer",
    "200-text": "error-in-answer",
    "reset": "connection",
    "reset-in-body": "truncated-body",
    "cut-body": "truncated-body",
    "slow-body": "timeout",
    "hang": "timeout",
    "cut-json": "not-json",
    "not-json": "not-json",
    "deep-json": "not-json",
    "html": "not-json",
    "invalid-utf8": "invalid-utf8",
    "huge": "too-large",
    "huge-in-chunks": "too-large",
    "no-choices": "wrong-schema",
    "two-choices": "wrong-schema",
    "no-text": "wrong-schema",
    "other-json": "wrong-schema",
    "unfinished-thought": "unfinished-thought",
    "unfinished-thought-field": "unfinished-thought",
    "finish-error": "server-error",
    "content-filter": "content-filter",
    "filtered-prompt": "content-filter",
    "context-overflow": "context-overflow",
}


def opened(server, **options):
    quick = {
        "backoff": 0.01,
        "max_wait": 0.1,
        "read_timeout": 1.0,
        "give_up_after": 2.0,
        "base_url": server.url,
    }
    return open_openai(server.model, RemoteOptions(**{**quick, **options}))


def prompts(number):
    return [GenerateRequest(f"prompt {i}", Sampling(max_new_tokens=5)) for i in range(number)]


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


class TestFaults:
    @pytest.mark.parametrize("fault", sorted(REASON_OF))
    def test_each_fault_has_its_own_reason(self, server, fault):
        """A fault that does not pass ends as a failure with the word that stands for it."""
        backend = opened(server, read_timeout=0.4)
        server.faults = {fault: 1.0}

        failure = opened_answer(backend)

        assert isinstance(failure, Failure)
        assert failure.reason == REASON_OF[fault]
        assert failure.message
        again = fault in {"408", "429", "429-retry-after", "429-retry-date", "500", "502-html", "503"}
        again |= fault in {"200-503", "200-502-in-choice", "200-rate-limit", "200-overloaded"}
        again |= fault in {"reset", "reset-in-body", "cut-body", "slow-body", "hang", "finish-error"}
        assert server.met[fault] == (5 if again else 1)

    def test_every_reason_is_documented(self):
        """The list of reasons names all that the faults lead to, and every fault is tested."""
        assert set(REASON_OF.values()) <= set(REASONS)
        assert set(FAULTS) == set(REASON_OF) | FATAL | ANSWERED | {"empty"}

    @pytest.mark.parametrize("fault", sorted(FATAL))
    def test_faults_that_end_the_asking(self, server, fault):
        """A refused key or model ends the asking at once; what was answered is kept."""
        stream = opened(server, concurrency=1).stream(prompts(10), seed=0)
        answered = [next(stream)[1] for _ in range(3)]
        server.faults = {fault: 1.0}

        with pytest.raises(BackendLostError, match="then run again to continue") as raised:
            answered += [answer for _, answer in stream]

        assert all(isinstance(answer, Completion) for answer in answered)
        assert server.met[fault] == 1
        assert "word" not in str(raised.value)

    def test_a_third_of_all_requests_fails(self, server):
        """With 30 % faults of all kinds each request ends once, and what is no answer is a failure."""
        backend = opened(server, read_timeout=0.5)
        kinds = sorted(set(FAULTS) - FATAL - ANSWERED - {"empty"})
        server.faults = {kind: 0.3 / len(kinds) for kind in kinds}
        server.answers.clear()
        requests = prompts(400)

        found = list(ask(local, Work(iter(requests), 0, backend)))

        assert Counter(request for request, _ in found) == Counter(requests)
        expected = {f"prompt {i}" for i in range(400)}
        completed = {request.prompt for request, answer in found if isinstance(answer, Completion)}
        assert completed == set(server.answers)
        failed = {request.prompt for request, answer in found if isinstance(answer, Failure)}
        assert completed | failed == expected
        assert 20 < len(failed) < 100
        for _, answer in found:
            if isinstance(answer, Completion):
                assert len(toy_model.tokens(answer.text)) == 5

    def test_empty_answers_stay_empty(self, server):
        """An empty text is a completion, which the core counts as `empty`."""
        backend = opened(server)
        server.faults = {"empty": 1.0}

        assert opened_answer(backend).text == ""

    @pytest.mark.parametrize(
        ("fault", "answer"),
        [
            ("refusal", Completion("I would rather not.", "stop", refused=True)),
            ("filtered-text", Completion("The first step", "unknown", refused=True)),
            ("thought", Completion("A lantern.", "stop", thought="It glows.")),
            ("thought-field", Completion("A lantern.", "stop", thought="It glows.")),
        ],
    )
    def test_answers_of_another_form(self, server, fault, answer):
        """A refusal, a filtered text and a thought before the answer are answers, and say so."""
        backend = opened(server)
        server.faults = {fault: 1.0}

        assert opened_answer(backend) == answer

    def test_an_error_with_status_200_passes(self, server):
        """An error that names a temporary status is tried again until the answer comes."""
        backend = opened(server)
        server.faults, server.heals_after = {"200-503": 1.0}, 3

        assert isinstance(opened_answer(backend), Completion)
        assert server.met["200-503"] == 3


def opened_answer(backend):
    return backend.generate(prompts(1), seed=0)[0]


class TestGivingUp:
    @pytest.mark.parametrize("fault", ["500", "reset", "hang", "html", "429"])
    def test_a_server_that_only_fails_is_given_up(self, server, fault):
        """The asking ends soon after `give_up_after`, with one sentence that says what came, how often and where."""
        backend = opened(server, give_up_after=1.5)
        server.faults = {fault: 1.0}
        begun = time.monotonic()

        with pytest.raises(BackendLostError) as raised:
            list(backend.stream(iter(prompts(100_000)), seed=0))

        assert 1.5 <= time.monotonic() - begun < 10
        message = str(raised.value)
        assert message.startswith(server.url)
        assert f"{REASON_OF[fault]}" in message
        assert "attempts failed one after another" in message
        assert "\n" not in message

    def test_a_pause_is_survived(self, server):
        """A server that fails for a while and comes back costs no answer that could still come."""
        backend = opened(server, backoff=0.2, retries=6, max_wait=1)
        answers = {}
        for request, answer in backend.stream(prompts(200), seed=0):
            answers[request] = answer
            if len(answers) == 40:
                server.faults, server.heals_after = {"503": 1.0}, 40

        assert server.met["503"] == 40
        assert all(isinstance(answer, Completion) for answer in answers.values())


class TestWaiting:
    @pytest.mark.parametrize("fault", ["429-retry-after", "429-retry-date"])
    def test_retry_after_is_kept(self, server, fault):
        """The next attempt comes no sooner than the server asks, as seconds or as a date."""
        backend = opened(server, max_wait=30)
        server.faults, server.retry_after, server.heals_after = {fault: 1.0}, "2", 1
        begun = time.monotonic()

        assert isinstance(opened_answer(backend), Completion)

        waited = time.monotonic() - begun
        assert (1.0 if "date" in fault else 2.0) <= waited < 4  # a date has whole seconds
        assert server.met[fault] == 1

    def test_retry_after_is_capped(self, server):
        """No server makes the audit wait for more than `max_wait`."""
        backend = opened(server, max_wait=0.2)
        server.faults, server.retry_after = {"429-retry-after": 1.0}, "3600"
        begun = time.monotonic()

        assert opened_answer(backend).reason == "rate-limited"
        assert 4 * 0.2 <= time.monotonic() - begun < 3


class TestConcurrency:
    def test_many_requests_at_once_over_few_connections(self, server):
        """Requests overlap up to the limit, and connections are used again."""
        server.latency = 0.02
        backend = opened(server, concurrency=16)
        before = server.connections

        found = list(backend.stream(prompts(300), seed=0))

        assert len(found) == 300
        assert server.most_in_flight == 16
        assert server.connections - before <= 16

    def test_requests_are_taken_as_they_can_be_sent(self, server):
        """An endless stream of requests is read no further than what is under way."""
        server.latency = 0.01
        taken = count()
        stream = opened(server, concurrency=4).stream(
            (GenerateRequest(f"endless {next(taken)}") for _ in iter(int, 1)), seed=0
        )
        for _ in range(50):
            next(stream)
        stream.close()

        assert next(taken) <= 50 + 8

    def test_the_level_falls_to_what_the_server_can_do(self, server):
        """Where more than a few requests at once are refused, few are refused in the end."""
        server.latency, server.capacity = 0.01, 4
        backend = opened(server, concurrency=32, retries=20)

        found = list(backend.stream(prompts(600), seed=0))

        assert all(isinstance(answer, Completion) for _, answer in found)
        chats = server.requests["/v1/chat/completions"]
        assert chats < 600 * 1.6

    def test_requests_a_minute(self, server):
        """No more requests are sent than the limit allows."""
        backend = opened(server, requests_per_minute=60 * 50)
        begun = time.monotonic()

        list(backend.stream(prompts(50), seed=0))

        assert time.monotonic() - begun >= 49 / 50

    def test_tokens_a_minute(self, server):
        """The server's own counts correct the estimate: 7 tokens a request are paced, not 30."""
        backend = opened(server, tokens_per_minute=60 * 700, concurrency=4)
        begun = time.monotonic()
        long = Sampling(max_new_tokens=5)

        found = [a for _, a in backend.stream([GenerateRequest(f"p {i}", long) for i in range(100)], seed=0)]

        assert sum(a.tokens + a.prompt_tokens for a in found) == 700
        assert 0.7 <= time.monotonic() - begun < 3


class TestStopping:
    def test_closing_drops_what_is_under_way(self, server, recwarn):
        """Closing the stream waits for no answer and is quiet: no task and no connection is left."""
        server.faults = {}
        backend = opened(server, read_timeout=30)
        stream = backend.stream(prompts(1000), seed=0)
        next(stream)
        server.faults = {"hang": 1.0}
        begun = time.monotonic()

        stream.close()
        gc.collect()

        assert time.monotonic() - begun < 10
        assert not list(recwarn)

    def test_an_error_of_the_caller_s_requests_is_the_caller_s(self, server):
        """What the iterable of requests raises comes through."""

        def failing():
            yield from prompts(3)
            raise LookupError("the store is gone")

        with pytest.raises(LookupError, match="the store is gone"):
            list(opened(server).stream(failing(), seed=0))


class TestAnswers:
    def test_it_is_a_streaming_backend(self, server):
        """The engine hands it the whole stream."""
        assert isinstance(opened(server), StreamingBackend)

    def test_lists_are_answered_in_order(self, server):
        """`generate` and `score` answer each request at its place, equal ones alike."""
        backend = opened(server)
        requests = [*prompts(5), *prompts(2)]

        found = backend.generate(requests, seed=3)

        assert found[5:] == found[:2]
        assert len({answer.text for answer in found[:5]}) == 5
        [likelihood] = backend.score([ScoreRequest("a harbour", " slept")])
        assert likelihood == Likelihood((toy_model.logprob(" harbour", " slept"),), *_whole(-1, 2))

    def test_samples_depend_on_their_own_seed_alone(self, server):
        """The same run seed repeats each sample, in any company; another seed or sample number changes it."""
        backend = opened(server)
        samples = [GenerateRequest("prompt", sample=i) for i in range(4)]

        together = backend.generate(samples, seed=1)

        assert backend.generate(samples[::-1], seed=1) == together[::-1]
        assert backend.generate(samples[2:3], seed=1) == together[2:3]
        assert len({answer.text for answer in together}) == 4
        assert backend.generate(samples, seed=2) != together

    @pytest.mark.parametrize("heeds", [frozenset({"stop", "temperature"}), frozenset({"temperature"})])
    def test_stop_strings(self, server, heeds):
        """A text ends before the first stop string, whether or not the server heeds them."""
        server.heeds = heeds
        [whole] = opened(server).generate([GenerateRequest("p", Sampling(20, temperature=0))], seed=0)
        word = toy_model.tokens(whole.text)[5]

        [cut] = opened(server).generate(
            [GenerateRequest("p", Sampling(20, temperature=0, stop=(word,)))], seed=0
        )

        assert cut.text == whole.text.partition(word)[0]
        assert (whole.finish, cut.finish) == ("length", "stop")


def _whole(index, context_tokens):
    return toy_model.logprob(" harbour", " slept"), context_tokens
