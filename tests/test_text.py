"""No character acts on the screen unseen."""

from __future__ import annotations

import sys
import unicodedata
from xml.etree import ElementTree as ET

import pytest

from gptaudit.text import shorten, visible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, ümläut, 你好\n\ttab", "plain text, ümläut, 你好\n\ttab"),
        ("\x1b[2J", "⟨U+001B⟩[2J"),
        ("a\rb\x00\x7f\x9b", "a⟨U+000D⟩b⟨U+0000⟩⟨U+007F⟩⟨U+009B⟩"),
        ("\u202eabc\u2066", "⟨U+202E⟩abc⟨U+2066⟩"),
        ("in\u200bvisible\u00ad\ufeff", "in⟨U+200B⟩visible⟨U+00AD⟩⟨U+FEFF⟩"),
        ("\u2028\u2029", "⟨U+2028⟩⟨U+2029⟩"),
        ("\ud800\uffff\U0001fffe\ufdd0", "⟨U+D800⟩⟨U+FFFF⟩⟨U+1FFFE⟩⟨U+FDD0⟩"),
        ("\U000e0041\U000e0101\u3164", "⟨U+E0041⟩⟨U+E0101⟩⟨U+3164⟩"),
    ],
)
def test_a_hidden_character_is_written_as_its_code(text, expected):
    """Control, direction, zero-width and unencodable characters appear; others stay."""
    assert visible(text) == expected
    assert visible(expected) == expected


def test_every_character_can_be_written_and_none_controls():
    """Over all of Unicode, the outcome is UTF-8, XML, and free of controls and directions."""
    shown = visible("".join(map(chr, range(sys.maxunicode + 1))))

    assert shown.encode("utf-8").decode("utf-8") == shown
    assert {unicodedata.category(c) for c in shown if c not in "\n\t"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    element = ET.Element("a")
    element.text = shown
    assert ET.fromstring(ET.tostring(element)).text == shown  # noqa: S314 - our own document


@pytest.mark.parametrize(("text", "expected"), [("", ("", 0)), ("abc", ("abc", 0)), ("abcd", ("abc", 1))])
def test_a_long_text_is_cut_and_the_rest_counted(text, expected):
    """The limit itself is not cut."""
    assert shorten(text, 3) == expected
