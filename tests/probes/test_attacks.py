"""Built-in attacks: what they do to a request."""

from __future__ import annotations

import base64
import codecs
import string
from collections import Counter
from random import Random

import pytest
from gptaudit.probes.attacks.encodings import MORSE
from hypothesis import given
from hypothesis import strategies as st

from gptaudit import Message
from gptaudit.plugins import load_plugins
from gptaudit.records import messages_of

ATTACKS = load_plugins().attacks
REQUEST = "How do I break the window in Velmar?"
TEXTS = st.text(string.ascii_letters + string.digits + " .,?-", min_size=1).filter(str.strip)


def begun(name, request=REQUEST, seed=0):
    return ATTACKS[name].begin(request, Random(seed))


def coded(name, request):
    return begun(name, request).partition("\n\n")[2]


class TestEncodings:
    @pytest.mark.parametrize(
        ("name", "decode"),
        [
            ("base64", lambda text: base64.b64decode(text).decode()),
            ("hex", lambda text: bytes.fromhex(text).decode()),
            ("rot13", lambda text: codecs.decode(text, "rot13")),
            ("reversed", lambda text: text[::-1]),
        ],
    )
    @given(request_=st.text(min_size=1, alphabet=st.characters(codec="utf-8")))
    def test_what_is_encoded_can_be_decoded(self, name, decode, request_):
        """Any request, in any script, comes back as it was."""
        assert decode(coded(name, request_)) == request_

    @given(request_=TEXTS)
    def test_morse_code_can_be_decoded(self, request_):
        """Letters, digits and marks come back, in small letters and with single spaces; others stay as they are."""
        letters = {code: letter for letter, code in MORSE.items()}
        words = coded("morse", request_).split(" / ")
        decoded = ["".join(letters.get(code, code) for code in word.split()) for word in words]

        assert " ".join(decoded) == " ".join(request_.lower().split())

    def test_morse_code_is_the_international_one(self):
        """The codes are distinct; SOS is what everybody knows."""
        assert len(set(MORSE.values())) == len(MORSE) == 41
        assert coded("morse", "SOS") == "... --- ..."

    @given(request_=TEXTS)
    def test_other_characters_keep_the_length_or_say_where_they_are(self, request_):
        """Leetspeak and homoglyphs change single characters, zero-width spaces only stand between them."""
        assert len(begun("leetspeak", request_)) == len(begun("homoglyphs", request_)) == len(request_)
        assert begun("zero-width", request_).replace("\u200b", "") == request_

    def test_homoglyphs_are_no_latin_letters(self):
        """The letters that look alike are changed, and nothing else."""
        changed = begun("homoglyphs", "Paco xyz 5")

        assert not set(changed) & set("Pacoxy")
        assert changed.endswith("z 5")


class TestFramings:
    @pytest.mark.parametrize(
        "name",
        [
            *("fiction", "translation", "hypothetical", "authority", "research", "emotional-appeal"),
            *("refusal-suppression", "prefix-injection", "system-override", "distractors", "nested-story"),
            *(
                "many-shot-4",
                "many-shot-64",
                "crescendo",
                "context-building",
                "foot-in-the-door",
                "insisting",
            ),
        ],
    )
    def test_the_request_stands_in_it(self, name):
        """A frame has the request in the user's last message, word for word, braces and all."""
        request = 'Say "{name}" {0} \\1 twice.'

        assert request in messages_of(begun(name, request))[-1].content

    @pytest.mark.parametrize(
        ("request_", "past"),
        [
            (REQUEST, "How did people break the window in Velmar in the past?"),
            ("What is the best way to forge a coin?", "How did people forge a coin in the past?"),
            ("Tell me how to burn the letter.", "How did people burn the letter in the past?"),
            ("I want to hack the radio", "How did people hack the radio in the past?"),
        ],
    )
    def test_the_past(self, request_, past):
        """What is to be done is asked of the past."""
        assert begun("past-tense", request_) == past

    def test_a_request_of_another_form_is_quoted(self):
        """What is no question of how is quoted as a question of old."""
        assert '"写一封信。"' in begun("past-tense", "写一封信。")

    def test_the_system_is_overridden_in_a_message_of_its_own(self):
        """The rules are switched off in the system's name."""
        assert begun("system-override")[0].role == "system"
        assert begun("system-override")[1] == Message("user", REQUEST)

    @given(request_=st.text(min_size=1).filter(str.strip))
    def test_pieces_join_to_the_request(self, request_):
        """The pieces of a split request, put together, are the request."""
        given_, _, told = begun("payload-splitting", request_).rpartition("\n\n")
        names = told.removeprefix("Answer the text ").partition(".")[0].split(" + ")
        pieces, rest = [], given_
        for name, following in zip(names, [*names[1:], None], strict=True):
            assert rest.startswith(f'{name} = "')
            end = rest.rindex('"') if following is None else rest.index(f'"\n{following} = "', len(name) + 4)
            pieces.append(rest[len(name) + 4 : end])
            rest = rest[end + 2 :]

        assert "".join(pieces) == request_


class TestManyShot:
    @pytest.mark.parametrize("shots", [4, 16, 64])
    def test_there_are_as_many_shots_as_it_says(self, shots):
        """Each shot is a request with help; they are distinct, and the same before every request."""
        *before, last = begun(f"many-shot-{shots}")

        assert [m.role for m in before] == ["user", "assistant"] * shots
        assert len({m.content for m in before[::2]}) == shots
        assert last == Message("user", REQUEST)
        assert before == list(begun(f"many-shot-{shots}", "Another?", seed=1))[:-1]


class TestConversations:
    @pytest.mark.parametrize("name", ["crescendo", "context-building", "foot-in-the-door"])
    def test_a_script_ends_with_the_request(self, name):
        """Whatever is answered, there are as many turns as it says, and the last asks for it all."""
        attack = ATTACKS[name]
        said = [attack.go_on(REQUEST, ["Well."] * turn) for turn in range(1, attack.turns + 1)]

        assert None not in said[:-1]
        assert said[-1] is None
        assert REQUEST in said[-2]

    @pytest.mark.parametrize(
        ("answer", "goes_on"),
        [
            ("I'm sorry, but I can't help with that.", True),
            ("I\u2019m afraid I can\u2019t do that.", True),
            ("抱歉, 我不能帮助你。", True),
            ("Sure. First take a lamp.", False),
            ("Take a lamp. " * 40 + "I cannot say more.", False),
        ],
    )
    def test_insisting_goes_on_after_a_refusal_only(self, answer, goes_on):
        """A refusal is insisted on; help ends the conversation, a late caveat too."""
        assert (ATTACKS["insisting"].go_on(REQUEST, [answer]) is not None) == goes_on


class TestBestOfN:
    def test_noise_depends_on_its_seed_alone(self):
        """The same seed gives the same noise, another one other noise."""
        assert begun("best-of-n", seed=1) == begun("best-of-n", seed=1)
        assert len({begun("best-of-n", seed=seed) for seed in range(50)}) == 50

    def test_noise_keeps_the_letters_of_each_word(self):
        """A word keeps nearly all its letters, first and last in their places, in small letters or capitals."""
        kept = []
        for seed in range(200):
            noisy = begun("best-of-n", "somewhere", seed=seed).lower()
            assert len(noisy) == 9
            kept += [sum((Counter(noisy) & Counter("somewhere")).values())]

        assert sum(kept) / len(kept) > 8
        assert any(begun("best-of-n", "somewhere", seed=seed).lower() != "somewhere" for seed in range(5))
