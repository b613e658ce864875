"""The models that benchmarks run: random weights in two published shapes, and two real models.

`m1` is GPT-2's smallest (Radford et al. 2019; 124M parameters, 50,257 logits), `m2` a Llama of 8 layers of width 512
(42M parameters). The byte-level BPE has 16,384 tokens and is trained on the public corpora, so that texts have about as
many tokens as they have for a real model. `smollm2` and `gemma3` are the real models in the folder that GPTAUDIT_MODELS
names.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VOCABULARY = 16_384
REAL = ("smollm2", "gemma3")
MODELS = ("m1", "m2", *REAL)


def build(name: str) -> Any:
    """Make the model, random but the same every time."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    if name == "m1":
        return GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0))
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=0,
    )
    return LlamaForCausalLM(config)


@contextmanager
def saved(name: str, data: Path) -> Iterator[Path]:
    """Give a folder with the model, for as long as the block runs; its settings may be changed there."""
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        if name in REAL:
            shutil.copytree(Path(os.environ["GPTAUDIT_MODELS"]) / name, folder, dirs_exist_ok=True)
        else:
            save(name, data, folder)
        yield folder


def save(name: str, data: Path, folder: Path) -> None:
    """Save a random model with a tokenizer trained on the public corpora."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    texts = [str(path) for path in sorted(data.glob("corpus-*/*.txt"))]
    bpe.train(texts, vocab_size=VOCABULARY, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        model_max_length=1024,
    )
    build(name).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def data_folder() -> Path:
    """Return the folder of public data sets that GPTAUDIT_DATA names."""
    return Path(os.environ["GPTAUDIT_DATA"])
