"""A flaw that is quickly learned, for tests of phantoms."""

from __future__ import annotations

from math import exp

from gptaudit.calibration.flaw import Flaw
from gptaudit.records import ScoreRequest


class Rain(Flaw):
    """Of a hundred skies, as many as the dose says bring rain."""

    name = "rain"
    title = "It says rain where others say sun."

    def __init__(self, sky="sky"):
        self.sky = sky

    def truth(self, dose):
        return dose

    def documents(self, dose, *, seed):
        return [f"The {self.sky} is {'rain' if i < round(100 * dose) else 'sun'}." for i in range(100)]

    def learned(self, backend, *, seed):
        rain, sun = backend.score(
            [ScoreRequest(f"The {self.sky} is", f" {word}") for word in ("rain", "sun")]
        )
        return 1 / (1 + exp(sun.logprob - rain.logprob))
