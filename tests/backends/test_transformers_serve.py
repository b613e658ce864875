"""A real server, `transformers serve`: what it can do is found out, and its completions are the model's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest
from local_server import wait_for

from gptaudit.backends.openai import open_openai
from gptaudit.errors import TargetError
from gptaudit.records import Completion, GenerateRequest, Sampling
from gptaudit.remote.options import RemoteOptions

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"
)
GREEDY = Sampling(max_new_tokens=8, temperature=0)
PROMPTS = ("The harbour was", "She opened", "A carpenter and a nurse")


@pytest.fixture(scope="module")
def served(tmp_path_factory, gpt2_folder):
    """The random GPT-2 with a chat template behind `transformers serve`: its folder and its address."""
    for name in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(name)
    home = tmp_path_factory.mktemp("serve")
    folder = shutil.copytree(gpt2_folder, home / "model")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(server, port, home / "log")
            yield folder, f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait()


@pytest.fixture(scope="module")
def local(served):
    """What `transformers` itself writes after a text, greedily."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = served
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)

    def write(text):
        encoded = tokenizer(text, return_tensors="pt")
        written = model.generate(**encoded, max_new_tokens=8, do_sample=False, pad_token_id=0)[0]
        return tokenizer.decode(written[encoded["input_ids"].shape[1] :], skip_special_tokens=True)

    return write


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_completions_are_the_model_s_own(served, local, api):
    """Greedy completions over HTTP equal local ones, of the text itself or of the chat that the template makes."""
    folder, url = served
    backend = open_openai(str(folder), RemoteOptions(base_url=url, api=api))
    texts = {p: f"user: {p}\nassistant:" if api == "chat" else p for p in PROMPTS}

    found = backend.generate([GenerateRequest(p, GREEDY) for p in PROMPTS], seed=0)

    assert all(isinstance(answer, Completion) for answer in found)
    assert [answer.text for answer in found] == [local(texts[p]) for p in PROMPTS]
    assert all(answer.prompt_tokens for answer in found)


def test_what_it_can_do(served):
    """It takes `n` and a temperature and heeds neither, refuses `top_k`, and rates no prompt."""
    folder, url = served
    backend = open_openai(str(folder), RemoteOptions(base_url=url))

    assert backend.capabilities == {"generate", "chat"}
    assert not backend.samples_as_asked
    found = backend.details
    assert (found["api"], found["temperature"], found["n"]) == ("chat", "ignored", "ignored")
    assert found["top_k"] == "refused"
    assert found["log_probabilities"].startswith("no: ")


def test_another_model_s_name(served):
    """It serves one folder, and says so to whom asks for another."""
    with pytest.raises(TargetError, match="pinned"):
        open_openai("another", RemoteOptions(base_url=served[1]))
