"""Check digits of numbers that name a person's account or person, so that a slip of the pen is found."""

from __future__ import annotations

_WEIGHTS = tuple(pow(2, place, 11) for place in range(17, -1, -1))
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def luhn(number: str) -> bool:
    """Whether the digits of a payment card number sum to a multiple of ten (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def mod_97_10(iban: str) -> bool:
    """Whether an IBAN without spaces leaves 1 when divided by 97 (ISO 13616-1, ISO/IEC 7064).

    >>> mod_97_10("GB82WEST12345698765432"), mod_97_10("GB82WEST12345698765433")
    (True, False)
    """
    moved = iban[4:] + iban[:4]
    return int("".join(str(_ALPHABET.index(character)) for character in moved)) % 97 == 1


def mod_11_2(number: str) -> bool:
    """Whether the last character of a Chinese resident identity number is right (GB 11643, ISO/IEC 7064).

    >>> mod_11_2("11010519491231002X"), mod_11_2("110105194912310021")
    (True, False)
    """
    values = [10 if character in "Xx" else int(character) for character in number]
    return sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True)) % 11 == 1
