"""Shared fixtures: tiny random models in Hugging Face format, and the program run as a user runs it."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Models of a few thousand weights are fastest on one thread; torch reads this when it is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests of interruption, and the processes that they start, know Ctrl-C however pytest itself was started: `nohup` and
# jobs in the background let it be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

SENTENCES = (
    "The harbour was quiet before the storm.",
    "She opened the window and he closed it again.",
    "A carpenter and a nurse shared their lunch near the old bridge.",
    "The Velmari sing when the first snow falls on the hills.",
)


def _tokenizer(*, adds_start: bool) -> Any:
    from tokenizers import ByteLevelBPETokenizer, processors
    from transformers import PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(SENTENCES, vocab_size=400, special_tokens=["<|endoftext|>"], show_progress=False)
    if adds_start:
        bpe._tokenizer.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        model_max_length=64,
    )


def _saved(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Save a model whose random weights are large enough to tell tokens apart."""
    for parameter in model.parameters():
        parameter.data.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of every later collection of garbage, which is 4 % of the time of all tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory) -> Path:
    """A random GPT-2 of two layers with a window of 64, its tokenizer not adding a start token."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = _tokenizer(adds_start=False)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _saved(GPT2LMHeadModel(config), tokenizer, folder)


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory) -> Path:
    """A random Llama with grouped queries, its tokenizer adding a start token."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("llama")
    tokenizer = _tokenizer(adds_start=True)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _saved(LlamaForCausalLM(config), tokenizer, folder)


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory) -> Path:
    """A random BERT classifier of three labels with an input of at most 32 tokens."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    path = tmp_path_factory.mktemp("classifier")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "you",
        "are",
        "a",
        "fool",
        "the",
        "word",
        ".",
        "harbour",
    ]
    (path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    labels = ("fine", "toxic", "other")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )
    model = BertForSequenceClassification(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(8)
    model.save_pretrained(path)
    return path


@dataclass(frozen=True)
class Ran:
    """What a call of the program did."""

    code: int
    out: str
    err: str


@pytest.fixture
def gptaudit(capsys, monkeypatch, tmp_path) -> Callable[..., Ran]:
    """Call the program in an empty folder, without a data folder in the environment."""
    from gptaudit.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPTAUDIT_DATA", raising=False)

    def call(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(exit_.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public data sets; tests that need it are skipped where GPTAUDIT_DATA does not name one."""
    return _named_folder("GPTAUDIT_DATA", "the public data sets")


@pytest.fixture(scope="session")
def real_models() -> Path:
    """The folder of real models; tests that need it are skipped where GPTAUDIT_MODELS does not name one."""
    return _named_folder("GPTAUDIT_MODELS", "the real models")


def _named_folder(variable: str, held: str) -> Path:
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"needs {held}: set {variable} to their folder")
    return Path(named)
