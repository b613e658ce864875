"""Answers in a chat: the thought is kept apart, the template gets its variables, and an answer has room to end."""

from __future__ import annotations

import shutil

import pytest
from transformers import AddedToken, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.chat import Chat
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.errors import TargetError
from gptaudit.protocols.thinking import UNFINISHED
from gptaudit.records import Completion, GenerateRequest, Sampling

PLAIN = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
THINKING = PLAIN + "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"


@pytest.fixture
def chat(llama_folder):
    """Return a function that makes a chat of a template."""

    def make(text, **given):
        tokenizer = AutoTokenizer.from_pretrained(llama_folder)
        tokenizer.chat_template = text
        return Chat(tokenizer, **given)

    return make


def wrote(text, finish="stop"):
    return Completion(text, finish, tokens=9)


def test_a_thought_that_the_template_opens(chat):
    """After a prompt that ends with an opening tag, the text up to the end tag is a thought; without one, all of it."""
    opened = chat(THINKING)
    ended = opened.answer(wrote("A lamp?\n</think>\nA lantern."))

    assert (ended.thought, ended.text) == ("A lamp?", "A lantern.")
    assert opened.answer(wrote("A lamp? It may be", "length")) == UNFINISHED
    assert opened.answer(wrote("A lamp.")) == UNFINISHED


def test_a_variable_turns_thinking_off(chat):
    """The template reads the variable, and the whole text is then the answer."""
    off = chat(THINKING, template={"enable_thinking": False})

    assert off.render("Hello") == "Hello\n"
    assert off.answer(wrote("A lamp.")) == wrote("A lamp.")
    assert off.details["template"] == {"enable_thinking": False}
    assert off.identity != chat(THINKING).identity


def test_the_end_tag_of_another_model(chat):
    """The option names a tag that is not among the known ones; `none` makes everything the answer."""
    named = chat(PLAIN, think_end="</plan>").answer(wrote("<plan>A lamp?</plan>A lantern."))
    opened = chat(PLAIN + "<plan>", think_end="</plan>").answer(wrote("A lamp?</plan>A lantern."))
    whole = chat(THINKING, think_end="none").answer(wrote("A lamp?</think>A lantern."))

    assert (named.thought, named.text) == (opened.thought, opened.text) == ("A lamp?", "A lantern.")
    assert (whole.thought, whole.text) == ("", "A lamp?</think>A lantern.")


def test_a_variable_that_is_no_variable(chat):
    """The name of an argument of the rendering itself is refused."""
    with pytest.raises(TargetError, match="cannot render the messages"):
        chat(PLAIN, template={"tokenize": True})


@pytest.fixture
def folder(tmp_path, llama_folder):
    folder = tmp_path / "chat"
    shutil.copytree(llama_folder, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = PLAIN
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_an_answer_goes_to_the_end_of_the_window(folder):
    """A limit beyond the window ends the answer there as cut off; a text that is to be continued so far is refused."""
    asked = GenerateRequest("The harbour", Sampling(10_000, temperature=0))
    (answer,) = open_hf(folder, HuggingFaceOptions(chat=True)).generate([asked], seed=0)
    plain = open_hf(folder, HuggingFaceOptions())
    (refused,) = plain.generate([asked], seed=0)

    assert answer.prompt_tokens + answer.tokens == plain.details["context"]
    assert answer.finish == "length"
    assert refused.reason == "too-long"


def test_options_without_a_chat(folder):
    """What only a chat template reads is refused without one."""
    for given in ({"template": {"a": 1}}, {"think_end": "</plan>"}):
        with pytest.raises(TargetError, match="add chat=true"):
            open_hf(folder, HuggingFaceOptions(**given))


@pytest.mark.parametrize("special", [False, True])
def test_tags_that_are_special_tokens(chat, llama_folder, special):
    """A tag that the tokenizer counts as a special token still separates the thought; other special tokens go."""
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    tags = [AddedToken(tag, special=special, normalized=False) for tag in ("<think>", "</think>")]
    tokenizer.add_tokens(tags, special_tokens=special)
    tokenizer.add_tokens([AddedToken("<|turn|>", special=True)], special_tokens=True)
    prompt = tokenizer("The harbour", add_special_tokens=False)["input_ids"]
    new = tokenizer("<think>the boat</think>the harbour<|turn|>", add_special_tokens=False)["input_ids"]

    opened = chat(PLAIN)
    decoded = Encoder(tokenizer, opened.tags).decode_continuation(prompt, new)
    found = opened.answer(wrote(decoded))

    assert (found.thought, found.text.strip()) == ("the boat", "the harbour")
    assert "<think>" not in Encoder(tokenizer).decode(new) or not special
