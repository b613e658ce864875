"""Boundaries between context and continuation, and the start token."""

from __future__ import annotations

import pytest
from tokenizers import processors
from transformers import AutoTokenizer

from gptaudit.causal_lm.encoding import Encoder
from gptaudit.errors import TargetError


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


STARTS = {"none": "$A", "one": "<s1> $A", "two": "<s1> <s2> $A", "two and an end": "<s1> <s2> $A <e>"}
TEXTS = ("The harbour was quiet", " opened", "a", "\n", "Velmari<e> sing", "<e>")


class TestStartTokens:
    """What a tokenizer puts before a text is put there, whole and once; the oracle is the tokenizer."""

    @pytest.fixture(params=STARTS)
    def tokenizer(self, request, gpt2_folder):
        tokenizer = AutoTokenizer.from_pretrained(gpt2_folder)
        tokenizer.add_special_tokens({"additional_special_tokens": ["<s1>", "<s2>", "<e>"]})
        special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s1>", "<s2>", "<e>")]
        tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
            single=STARTS[request.param], special_tokens=special
        )
        return tokenizer

    def test_a_prompt_begins_as_the_tokenizer_begins_it(self, tokenizer):
        """Nothing is left out before a text, and nothing is put after it."""
        end = tokenizer.convert_tokens_to_ids("<e>")
        for text in TEXTS:
            whole = tokenizer(text)["input_ids"]
            own = whole[:-1] if tokenizer("a")["input_ids"][-1] == end else whole

            assert list(Encoder(tokenizer).prompt(text).ids) == own

    def test_a_pair_begins_as_the_tokenizer_begins_it(self, tokenizer):
        """With a context, context and continuation are the tokens of the whole prompt."""
        encoder = Encoder(tokenizer)
        pair = encoder.pair("The harbour was", " quiet")

        assert pair.context + pair.continuation == encoder.prompt("The harbour was quiet").ids

    def test_an_empty_context_is_all_that_comes_before_a_text(self, tokenizer):
        """The first word is predicted from all start tokens; BOS alone is for tokenizers that put none."""
        encoder = Encoder(tokenizer)
        pair = encoder.pair("", "The harbour")
        before = encoder.prompt("The harbour")

        assert pair.context == (before.ids[: before.starts] or (tokenizer.bos_token_id,))
        assert pair.continuation == before.ids[before.starts :]
        assert encoder.prompt("").ids == pair.context

    def test_a_start_token_that_is_written_is_not_doubled(self, tokenizer):
        """A text that begins with start tokens, one or all of them, reads as the text without them."""
        encoder = Encoder(tokenizer)
        plain = encoder.prompt("The harbour")
        starts = tokenizer.convert_ids_to_tokens(plain.ids[: plain.starts])

        for written in (*starts, "".join(starts)):
            assert encoder.prompt(f"{written}The harbour").ids == plain.ids
            assert encoder.pair("", f"{written}The harbour") == encoder.pair("", "The harbour")
            assert encoder.pair(f"{written}The", " harbour") == encoder.pair("The", " harbour")

    def test_offsets_of_what_remains(self, tokenizer):
        """The tokens after the start tokens have their places in the text as it was given."""
        text = "<s1>The harbour"
        prompt = Encoder(tokenizer).prompt(text)
        places = [text[a:b] for a, b in prompt.offsets]

        assert len(prompt.ids) == prompt.starts + len(places)
        assert "".join(places).endswith("The harbour")


def test_a_tokenizer_that_cannot_be_understood_is_refused(gpt2_folder):
    """Where the start tokens cannot be told from the text's, no prompt is encoded at all."""
    tokenizer = AutoTokenizer.from_pretrained(gpt2_folder)

    class Odd:
        bos_token_id = eos_token_id = 0

        def __call__(self, text, *, add_special_tokens=True):
            return tokenizer(text if add_special_tokens else f"{text} harbour")

    with pytest.raises(TargetError, match=r"tokenizer\.json"):
        Encoder(Odd())


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
