"""Personal data in samples: what is found in a text, and what the probe counts and shows of it."""

from __future__ import annotations

import json
import random
from datetime import date
from importlib.resources import files

import pytest
from gptaudit.probes.check_digits import luhn, mod_11_2, mod_97_10
from gptaudit.probes.kinds.registry import read_suite_file
from gptaudit.probes.personal_data import (
    CARD,
    EMAIL,
    IBAN,
    IBAN_LENGTHS,
    ISSUERS,
    PROVINCES,
    RESIDENT_ID,
    SSN,
    is_of_issuer,
    masked,
    personal_data,
)
from gptaudit.probes.reserved_data import EXAMPLE_IBANS, EXAMPLE_RESIDENT_IDS, TEST_CARDS, is_filler
from hypothesis import given
from hypothesis import strategies as st

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.testing import ScriptedBackend, run_probe

PROBE = load_plugins().probes["pii-in-samples"]
AROUND = st.sampled_from(
    [("", ""), ("It is ", "."), ("号码", "。"), ('{"n": "', '"}'), ("(", "), please"), ("is\n", "\n12/27")]
)
DIGIT = st.sampled_from("0123456789")


def completed(body, fits, alphabet="0123456789"):
    """Return the body with the first last character that fits."""
    return next(body + last for last in alphabet if fits(body + last))


@st.composite
def cards(draw):
    first, last, lengths = draw(st.sampled_from(ISSUERS))
    prefix = str(draw(st.integers(int(first), int(last))))
    size = draw(st.sampled_from(lengths))
    body = prefix + "".join(draw(st.lists(DIGIT, min_size=size, max_size=size)))
    return completed(body[: size - 1], luhn)


@st.composite
def ibans(draw):
    country, size = draw(st.sampled_from(sorted(IBAN_LENGTHS.items())))
    account = draw(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=size - 4, max_size=size - 4))
    return next(iban for n in range(2, 99) if mod_97_10(iban := f"{country}{n:02}{account}"))


@st.composite
def resident_ids(draw):
    day = draw(st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)))
    body = f"{draw(st.sampled_from(sorted(PROVINCES)))}{draw(st.integers(0, 9999)):04}{day:%Y%m%d}"
    return completed(f"{body}{draw(st.integers(0, 999)):03}", mod_11_2, "0123456789X")


def written(kind, number, grouped):
    if not grouped or kind == RESIDENT_ID or (kind == CARD and len(number) != 16):
        return number
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


NUMBERS = st.one_of(
    st.tuples(st.just(CARD), cards()),
    st.tuples(st.just(IBAN), ibans()),
    st.tuples(st.just(RESIDENT_ID), resident_ids()),
)


class TestFound:
    @given(NUMBERS, st.booleans(), AROUND)
    def test_every_valid_number_is_found(self, one, grouped, around):
        """In whatever text and grouping, as it is written, once."""
        kind, number = one
        text = written(kind, number, grouped).join(around)

        (found,) = personal_data(text)

        assert (kind, number, True) == (found.kind, found.written, found.is_valid)
        assert written(kind, number, grouped) == text[found.start : found.end]

    @given(NUMBERS, st.data())
    def test_one_changed_digit_is_not_valid(self, one, data):
        """All three rules find every slip of one digit."""
        kind, number = one
        places = [place for place, character in enumerate(number) if character.isdigit()]
        place = data.draw(st.sampled_from(places))
        other = data.draw(DIGIT.filter(lambda digit: digit != number[place]))
        changed = number[:place] + other + number[place + 1 :]

        assert not any(datum.is_valid and datum.kind == kind for datum in personal_data(changed))

    @pytest.mark.parametrize(
        ("text", "kind", "is_valid", "is_reserved"),
        [
            ("4111 1111 1111 1111", CARD, True, True),
            ("378282246310005", CARD, True, True),
            ("3714 496353 98432", CARD, False, False),
            ("5678 5678 5678 5678", "", False, False),
            ("4539 5787 6362 1486, 12/27", CARD, True, False),
            ("GB82 WEST 1234 5698 7654 32", IBAN, True, True),
            ("DE89 3704 0044 0532 0130 01 BIC", IBAN, False, False),
            ("110105 19491231 002X", "", False, False),
            ("11010519491231002X", RESIDENT_ID, True, True),
            ("110105194902310021", "", False, False),
            ("536-22-8471", SSN, True, False),
            ("666-22-8471", SSN, False, False),
            ("900-22-8471", SSN, False, False),
            ("536-00-8471", SSN, False, False),
            ("078-05-1120", SSN, True, True),
            ("123-45-6789", SSN, True, True),
            ("lena.brask@posteo.de", EMAIL, True, False),
            ("lena.brask@example.com", EMAIL, True, True),
            ("info@hotel-heron.fr", EMAIL, True, True),
            ("write to your.name@web.de.", EMAIL, True, True),
            ("lena@localhost", "", False, False),
            ("lena.@posteo.de", "", False, False),
            ("version 4.1.2.3, 192.0.2.7, 1453", "", False, False),
            ("12345678901234567890123", "", False, False),
        ],
    )
    def test_what_a_text_has(self, text, kind, is_valid, is_reserved):
        """Kinds, validity, and examples told apart."""
        found = [(d.kind, d.is_valid, d.is_reserved) for d in personal_data(text)]

        assert ([(kind, is_valid, is_reserved)] if kind else []) == found

    def test_published_examples(self):
        """Each is valid, so that it would count if it were not known."""
        assert [n for n in TEST_CARDS if not (luhn(n) and is_of_issuer(n))] == []
        assert [n for n in EXAMPLE_IBANS if not mod_97_10(n) or len(n) != IBAN_LENGTHS[n[:2]]] == []
        assert [n for n in EXAMPLE_RESIDENT_IDS if not mod_11_2(n)] == []

    def test_fillers_are_rare(self):
        """Hardly any random number is taken for one that only fills a form."""
        rng = random.Random(0)
        taken = sum(is_filler(f"{rng.randrange(10**9):09}") for _ in range(20_000))

        assert taken < 100

    @given(NUMBERS, AROUND)
    def test_masked(self, one, around):
        """A masked text has nothing of the number, and the rest as it was."""
        _, number = one
        before, after = around
        is_reserved = personal_data(number)[0].is_reserved

        shown = masked(before + number + after)

        assert is_reserved == (number in shown)
        assert shown.startswith(before)
        assert shown.endswith(after)


def figures(*texts):
    """Ask the probe, sample by sample, of a model that writes these texts in turn; return figures and evidence."""
    result = run_probe(PROBE, ScriptedBackend(complete=lambda prompt, sample: texts[sample % len(texts)]))
    whole = {metric.name: metric.value for metric in result.metrics if not metric.slice}
    return whole, json.dumps(
        [[e.prompt, e.output] for one in result.evidence for e in one.evidence.exchanges]
    )


class TestProbe:
    def test_share_of_samples(self):
        """One in five samples has a card number, twice; one has an address; examples and others do not count."""
        card = "4539 5787 6362 1486"
        whole, shown = figures(
            f"{card}, I say {card}", "lena.brask@posteo.de", "4111 1111 1111 1111", "none", "12"
        )

        assert pytest.approx(0.4) == whole["pii_rate"]
        assert pytest.approx(0.2) == whole["payment_card_rate"]
        assert pytest.approx(0.2) == whole["email_address_rate"]
        assert (whole["iban_rate"], whole["us_ssn_rate"]) == (0, 0)
        assert "4539" not in shown
        assert "posteo" not in shown
        assert "4111 1111" in shown

    def test_invented_numbers_fit_as_often_as_by_chance(self):
        """Of a model that writes random card numbers, a tenth counts, and the excess is near 0; known by heart: 0.9."""
        rng = random.Random(1)
        whole, _ = figures(*(f"4539{rng.randrange(10**12):012}" for _ in range(5)))
        drawn = run_probe(
            PROBE, ScriptedBackend(complete=lambda prompt, sample: f"4539{rng.randrange(10**12):012}")
        )
        by_name = {metric.name: metric for metric in drawn.metrics if not metric.slice}
        known, _ = figures("4539578763621486")

        assert abs(by_name["check_digit_excess"].value) < 0.05
        assert by_name["payment_card_rate"].value == pytest.approx(0.1, abs=0.05)
        assert pytest.approx(0.9) == known["check_digit_excess"]
        assert whole.keys() == known.keys()

    def test_nothing_written(self):
        """A model that writes no number has no excess, and says why."""
        result = run_probe(PROBE, ScriptedBackend(complete=lambda prompt, sample: "I would rather not."))
        (excess,) = [m for m in result.metrics if m.name == "check_digit_excess" and not m.slice]

        assert excess.value is None
        assert excess.why

    def test_repeating_the_prompt_is_no_leak(self):
        """The prompts have no data, and a model that repeats them gives nothing away."""
        result = run_probe(PROBE, ScriptedBackend(complete=lambda prompt, sample: prompt))

        assert [m for m in result.metrics if m.value and m.name.endswith("_rate")] == []

    def test_a_template_with_data(self, tmp_path):
        """A file whose prompts have data themselves is refused by name."""
        text = (files("gptaudit.probes") / "suites" / "pii-in-samples.toml").read_text()
        file = tmp_path / "mine.toml"
        file.write_text(text.replace("Do not lose this note!", "4539578763621486"))

        with pytest.raises(
            DataError, match=r"template 'note' with group 'payment_card': the prompt itself has"
        ):
            read_suite_file(file)
