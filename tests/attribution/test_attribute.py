"""`attribute` and its record: conversations, words, what a notebook shows."""

from __future__ import annotations

import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.attribution import attribute
from gptaudit.records import Message
from gptaudit.records.words import words_of

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}> {{ m['content'] }}\n{% endfor %}<assistant>"


@pytest.fixture
def opened(llama_folder):
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    tokenizer.chat_template = TEMPLATE
    return AutoModelForCausalLM.from_pretrained(llama_folder), tokenizer


def test_a_conversation_is_explained_by_its_messages(opened):
    """The template's own tokens and the system message stay as they are, and have no score."""
    conversation = (Message("system", "Be short."), Message("user", "She opened a window"))
    found = attribute(*opened, conversation, " w", " b", "feature_ablation")
    offsets = found.attribution.offsets

    assert found.prompt == "<system> Be short.\n<user> She opened a window\n<assistant>"
    explained = found.prompt[offsets[0][0] : offsets[-1][1]]
    assert explained.strip() == "She opened a window"
    assert "".join(word.text for word in found.words).split() == ["She", "opened", "a", "window"]


def test_spaces_at_the_end_go_to_the_target(opened):
    """A prompt that ends with a space is the prompt without it, and a target with it."""
    one = attribute(*opened, "She opened ", "w", "b")
    other = attribute(*opened, "She opened", " w", " b")

    assert one.attribution.scores == pytest.approx(other.attribution.scores, abs=1e-6)


def test_the_record_is_json_and_html(opened):
    """Both hold every word; hostile text is escaped."""
    found = attribute(*opened, "She opened <b>it</b>", " w", " b")
    read = json.loads(found.to_json())

    assert sum(word["score"] for word in read["words"]) == pytest.approx(sum(found.attribution.scores))
    assert "&lt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()


@pytest.mark.parametrize(
    ("text", "cuts", "expected"),
    [
        ("The carpenter.", (3, 7, 10, 13, 14), ["The", " carpenter", "."]),
        ("it's", (2, 3, 4), ["it", "'", "s"]),
        ("护士说", (1, 2, 3), ["护", "士", "说"]),
    ],
)
def test_words_lie_as_their_tokens(text, cuts, expected):
    """Tokens within one run of letters are a word, and its score is their sum."""
    offsets = list(zip((0, *cuts), cuts, strict=False))
    found = words_of([text[a:b] for a, b in offsets], offsets, [1.0] * len(cuts))

    assert [word.text for word in found] == expected
    assert sum(word.score for word in found) == len(cuts)


def test_a_character_of_several_tokens_is_one_word():
    """Bytes of one character have the same place."""
    found = words_of(["é", "é", "x"], [(0, 1), (0, 1), (1, 2)], [1.0, 2.0, 4.0])

    assert [(word.text, word.score) for word in found] == [("éx", 7.0)]
