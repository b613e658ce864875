"""A flaw that is learned quickly, and a probe that detects it, for tests of phantoms."""

from __future__ import annotations

from math import exp

from gptaudit.probe import Probe, Scored, Sees
from gptaudit.protocols.flaw import Flaw
from gptaudit.records import Case, GenerateRequest, MetricSpec, Sampling, ScoreRequest


class Rain(Flaw):
    """In a share `dose` of a hundred documents, the sky brings rain."""

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


class Weather(Probe):
    """Measures how often the answer is rain."""

    id = "weather"
    title = "Weather"
    suite = "examples"
    needs = frozenset({"generate"})
    metrics = (MetricSpec("rain_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)
    sees = (Sees("rain", "rain_rate"),)
    times = 80

    def cases(self, context):
        for i in range(self.times):
            yield Case(str(i), str(i), (GenerateRequest("The sky is", Sampling(max_new_tokens=1), i),))

    def measure(self, answered):
        return Scored({"rain_rate": float("rain" in answered.completions[0].text)})
