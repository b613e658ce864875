"""A real llama.cpp server, whose log-probabilities stand one token off, beside the same file read by transformers.

GPTAUDIT_LLAMA_PYTHON names a Python that imports llama_cpp with its server (`pip install 'llama-cpp-python[server]'`).
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
from http.client import HTTPConnection
from itertools import islice
from urllib.parse import urlsplit

import pytest
from local_server import wait_for

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.backends.openai import open_openai
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import GenerateRequest, Sampling, ScoreRequest
from gptaudit.remote.likelihood import likelihood_body, read_likelihood
from gptaudit.remote.options import RemoteOptions
from gptaudit.run.scorers import Scorers
from gptaudit.run.selection import collect

pytestmark = pytest.mark.slow

VARIABLE = "GPTAUDIT_LLAMA_PYTHON"
NAME = "smollm2"
BOS = "<|im_start|>"
GREEDY = Sampling(max_new_tokens=6, temperature=0)
PROMPTS = ("Name a colour.", "What is the capital of France?", "Say hello.", "Count from one to five.")


@pytest.fixture(scope="module")
def file(real_models):
    """SmolLM2 as a GGUF file."""
    pytest.importorskip("gguf")
    return real_models / "smollm2.gguf"


@pytest.fixture(scope="module")
def url(file, tmp_path_factory):
    """The address of a llama.cpp server of the file."""
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"needs llama_cpp: set {VARIABLE} to a Python that imports llama_cpp.server")
    tried = subprocess.run([python, "-c", "import llama_cpp.server.app"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"{VARIABLE}={python} does not import llama_cpp.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"model": file, "model_alias": NAME, "port": port, "n_ctx": 2048, "logits_all": "true"}
    given = [
        part for name, value in {**options, "n_threads": 1}.items() for part in (f"--{name}", str(value))
    ]
    log = tmp_path_factory.mktemp("llama") / "log"
    with log.open("w") as written:
        server = subprocess.Popen([python, "-m", "llama_cpp.server", *given], stdout=written, stderr=written)
        try:
            wait_for(server, port, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait()


def opened(url, **options):
    return open_openai(NAME, RemoteOptions(base_url=url, read_timeout=120, concurrency=1, **options))


@pytest.fixture(scope="module")
def served(url):
    """The server, asked in chats."""
    return opened(url)


@pytest.fixture(scope="module")
def local(file):
    """The same file in transformers, asked in chats."""
    return open_hf(str(file), HuggingFaceOptions(chat=True))


def asked(backend, probe, number):
    """The form in which a backend is asked a probe, and its first requests."""
    plugins = load_plugins()
    found = collect(
        plugins.probes[probe],
        ProbeContext(None, 0),
        backend,
        plugins,
        Scorers(plugins, {}),
        limit=None,
        named=True,
    )
    cases = list(islice(found.cases, number))
    return found.method["form"], [request for case in cases for request in case.requests]


@pytest.fixture(scope="module")
def differs(url, file):
    """By how many nats the server's number for a text differs from that of the file itself."""
    request = ScoreRequest("The harbour was", " quiet before the storm")
    (right,) = open_hf(str(file), HuggingFaceOptions()).score([request])
    body = json.dumps(likelihood_body(NAME, request, "")).encode()
    server = HTTPConnection(urlsplit(url).netloc, timeout=120)
    server.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    said = read_likelihood(json.load(server.getresponse()), request, "")
    server.close()
    return abs(said.logprob - right.logprob)


@pytest.mark.parametrize("options", [{"bos": BOS}, {"api": "completions", "bos": BOS}])
def test_likelihoods_are_claimed_only_if_they_are_the_model_s(url, differs, options):
    """Its numbers are compared with those of the file: where they differ none is claimed, and it is said why."""
    backend = opened(url, **options)
    claimed = {"score", "score-after-context"} & backend.capabilities

    assert bool(claimed) == (differs < 1)
    if not claimed:
        assert "the numbers belong to other tokens" in backend.details["log_probabilities"]
        assert backend.details["likelihood_without_context"] == "no"


def test_an_elicited_form_takes_the_place_of_likelihoods(served, local):
    """Pairs are asked as lettered questions, of the server and of the chat model in transformers alike."""
    assert asked(served, "gender-occupation", 1) == asked(local, "gender-occupation", 1)
    assert asked(served, "gender-occupation", 1)[0] == "elicited by probability"


def test_letters_are_as_likely_as_in_the_file(served, local):
    """The elicited form gives the same probabilities from the server as from the file, but for its arithmetic."""
    _, requests = asked(served, "gender-occupation", 4)
    for one, other in zip(served.choose(requests), local.choose(requests), strict=True):
        assert one.least == pytest.approx(other.least, abs=0.1)
        here, there = (math.log(choice.least[0] / choice.least[1]) for choice in (one, other))
        assert here == pytest.approx(there, abs=0.5)


def test_chats_are_rendered_as_in_the_file(served, local):
    """A prompt has as many tokens in both, since the server reads the template in the file; it rounds more."""
    requests = [GenerateRequest(prompt, GREEDY) for prompt in PROMPTS]
    theirs, ours = (backend.generate(requests, seed=0) for backend in (served, local))

    assert all(answer.text for answer in theirs)
    assert [answer.prompt_tokens for answer in theirs] == [answer.prompt_tokens for answer in ours]


def test_it_is_known_by_its_first_answers(url, served, local):
    """Opened again it is the same target; its first answer is what the file writes."""
    again = opened(url)
    assert again.first_answers == served.first_answers
    assert served.details["repeats_itself"] == "yes"
    (request,) = served.first_answers
    prompt = request.removeprefix("chat: ")
    (answer,) = local.generate([GenerateRequest(prompt, Sampling(max_new_tokens=12, temperature=0))], seed=0)
    assert served.first_answers[request][0][:20] == answer.text[:20]
