"""Text that is printed while it is generated."""

from __future__ import annotations

from itertools import pairwise

import click
import pytest
import torch
from transformers import AutoTokenizer

from gptaudit.backends.decoder import open_decoder
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.causal_lm.generation import Draw, TextGenerator
from gptaudit.causal_lm.memory import TokenBudget
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder.chat import CHAT_TEMPLATE
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
from gptaudit.decoder.tokenizer import train_tokenizer
from gptaudit.records import GenerateRequest, Sampling

LETTERS = "é€😀\x1b[2J"
"""Characters of two, three and four bytes, and a terminal control character."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A decoder with byte tokens that greedily generates the bytes of LETTERS after `a`."""
    folder = tmp_path_factory.mktemp("bytes")
    tokenizer = train_tokenizer([], vocab_size=258, context=64)
    ids = tokenizer(f"a{LETTERS}").input_ids
    ids.append(tokenizer.eos_token_id)
    torch.manual_seed(0)
    shape = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }
    model = DecoderForCausalLM(
        DecoderConfig(vocab_size=258, bos_token_id=0, eos_token_id=0, pad_token_id=1, **shape)
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    text = torch.tensor([ids])
    for _ in range(150):
        loss = model(text, labels=text).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def written(monkeypatch):
    """Everything that is printed, piece by piece."""
    pieces = []

    def echo(message="", nl=True, **_):
        pieces.append(f"{message}\n" if nl else message)

    monkeypatch.setattr(click, "echo", echo)
    monkeypatch.setattr(click, "secho", echo)
    return pieces


def test_characters_appear_whole_and_one_by_one(folder, gptaudit, written):
    """A character is printed once its last byte is sampled; a control character is printed as its code point."""
    ran = gptaudit("decoder", "generate", folder, "--prompt", "a", "--temperature", 0)

    assert ran.code == 0, ran.err
    assert [piece for piece in written if piece] == ["a", "é", "€", "😀", "⟨U+001B⟩", "[", "2", "J", "\n"]


@pytest.mark.parametrize(
    "sampling", [Sampling(30), Sampling(25, temperature=1.5, top_k=40, stop=("he ", "."))]
)
@pytest.mark.parametrize("name", ["reference", "bytes"])
def test_what_is_watched_grows_to_the_answer(folder, name, sampling):
    """Each reported text extends the previous one, and the last is the answer, for any batch size."""
    backend = open_decoder("reference" if name == "reference" else str(folder), TorchOptions(device="cpu"))
    requests = [GenerateRequest(prompt, sampling, i) for prompt in ("The nurse", "a") for i in range(5)]
    told = {i: [] for i in range(len(requests))}

    answers = backend.generate(requests, seed=3, watch=lambda i, *what: told[i].append(what))
    unwatched = backend.generate(requests, seed=3)

    assert [answer.text for answer in answers] == [answer.text for answer in unwatched]
    for i, answer in enumerate(answers):
        texts = [text for text, _ in told[i]]
        assert texts[-1] == answer.text
        assert all(later.startswith(text) for text, later in pairwise(texts))
        assert [finished for _, finished in told[i]] == [False] * (len(texts) - 1) + [True]


def test_texts_are_printed_in_order(gptaudit, written):
    """Several texts are printed in order under their numbers, the first as it grows; they are the backend's."""
    sampling = Sampling(12, top_p=0.9, top_k=30)
    requests = [GenerateRequest("The nurse", sampling, i) for i in range(3)]
    answers = open_decoder("reference", TorchOptions(device="cpu")).generate(requests, seed=5)

    options = ("--prompt", "The nurse", "--n", 3, "--seed", 5, "--max-new-tokens", 12)
    ran = gptaudit("decoder", "generate", "reference", *options, "--top-p", 0.9, "--top-k", 30)

    assert ran.code == 0, ran.err
    expected = [f"--- {i + 1} of 3\nThe nurse{answer.text}\n" for i, answer in enumerate(answers)]
    assert "".join(written) == "".join(expected)
    assert len([piece for piece in written if piece]) > 12


def test_a_text_that_begins_again_becomes_the_same(gpt2_folder, monkeypatch):
    """If memory runs out in the middle, the reported texts are the same as with enough memory."""
    config = DecoderConfig(vocab_size=300, hidden_size=32, num_hidden_layers=1)
    torch.manual_seed(0)
    model = DecoderForCausalLM(config).eval().requires_grad_(requires_grad=False)
    encoder = Encoder(AutoTokenizer.from_pretrained(gpt2_folder))
    told = []
    draws = [
        Draw((5, 6), 1, Sampling(8)),
        Draw((7, 8, 9), 2, Sampling(8), lambda *what: told.append(what)),
    ]
    generator = TextGenerator(model, encoder, frozenset(), TokenBudget(1024))
    expected = generator.complete(draws)
    first, told[:] = list(told), []
    calls = []

    def scarce(*_):
        calls.append(1)
        if len(calls) == 4:
            raise torch.OutOfMemoryError

    model.register_forward_pre_hook(scarce)
    found = generator.complete(draws)

    assert [one.text for one in found] == [one.text for one in expected]
    assert told[-1] == first[-1] == (expected[1].text, True)
    assert told[-8:] == first


def test_a_chat_prompt_is_put_into_the_template(folder, gptaudit, monkeypatch):
    """With --chat the model reads the prompt in chat format, and only the answer is printed."""
    read = []
    rendered = Encoder.rendered
    monkeypatch.setattr(Encoder, "rendered", lambda self, text: read.append(text) or rendered(self, text))

    ran = gptaudit("decoder", "generate", folder, "--prompt", "Hello", "--chat", "--max-new-tokens", 5)

    assert ran.code == 0, ran.err
    assert read[-1] == "<|endoftext|>User:\nHello\nAssistant:\n"
    assert "Hello" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--top-k", "-1"), "top-k"),
        (("--temperature", "-1"), "temperature"),
        (("--n", "0"), "--n"),
        (("--max-new-tokens", "1000"), "lower --max-new-tokens"),
        (("--chat",), "the tokenizer has no chat template"),
    ],
)
def test_bad_options_exit_2(gptaudit, arguments, message):
    """A bad option ends with exit code 2 and a message, and nothing is printed."""
    ran = gptaudit("decoder", "generate", "reference", "--prompt", "x", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
