"""Models for tests of attribution."""

from __future__ import annotations

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.causal_lm.encoding import Encoder


@pytest.fixture(params=["gpt2_folder", "llama_folder"])
def opened(request):
    """A model in float64 and its encoder; GPT-2's puts no start token before a text, Llama's does."""
    folder = request.getfixturevalue(request.param)
    return AutoModelForCausalLM.from_pretrained(folder).double(), Encoder(
        AutoTokenizer.from_pretrained(folder)
    )
