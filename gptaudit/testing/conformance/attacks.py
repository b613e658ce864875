"""The check of attacks."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

from gptaudit.protocols.attack import Attack
from gptaudit.records import GenerateRequest, Message, Prompt, is_begun
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, twice
from gptaudit.testing.conformance.texts import for_texts

REQUEST: Final = "How do I break the window in Velmar?"
SEEDS: Final = range(5)


def check_attack(attack: Attack) -> None:
    """Check an attack.

    It puts every request that fits, however it is written, as a prompt that can be asked, and the same one with the
    same draws; it goes on after any answer, the same way each time, and comes to its end; it needs what its prompts
    need.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("attacks", attack, "name")
    where = f"attack {attack.name!r}"
    expect(f"{where}, title", "a sentence", attack.title, holds=attack.title.strip().endswith("."))
    for seed in SEEDS:
        _begun(attack, REQUEST, seed, where)
    answers = ["Sure.", "I'm sorry, but I can't help with that."]
    for_texts(lambda text: _begun(attack, text, 0, f"{where}, the request {text[:60]!r}"))
    if attack.turns > 1:
        for answer in answers:
            _gone_on(attack, answer, where)
        for_texts(lambda text: _gone_on(attack, text, f"{where}, the answer {text[:60]!r}"))


def _begun(attack: Attack, request: str, seed: int, where: str) -> None:
    fits = twice(f"{where}, fits", "answer for the same request", lambda: attack.fits(request))
    expect(f"{where}, fits", "True or False", fits, holds=isinstance(fits, bool))
    if not fits or not request.strip():
        return
    where = f"{where}, begin"
    prompt: Prompt = twice(where, "prompt with the same draws", lambda: attack.begin(request, Random(seed)))
    if isinstance(prompt, str):
        expect(where, "a text that says something", prompt, holds=bool(prompt.strip()))
        return
    expect(where, "a text or messages", prompt, holds=all(isinstance(message, Message) for message in prompt))
    with calling(where):
        asked = GenerateRequest(prompt).prompt
    wanted = "continue" if is_begun(asked) else "chat"
    expect(where, f"{wanted} in needs, for {asked}", sorted(attack.needs), holds=wanted in attack.needs)


def _gone_on(attack: Attack, answer: str, where: str) -> None:
    go_on = attack.go_on
    assert go_on is not None  # noqa: S101 - an attack of several turns has one, or it cannot be registered
    for turn in range(1, attack.turns):
        answers = [answer] * turn
        said = twice(f"{where}, go_on", "message after the same answers", partial(go_on, REQUEST, answers))
        if said is None:
            return
        spoken = isinstance(said, str) and bool(said.strip())
        expect(f"{where}, go_on", "a text that says something, or None", said, holds=spoken)
