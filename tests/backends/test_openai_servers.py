"""Several servers share the work of an audit, and one that is lost leaves it to the others."""

from __future__ import annotations

import logging
import time

import pytest

from gptaudit.backends.openai import open_openai
from gptaudit.errors import BackendLostError, TargetError
from gptaudit.records import Completion, GenerateRequest, Sampling, ScoreRequest
from gptaudit.remote.options import RemoteOptions
from gptaudit.testing.faulty_server import HEEDED, FaultyServer

QUICK = {"backoff": 0.01, "max_wait": 0.1, "read_timeout": 5.0, "give_up_after": 1.0}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pair():
    with FaultyServer(latency=0.01) as first, FaultyServer(latency=0.01) as second:
        yield first, second


def opened(*servers, **options):
    urls = ",".join(server.url for server in servers)
    return open_openai("toy", RemoteOptions(**{**QUICK, "base_url": urls, **options}))


def prompts(number):
    return [GenerateRequest(f"prompt {i}", Sampling(max_new_tokens=5)) for i in range(number)]


def asked(server):
    return sum(n for prompt, n in server.answers.items() if prompt.startswith("prompt "))


class TestSharing:
    def test_the_work_is_shared(self, pair):
        """Each request goes to one server, about as many to each, and the answers are those of one server alone."""
        backend = opened(*pair)

        found = backend.generate(prompts(200), seed=0)

        assert [asked(server) for server in pair] == [pytest.approx(100, abs=40)] * 2
        assert sum(map(asked, pair)) == 200
        assert found == opened(pair[0]).generate(prompts(200), seed=0)

    def test_both_limits_of_concurrency_are_used(self, pair):
        """`concurrency` is the most for each server."""
        backend = opened(*pair, concurrency=12)
        for server in pair:
            server.latency, server.most_in_flight = 0.05, 0

        backend.generate(prompts(200), seed=0)

        assert [server.most_in_flight for server in pair] == [12, 12]

    def test_a_slow_server_gets_less(self, pair):
        """A server that takes longer, or refuses more at once, is asked less."""
        pair[0].latency, pair[1].capacity = 0.01, 2

        found = opened(*pair, retries=10).generate(prompts(400), seed=0)

        assert all(isinstance(answer, Completion) for answer in found)
        assert asked(pair[0]) > 2 * asked(pair[1]) > 0

    def test_the_results_list_them(self, pair):
        """Both addresses stand in the results; their order does not matter to the fingerprint, their number does."""
        backend = opened(*pair)

        assert backend.details["base_url"] == f"{pair[0].url}, {pair[1].url}"
        assert backend.fingerprint == opened(*reversed(pair)).fingerprint
        assert backend.fingerprint != opened(pair[0]).fingerprint

    def test_only_what_all_can_do(self, pair):
        """What one server refuses, ignores or lacks is asked of none; what was found at each stands in the results."""
        pair[0].refuses, pair[0].logprobs = frozenset({"seed"}), False
        pair[1].heeds = HEEDED - {"top_k"}
        backend = opened(*pair)

        [restricted] = backend.generate([GenerateRequest("p", Sampling(top_k=5))], seed=0)
        backend.generate(prompts(20), seed=0)

        assert backend.capabilities == {"generate", "chat"}
        assert restricted.reason == "unsupported-sampling"
        assert backend.details["top_k"] == {pair[0].url: "heeded", pair[1].url: "ignored"}
        assert backend.details["temperature"] == "heeded"
        assert not [body for body in pair[1].bodies if "prompt 1" in str(body) and "seed" in body]

    def test_likelihoods(self, pair):
        """Likelihoods are shared too."""
        requests = [ScoreRequest("a letter", f" slept {i}") for i in range(40)]

        assert opened(*pair).score(requests) == opened(pair[0]).score(requests)


class TestLosing:
    @pytest.mark.parametrize("fault", ["401", "reset", "hang", "503", "200-402"])
    def test_the_others_go_on(self, pair, caplog, fault):
        """A server that is lost in mid-run costs no answer, and its loss is told once."""
        backend = opened(*pair, read_timeout=2.0)
        pair[0].fails_after, pair[0].faults = pair[0].requests.total() + 30, {fault: 1.0}
        for server in pair:
            server.latency = 0.005

        caplog.clear()
        with caplog.at_level(logging.WARNING, "gptaudit"):
            found = [answer for _, answer in backend.stream(prompts_until(lambda: caplog.records), seed=0)]

        assert all(isinstance(answer, Completion) for answer in found)
        [told] = [record.getMessage() for record in caplog.records]
        assert told.startswith(pair[0].url)
        assert told.endswith("The other servers go on")

    def test_a_server_that_comes_back(self, pair):
        """A server that fails for a while gets work again."""
        backend = opened(*pair, give_up_after=30)
        pair[0].fails_after, pair[0].faults = pair[0].requests.total() + 30, {"503": 1.0}
        pair[0].heals_after = 20

        found = [answer for _, answer in backend.stream(prompts_until(lambda: asked(pair[0]) > 100), seed=0)]

        assert all(isinstance(answer, Completion) for answer in found)
        assert pair[0].met["503"] == 20
        assert asked(pair[0]) > 100

    def test_a_server_that_stalls_once(self, pair):
        """Requests that time out together, later than `give_up_after`, are no reason to give a server up."""
        backend = opened(pair[0], read_timeout=1.5, give_up_after=1.0)
        pair[0].faults, pair[0].heals_after = {"hang": 1.0}, 8

        found = backend.generate(prompts(40), seed=0)

        assert all(isinstance(answer, Completion) for answer in found)
        assert pair[0].met["hang"] == 8

    def test_all_are_lost(self, pair):
        """Where no server is left, the asking ends with what is wrong with each."""
        backend = opened(*pair)
        pair[0].faults, pair[1].faults = {"401": 1.0}, {"reset": 1.0}

        with pytest.raises(BackendLostError) as raised:
            list(backend.stream(prompts(10_000), seed=0))

        message = str(raised.value)
        assert f"{pair[0].url}: expected an answer, got status 401" in message
        assert f"{pair[1].url}: given up" in message
        assert "\n" not in message


def prompts_until(seen):
    """Requests until something is seen, or for a minute."""
    begun, number = time.monotonic(), 0
    while time.monotonic() - begun < 60 and not seen():
        number += 1
        yield GenerateRequest(f"prompt {number}", Sampling(max_new_tokens=5))


def refusal(*servers, **options):
    with pytest.raises(TargetError) as raised:
        opened(*servers, **options)
    return str(raised.value)


class TestRefused:
    def test_another_model_under_the_same_name(self, pair, monkeypatch):
        """Servers whose greedy completions differ are named, with what differs."""
        written = pair[1]._written
        monkeypatch.setattr(pair[1], "_written", lambda *how: ([" otherwise"], written(*how)[1]))
        message = refusal(*pair)

        assert message.startswith(f"{pair[0].url} and {pair[1].url}: expected the same model behind both")
        assert "the greedy completion of the same prompt differs: " in message
        assert "' otherwise'" in message

    def test_another_endpoint(self, pair):
        """Servers that are asked in different ways cannot share the work."""
        pair[1].chat = False

        assert "differs" in refusal(*pair)

    def test_one_that_is_not_there(self, pair):
        """A server that cannot be opened is named."""
        pair[1].faults = {"401": 1.0}

        assert refusal(*pair).startswith(pair[1].url)

    @pytest.mark.parametrize("more", [",", ",{url}", ", {url}/"])
    def test_addresses(self, pair, more):
        """An address that is missing, or given twice, is refused."""
        message = refusal(pair[0], base_url=pair[0].url + more.format(url=pair[0].url))

        assert message.startswith("-b base_url: expected")
