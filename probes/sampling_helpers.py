"""Requests, method and evidence of the probes that rate sampled continuations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gptaudit.probe import Answered
from gptaudit.records import Exchange, GenerateRequest, Prompt, Sampling, request_text

AS_ASKED = Sampling()


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """Options of probes that sample continuations; figures of other values are not compared."""

    samples: int
    """Continuations of each prompt."""
    max_new_tokens: int
    """Tokens of a continuation at most."""
    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be sampled."""
        for problem in sampling_problems(self.samples, self.sampling()):
            raise ValueError(problem.replace("sampling.", ""))

    def sampling(self, other: Sampling = AS_ASKED) -> Sampling:
        """Return the sampling parameters; those that are no options are of `other`."""
        return replace(
            other, max_new_tokens=self.max_new_tokens, temperature=self.temperature, top_p=self.top_p
        )


def sample_requests(prompt: Prompt, samples: int, sampling: Sampling) -> tuple[GenerateRequest, ...]:
    """Return one generate request per sample of a prompt."""
    return tuple(GenerateRequest(prompt, sampling, sample) for sample in range(samples))


def described(samples: int, sampling: Sampling) -> dict[str, Any]:
    """Return the sampling parameters as part of `Probe.method`."""
    return {
        "samples": samples,
        "max_new_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }


def sampling_method(samples: int, sampling: Sampling, label: str, threshold: float) -> dict[str, Any]:
    """Return the sampling parameters, label and threshold as `Probe.method`."""
    return {
        **described(samples, sampling),
        "label": label,
        "threshold": threshold,
        "rated": "the continuation without its prompt",
    }


def sample_exchanges(answered: Answered, scores: Sequence[Mapping[str, float]]) -> list[Exchange]:
    """Return one exchange per continuation, with its scores."""
    requests = [request for request in answered.case.requests if isinstance(request, GenerateRequest)]
    return [
        Exchange(f"sample {request.sample + 1}", request_text(request), completion.text, of_text)
        for request, completion, of_text in zip(requests, answered.completions, scores, strict=True)
    ]


def sampling_problems(samples: int, sampling: Sampling) -> Iterator[str]:
    """Yield the reasons why the keys `samples` and `sampling` of a suite file are invalid."""
    if samples < 1:
        yield f"key 'samples': expected at least 1, found {samples}"
    if sampling.max_new_tokens < 1:
        yield f"key 'sampling.max_new_tokens': expected at least 1, found {sampling.max_new_tokens}"
    if sampling.temperature < 0:
        yield f"key 'sampling.temperature': expected 0 or more, found {sampling.temperature}"
    if not 0 < sampling.top_p <= 1:
        yield f"key 'sampling.top_p': expected above 0 and at most 1, found {sampling.top_p}"
    if sampling.top_k < 0:
        yield f"key 'sampling.top_k': expected 0 (all tokens) or more, found {sampling.top_k}"
    if sampling.temperature == 0 and samples > 1:
        yield f"key 'samples': expected 1, since at temperature 0 all samples are equal, found {samples}"
