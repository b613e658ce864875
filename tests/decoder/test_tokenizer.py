from __future__ import annotations

import random

import pytest
from transformers import AutoTokenizer

from gptaudit.decoder.tokenizer import END_OF_TEXT, PAD, train_tokenizer

TEXT = ["The nurse sang, and the children sang.\n\nThe nurse slept."] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXT, vocab_size=300, context=64)


def strings():
    rng = random.Random(0)
    yield from (
        "",
        " ",
        "?",
        "  two  spaces ",
        "tab\tnewline\r\n",
        "é € 語 🦆 👩‍👧",
        "\0\x7f\x80",
        "don't . , !",
    )
    for top in (0x80, 0x800, 0x110000):
        for _ in range(50):
            points = (rng.randrange(top) for _ in range(30))
            yield "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000)


def test_every_string_comes_back(tokenizer):
    """Decoding what was encoded gives the same string, for any characters, seen in training or not."""
    for text in strings():
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids) == text


def test_every_byte_has_a_token(tokenizer):
    """The vocabulary is 256 bytes, two special tokens and merges, so nothing is unknown."""
    assert len([token for token in tokenizer.get_vocab() if len(token) == 1]) == 256
    assert tokenizer.unk_token is None
    assert 258 < len(tokenizer) <= 300


def test_frequent_words_are_one_token(tokenizer):
    """Training merges frequent words; a word that was never seen is split."""
    assert tokenizer.tokenize(" nurse") == ["Ġnurse"]
    assert len(tokenizer.tokenize(" zyxwv")) > 3


def test_special_tokens(tokenizer, tmp_path):
    """A text starts with end-of-text, padding is on the left, and saving keeps both and the context."""
    tokenizer.save_pretrained(tmp_path)
    for each in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        ids = each("The nurse").input_ids
        padded = each(["The nurse", "The nurse sang"], padding=True).input_ids

        assert (each.bos_token, each.eos_token, each.pad_token) == (END_OF_TEXT, END_OF_TEXT, PAD)
        assert ids[0] == each.bos_token_id
        assert END_OF_TEXT not in each.decode(ids[1:])
        assert padded[0] == [each.pad_token_id, *ids]
        assert each.model_max_length == 64
