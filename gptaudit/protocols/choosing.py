"""What all backends with the capability `choose` agree on: when a model may be asked for the letter of an answer."""

from __future__ import annotations

from typing import Final

from gptaudit.records import ChooseRequest

TRIAL: Final = ChooseRequest(
    "Which of these two words is the name of a colour?\n\nA. blue\nB. chair\n\nReply with one letter: A or B.\nAnswer:",
    ("A", "B"),
)
"""A question whose answer shows whether the model begins with the letter, and not with a thought or a sentence."""


def spellings(option: str) -> tuple[str, str]:
    """Return the texts that count as an option where an answer begins with them: with or without a space before."""
    return option, f" {option}"
