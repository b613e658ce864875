"""A model whose heads do what its weights say: each adds chosen features of the words read so far to one preference."""

from __future__ import annotations

import re
from types import SimpleNamespace

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gptaudit.attribution import Attributor
from gptaudit.attribution.explaining import Explainer
from gptaudit.attribution.suites.ablating import Controls
from gptaudit.causal_lm.encoding import EncodedQuestion, Encoder

LAYERS, HEADS = 2, 4
FEATURES = 3
"""What a word has: a stereotype, a gender that is true, and noise."""


class _Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.o_proj = torch.nn.Linear(HEADS, 1, bias=False, dtype=torch.float64)
        torch.nn.init.ones_(self.o_proj.weight)


class _Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = _Attention()


class Planted(torch.nn.Module):
    """`logit(he) - logit(she)` is the sum of what the heads put out; `reads` (layers, heads, features)."""

    def __init__(self, features, reads, he, she):
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(features, freeze=False)
        self.layers = torch.nn.ModuleList(_Layer() for _ in range(LAYERS))
        self.reads = torch.nn.Parameter(reads)
        self.sides = torch.zeros(features.shape[0], dtype=torch.float64)
        self.sides[he], self.sides[she] = 0.5, -0.5
        self.config = SimpleNamespace(
            get_text_config=lambda: SimpleNamespace(num_attention_heads=HEADS, num_hidden_layers=LAYERS)
        )

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids=None, inputs_embeds=None, attention_mask=None, **_):
        read = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        if attention_mask is not None:
            read = read * attention_mask[..., None]
        seen = read.cumsum(1)
        preference = sum(
            layer.self_attn.o_proj(seen @ reads.T)
            for layer, reads in zip(self.layers, self.reads, strict=True)
        )
        return SimpleNamespace(logits=preference * self.sides)


def tokenizer_of(texts):
    words = sorted({word for text in texts for word in re.findall(r" ?\w+|[^\w\s]", text)})
    vocabulary = {"<s>": 0, "<unk>": 1, **{word: i for i, word in enumerate(words, 2)}}
    found = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    found.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+|[^\w\s]"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=found, bos_token="<s>", unk_token="<unk>")


class PlantedExplainer(Explainer):
    """Explains a planted model as if a target had been opened."""

    def __init__(self, texts, features, reads):
        """`features` maps words, with the space before them, to their features; all others have none."""
        self.tokenizer = tokenizer_of(texts)
        vocabulary = self.tokenizer.get_vocab()
        table = torch.zeros(len(vocabulary), FEATURES, dtype=torch.float64)
        for word, of_word in features.items():
            table[vocabulary[word]] = torch.tensor(of_word, dtype=torch.float64)
        model = Planted(table, reads, vocabulary[" he"], vocabulary[" she"])
        self.backend = SimpleNamespace(
            model=model, encoder=Encoder(self.tokenizer), window=64, fingerprint=""
        )
        self.attributor = Attributor(model)

    @property
    def neutral(self):
        pair = self.backend.encoder.pair("", "The harbour was quiet before the storm.")
        return [EncodedQuestion(pair.context, (), (), (), pair.continuation, None)]

    @property
    def controls(self):
        return Controls([], [], "", self.neutral)
