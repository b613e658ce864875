"""Boundaries between context and continuation, and the start token."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from gptaudit.causal_lm.encoding import Encoder


@pytest.fixture
def encoder(gpt2_folder):
    return Encoder(AutoTokenizer.from_pretrained(gpt2_folder))


@pytest.fixture
def starting_encoder(llama_folder):
    return Encoder(AutoTokenizer.from_pretrained(llama_folder))


def ids(folder, text):
    return tuple(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])


class TestPair:
    def test_empty_context_is_the_start_token(self, encoder, gpt2_folder):
        """A whole sentence is predicted from the start token, first token included."""
        pair = encoder.pair("", "The harbour was quiet.")

        assert pair.context == (0,)
        assert pair.continuation == ids(gpt2_folder, "The harbour was quiet.")

    def test_joint_encoding_is_kept(self, encoder, gpt2_folder):
        """Context and continuation together are the tokens of the whole text."""
        pair = encoder.pair("The harbour was", " quiet before")

        assert pair.context + pair.continuation == ids(gpt2_folder, "The harbour was quiet before")
        assert pair.context == ids(gpt2_folder, "The harbour was")

    def test_space_at_the_end_of_the_context_moves(self, encoder):
        """A space belongs to the word after it, wherever the caller put it."""
        assert encoder.pair("The harbour ", "was") == encoder.pair("The harbour", " was")

    def test_start_token_in_the_continuation_becomes_the_context(self, encoder, gpt2_folder):
        """A text that begins with the start token is not given a second one."""
        pair = encoder.pair("", "<|endoftext|>The harbour")

        assert pair.context == (0,)
        assert pair.continuation == ids(gpt2_folder, "The harbour")

    def test_tokenizer_that_adds_a_start_keeps_it(self, starting_encoder, llama_folder):
        """Where the tokenizer puts a start token, a context has it too, and only once."""
        pair = starting_encoder.pair("The harbour", " was")

        assert pair.context == (0, *ids(llama_folder, "The harbour"))
        assert starting_encoder.pair("", "The harbour").context == (0,)

    def test_many_at_once(self, encoder, starting_encoder):
        """Pairs encoded in one call, some of them twice or empty, are those encoded one by one."""
        texts = [("", "The harbour"), ("The harbour ", "was"), ("", ""), ("  ", "was"), ("", "The harbour")]

        for each in (encoder, starting_encoder):
            assert each.pairs(texts) == [each.pair(*text) for text in texts]
            assert each.pairs([]) == []

    @pytest.mark.parametrize("continuation", ["", "<|endoftext|>"])
    def test_nothing_to_predict(self, encoder, continuation):
        """Without a token to predict there is no pair."""
        assert encoder.pair("", continuation) is None

    def test_no_start_token_at_all(self, gpt2_folder):
        """A tokenizer without BOS and EOS cannot predict a first token."""
        tokenizer = AutoTokenizer.from_pretrained(gpt2_folder)
        tokenizer.bos_token = tokenizer.eos_token = None

        assert Encoder(tokenizer).pair("", "The harbour") is None
        assert Encoder(tokenizer).prompt("") is None


def test_offsets_cut_the_prompt_into_its_tokens(encoder):
    """Every token of a prompt has its place in the text, without gaps."""
    text = "A nurse opened the window"
    prompt = encoder.prompt(text)

    assert prompt.starts == 0
    assert "".join(text[a:b] for a, b in prompt.offsets) in {text, text.replace(" ", "")}


def test_leading_space_of_a_completion_is_kept(encoder, gpt2_folder):
    """A completion begins as it stands after the prompt."""
    whole = ids(gpt2_folder, "The harbour was")
    prompt = ids(gpt2_folder, "The harbour")

    assert encoder.decode_continuation(prompt, whole[len(prompt) :]) == " was"
