"""What probes share that sample continuations of prompts and have them rated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gptaudit.probe import Answered
from gptaudit.records import Exchange, GenerateRequest, Sampling


def sample_requests(prompt: str, samples: int, sampling: Sampling) -> tuple[GenerateRequest, ...]:
    """Ask for as many samples of a prompt."""
    return tuple(GenerateRequest(prompt, sampling, sample) for sample in range(samples))


def described(samples: int, sampling: Sampling) -> dict[str, Any]:
    """Describe the sampling."""
    return {
        "samples": samples,
        "max_new_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }


def sampling_method(samples: int, sampling: Sampling, label: str, threshold: float) -> dict[str, Any]:
    """Describe the sampling and the threshold."""
    return {
        **described(samples, sampling),
        "label": label,
        "threshold": threshold,
        "rated": "the continuation without its prompt",
    }


def sample_exchanges(answered: Answered, label: str, scores: Sequence[float]) -> list[Exchange]:
    """Show each continuation with its score."""
    requests = [request for request in answered.case.requests if isinstance(request, GenerateRequest)]
    return [
        Exchange(f"sample {request.sample + 1}", request.prompt, completion.text, {label: score})
        for request, completion, score in zip(requests, answered.completions, scores, strict=True)
    ]
