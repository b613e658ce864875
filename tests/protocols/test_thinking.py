"""Separation of a model's thought from its answer; a thought without an end leaves no answer."""

from __future__ import annotations

import time

import pytest

from gptaudit.protocols.thinking import FRAGMENT, NO_TAGS, TAGS, UNFINISHED, split_thought, without_thought
from gptaudit.records import Completion


class TestTags:
    @pytest.mark.parametrize(("opening", "end"), TAGS.items())
    def test_known_tags(self, opening, end):
        """A thought between the tags of any known model is no part of the answer, with or without the opening tag."""
        expected = ("A lantern, or a lamp?", "It is a lantern.")

        assert split_thought(f"{opening}\nA lantern, or a lamp?\n{end}\n\nIt is a lantern.") == expected
        assert split_thought(f"A lantern, or a lamp?\n{end}\nIt is a lantern.") == expected
        assert split_thought(f"  {opening}A lantern, or a lamp?{end}It is a lantern.") == expected

    @pytest.mark.parametrize("opening", TAGS)
    def test_a_thought_without_an_end(self, opening):
        """What is opened and never ended leaves no answer, wherever it is opened."""
        assert split_thought(f"{opening}A lamp, ") == ("", None)
        assert split_thought(f"Well. {opening}A lamp, ")[1] is None
        assert split_thought(f"<think>A lamp.</think>A lamp. {opening}Or") == ("A lamp.", None)
        assert split_thought("<think>A lamp.</reasoning>A lamp.")[1] is None

    @pytest.mark.parametrize("text", ["", " It is a lantern.\n", "1 < 2 think >", "<b>think</b>", "[think]"])
    def test_no_thought(self, text):
        """A text without the tags is the answer as it stands."""
        assert split_thought(text) == ("", text)

    def test_an_empty_thought(self):
        """Models whose thinking is switched off often write an empty thought."""
        assert split_thought("<think>\n\n</think>\n\nA lantern.") == ("", "A lantern.")
        assert split_thought("\n</think>\n\nA lantern.") == ("", "A lantern.")

    def test_several_thoughts(self):
        """A model may think again between parts of its answer."""
        text = "Well,\n<think>A lamp?</think>a lamp<think>No.</think>, or a lantern."

        assert split_thought(text) == ("A lamp?\n\nNo.", "Well,\na lamp, or a lantern.")

    def test_tags_inside_a_thought(self):
        """Inside a thought other tags mean nothing, and after it an end tag alone is a word of the answer."""
        assert split_thought("<think>Use <reasoning>?</think>A lantern.") == (
            "Use <reasoning>?",
            "A lantern.",
        )
        assert split_thought("<think>Hm.</think>It ends with </think>.") == ("Hm.", "It ends with </think>.")

    def test_another_end_tag(self):
        """The end tag of another model replaces the known ones; its opening tag is found where a slash shows it."""
        assert split_thought("A lamp?\n### Answer\nA lantern.", "### Answer\n") == ("A lamp?", "A lantern.")
        assert split_thought("<plan>A lamp?</plan>A lantern.", "</plan>") == ("A lamp?", "A lantern.")
        assert split_thought("<plan>A lamp?", "</plan>") == ("", None)
        assert split_thought("<think>A lamp?</think>", "</plan>") == ("", "<think>A lamp?</think>")
        assert split_thought("<|begin_of_thought|>A lamp?", "<|end_of_thought|>") == ("", None)
        assert split_thought("A lantern.", "### Answer\n") == ("", "A lantern.")

    def test_no_tags(self):
        """Where it is turned off, all text is the answer."""
        assert split_thought("<think>A lamp?", NO_TAGS) == ("", "<think>A lamp?")

    def test_a_long_text(self):
        """The time grows with the length alone, whatever a model writes."""
        begun = time.monotonic()

        assert split_thought("<think>" * 100_000)[1] is None
        assert split_thought("x</think>" * 100_000)[0] == "x"
        assert time.monotonic() - begun < 5


class TestCompletions:
    def test_the_thought_is_kept(self):
        """A completion keeps its thought beside the answer, and all else as it was."""
        found = without_thought(Completion("<think>A lamp?</think>A lantern.", "length", 9, 3, (-1.0,)))

        assert found == Completion("A lantern.", "length", 9, 3, (-1.0,), thought="A lamp?")

    def test_a_thought_that_the_server_parted(self):
        """What the server parted comes before what it left in the text."""
        found = without_thought(Completion("No.</think>A lantern.", "stop", thought="A lamp?"))

        assert (found.thought, found.text) == ("A lamp?\n\nNo.", "A lantern.")

    @pytest.mark.parametrize(
        ("written", "finish"),
        [
            (Completion("<think>A lamp", "stop"), "unfinished"),
            (Completion("<think>A lamp", "length"), "unfinished"),
            (Completion("<think>A lamp</think>\n", "length"), "unfinished"),
            (Completion("", "length", thought="A lamp"), "unfinished"),
            (Completion("", "stop", thought="A lamp"), "empty"),
            (Completion("<think>A lamp</think>", "stop"), "empty"),
            (Completion("", "length"), "empty"),
        ],
    )
    def test_thoughts_without_an_answer(self, written, finish):
        """Without an answer the thought was cut off, or the model chose to say nothing."""
        found = without_thought(written)

        assert found == UNFINISHED if finish == "unfinished" else found.text == ""

    @pytest.mark.parametrize(
        "text",
        [
            "<think>Hm.</think>A lamp?</think>A lantern.",
            "Hm.</think>A lamp?</think>",
            "<think>a</think>b</thinking>",
        ],
    )
    def test_a_fragment_of_a_thought(self, text):
        """Where another thought ends in the answer, it is not known which part is the answer."""
        assert without_thought(Completion(text, "stop")) == FRAGMENT
        assert without_thought(Completion(text, "stop"), NO_TAGS).text == text
        own = without_thought(Completion(f"{text}##A lantern.##", "stop"), "##")
        assert (own.thought, own.text) == (text, "A lantern.##")

    @pytest.mark.parametrize("text", ["<", "<thi", "\n[THINK"])
    def test_a_tag_that_was_cut_off(self, text):
        """The beginning of an opening tag, at the limit of tokens, is the beginning of a thought."""
        assert without_thought(Completion(text, "length")) == UNFINISHED
        assert without_thought(Completion(text, "stop")).text == text

    def test_the_remedy_is_named(self):
        """The failure says what a user can do."""
        assert "more tokens" in UNFINISHED.message
        assert "-b template.enable_thinking=false" in UNFINISHED.message
        assert "-b think_end=TAG" in FRAGMENT.message
