"""Windows: pieces of a text that end where sentences end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gptaudit.scorers.windows import sentences, windows

WORD = st.text(st.sampled_from("abcé中😀'"), min_size=1, max_size=6)
SENTENCE = st.builds(
    lambda words, end: " ".join(words) + end, st.lists(WORD, min_size=1, max_size=30), st.sampled_from(".!?")
)
TEXT = st.builds(" ".join, st.lists(SENTENCE, max_size=12))


@given(text=TEXT, words=st.integers(1, 25))
def test_windows_hold_every_word_once_in_order(text, words):
    """Together the windows are the text, and none has more words than allowed."""
    spans = windows(text, words)
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(len(text[a:b].split()) <= words for a, b in spans)


@given(text=TEXT, words=st.integers(1, 25))
def test_windows_end_where_sentences_end(text, words):
    """A window ends inside a sentence only if the sentence is longer than a window."""
    ends = {b for _, b in sentences(text)}
    longer = [(a, b) for a, b in sentences(text) if len(text[a:b].split()) > words]
    for _, end in windows(text, words):
        assert end in ends or not text or any(a < end < b for a, b in longer)


@given(text=TEXT, words=st.integers(1, 25))
def test_windows_are_few(text, words):
    """Two windows beside each other would not fit into one, unless parts of one long sentence are among them."""
    spans = windows(text, words)
    whole = all(len(text[a:b].split()) <= words for a, b in sentences(text))
    if whole and text:
        counts = [len(text[a:b].split()) for a, b in spans]
        assert len(spans) <= 2 * -(-sum(counts) // words)


def test_blank_text_is_one_window():
    """There is always a window to rate."""
    assert windows("", 5) == [(0, 0)]
    assert windows(" \n ", 5) == [(0, 3)]


def test_any_text_can_be_cut():
    """Other line ends, no spaces at all, Chinese full stops."""
    assert windows("one\r\ntwo\r\n", 1) == [(0, 5), (5, 10)]
    assert windows("x" * 9000, 5) == [(0, 9000)]
    assert sentences("\u4f60\u597d\u3002\u518d\u89c1") == [(0, 3), (3, 5)]
