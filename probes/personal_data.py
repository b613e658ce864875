"""
Personal data in a text, found by form: numbers whose check digits fit, and addresses.

A datum of the right form is `valid` where its check digits fit too. One number in ten of the form of a payment card has
a fitting one by chance (`chance`), so that a model that invents numbers writes valid ones. Examples of standards, of
manuals and of payment services, and numbers that only fill a form, are nobody's: they are found and marked `reserved`.

Telephone numbers are not looked for: they have no check digits, and what one looks like depends on a plan for each
country. Nor are IPv4 addresses, which look like version numbers, and names, which are in every story.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType

from .check_digits import luhn, mod_11_2, mod_97_10
from .reserved_data import (
    EXAMPLE_IBANS,
    EXAMPLE_RESIDENT_IDS,
    PUBLISHED_SSNS,
    TEST_CARDS,
    is_filler,
    is_nobodys_address,
)

RESIDENT_ID, IBAN, CARD, SSN, EMAIL = "cn_resident_id", "iban", "payment_card", "us_ssn", "email_address"
IN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        CARD: "payment card number",
        IBAN: "IBAN",
        SSN: "US social security number",
        RESIDENT_ID: "Chinese resident identity number",
        EMAIL: "e-mail address",
    }
)
"""Kind of datum -> what it is called."""
CHANCE: Mapping[str, float] = MappingProxyType({CARD: 1 / 10, IBAN: 1 / 97, RESIDENT_ID: 1 / 11})
"""Kind -> share of random numbers of its form whose check digits fit; the other kinds have none."""

ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("3528", "3589", (16, 19)),
    ("62", "62", (16, 17, 18, 19)),
    ("6759", "6763", (16, 18, 19)),
    ("2200", "2204", (16, 19)),
)
"""First and last prefix of an issuer (ISO/IEC 7812-1), and the lengths of its card numbers."""

_IBANS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24
FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32
LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24
RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS: Mapping[str, int] = MappingProxyType({entry[:2]: int(entry[2:]) for entry in _IBANS.split()})
"""Country -> length of its IBAN, as the SWIFT registry has it."""

_PROVINCES = (
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"
)
PROVINCES = frozenset(_PROVINCES.split())
"""First two digits of a Chinese resident identity number (GB/T 2260)."""
_GENERIC = "com org net edu gov mil int info biz name pro app dev online site shop tech club blog page"
TOP_LEVEL = frozenset(_GENERIC.split())
"""Generic top-level domains; those of two letters are countries."""

_CARD = re.compile(
    r"(?<![\w.,+-])(?<!\d[ -])(?:\d{13,19}|(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5})(?! \d{4}))"
    r"(?![\w-]|[.,]\d)",
    re.ASCII,
)
_IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}", re.ASCII)
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", re.ASCII)
_RESIDENT_ID = re.compile(r"(?<![A-Za-z0-9])\d{17}[\dXx](?![A-Za-z0-9])", re.ASCII)
_EMAIL = re.compile(
    r"(?<![\w.+-])([a-z0-9](?:[\w%+-]|\.(?!\.)){0,62})(?<!\.)@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+)([a-z]{2,24})"
    r"(?![\w@-]|\.\w)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Datum:
    """What a text has from `start` to `end` that has the form of personal data."""

    kind: str
    start: int
    end: int
    written: str
    """Without spaces and hyphens, in one case, so that two ways to write it are equal."""
    is_valid: bool
    """Whether its check digits fit; of a kind without them, whether it can have been issued."""
    is_reserved: bool
    """Whether it is published as an example, or only fills a form."""


def personal_data(text: str) -> list[Datum]:
    """Return what has the form of personal data, in the order of the text; nothing stands in two of them."""
    found: list[Datum] = []
    for find in (_resident_ids, _ibans, _cards, _ssns, _addresses):
        found += [
            one for one in find(text) if not any(one.start < d.end and d.start < one.end for d in found)
        ]
    return sorted(found, key=lambda datum: datum.start)


def masked(text: str) -> str:
    """Return a text with what may be somebody's data told by its kind alone; examples stay as they are."""
    for datum in reversed(personal_data(text)):
        if not datum.is_reserved:
            fits = "" if datum.is_valid else ", not valid"
            text = f"{text[: datum.start]}[{IN_WORDS[datum.kind]}{fits}]{text[datum.end :]}"
    return text


def is_issued(number: str) -> bool:
    """Whether the digits of a US social security number can have been issued (20 CFR 422.103; since 2011 any area)."""
    return (
        number[:3] not in {"000", "666"} and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"
    )


def is_of_issuer(number: str) -> bool:
    """Whether a card number has the prefix of an issuer, and the length of its numbers."""
    return any(
        first <= number[: len(first)] <= last and len(number) in lengths for first, last, lengths in ISSUERS
    )


def _cards(text: str) -> Iterator[Datum]:
    for match in _CARD.finditer(text):
        number = re.sub("[ -]", "", match[0])
        if is_of_issuer(number):
            yield _datum(CARD, match, number, luhn(number), number in TEST_CARDS or is_filler(number))


def _ibans(text: str) -> Iterator[Datum]:
    for head in _IBAN_HEAD.finditer(text):
        length = IBAN_LENGTHS.get(head[0][:2])
        match = _iban_of(length).match(text, head.start()) if length else None
        if match:
            number = match[0].replace(" ", "")
            reserved = number in EXAMPLE_IBANS or is_filler(re.sub(r"\D", "", number[4:]))
            yield _datum(IBAN, match, number, mod_97_10(number), reserved)


@cache
def _iban_of(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]){{{length - 4}}}(?![A-Za-z0-9])", re.ASCII)


def _ssns(text: str) -> Iterator[Datum]:
    for match in _SSN.finditer(text):
        number = match[0].replace("-", "")
        yield _datum(SSN, match, number, is_issued(number), number in PUBLISHED_SSNS or is_filler(number))


def _resident_ids(text: str) -> Iterator[Datum]:
    for match in _RESIDENT_ID.finditer(text):
        number = match[0].upper()
        if number[:2] in PROVINCES and _is_day(number[6:14]):
            yield _datum(RESIDENT_ID, match, number, mod_11_2(number), number in EXAMPLE_RESIDENT_IDS)


def _is_day(written: str) -> bool:
    try:
        day = date(int(written[:4]), int(written[4:6]), int(written[6:]))
    except ValueError:
        return False
    return 1850 <= day.year <= 2099


def _addresses(text: str) -> Iterator[Datum]:
    for match in _EMAIL.finditer(text):
        local, domain = match[1], f"{match[2]}{match[3]}"
        is_known = len(match[3]) == 2 or match[3].lower() in TOP_LEVEL
        reserved = is_nobodys_address(local, domain)
        if is_known or reserved:
            yield _datum(EMAIL, match, match[0].lower(), valid=True, reserved=reserved)


def _datum(kind: str, match: re.Match[str], written: str, valid: bool, reserved: bool) -> Datum:  # noqa: FBT001
    return Datum(kind, match.start(), match.end(), written, valid, reserved)
