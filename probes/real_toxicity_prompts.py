"""
RealToxicityPrompts (Gehman et al. 2020, Findings of EMNLP 301): toxicity of continuations of web text.

The protocol is that of the paper: 25 continuations per prompt of at most 20 tokens, sampled with top_p 0.9. The
figures grow with the number of continuations, so they can be compared only at equal numbers, and a prompt with fewer
is unscored.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Self

from gptaudit.data import datasets
from gptaudit.data.datasets import REAL_TOXICITY_PROMPTS
from gptaudit.errors import DataError
from gptaudit.probe import Answered, Predictions, Probe, ProbeContext, Scored
from gptaudit.records import Case, DataSource, Evidence, Exchange, Measurement

from .sampled_toxicity import LABEL, SCORER, THRESHOLD, measure_samples, toxicity_metrics, toxicity_values
from .sampling_helpers import SamplingOptions, sample_requests, sampling_method

PUBLISHED = SamplingOptions(samples=25, max_new_tokens=20, temperature=1.0, top_p=0.9)
"""The protocol of the paper."""

NOT_RATED = "generation-without-score"
"""Reason of a prompt with a generation that has no score."""
FEWER = "fewer-generations"
"""Reason of a prompt with fewer generations than other prompts of the file."""


class RealToxicityPrompts(Probe):
    """RealToxicityPrompts probe: one case and one cluster per prompt."""

    id = REAL_TOXICITY_PROMPTS.name
    title = "RealToxicityPrompts"
    suite = "toxicity"
    goal = "How toxic the worst of the continuations of a prompt is, and how often at least one is toxic."
    needs = frozenset({"generate"})
    judges_cut = True
    scorers = (SCORER,)
    options = PUBLISHED
    metrics = toxicity_metrics(PUBLISHED.samples)
    data_set = REAL_TOXICITY_PROMPTS.name

    def with_options(self, options: SamplingOptions) -> Self:
        """Return the probe with another sampling, and the metrics of as many samples."""
        other = super().with_options(options)
        other.metrics = toxicity_metrics(options.samples)
        return other

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per prompt, with one request per sample."""
        samples, sampling = self.options.samples, self.options.sampling()
        for row in _read(datasets.find(REAL_TOXICITY_PROMPTS, context.data)):
            yield Case(row.id, row.id, sample_requests(row.prompt, samples, sampling), row.slices)

    def measure(self, answered: Answered) -> Scored:
        """Compute the toxicity metrics of the continuations."""
        return measure_samples(answered)

    def source(self, context: ProbeContext) -> DataSource:
        """Return the published source, with the hash of the file that was read."""
        rows = sum(1 for _ in _read(datasets.find(REAL_TOXICITY_PROMPTS, context.data)))
        return datasets.describe(REAL_TOXICITY_PROMPTS, context.data, rows)

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and the threshold."""
        return sampling_method(self.options.samples, self.options.sampling(), LABEL, THRESHOLD)

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:  # noqa: ARG002 - the file has the prompts too
        """Read generations with their scores, as the authors publish them.

        A line is `{"prompt": {"text": ..., "toxicity": ...}, "generations": [{"text": ..., "toxicity": ...}, ...]}`.
        """
        prompts, samples, rows = hashlib.sha256(), 0, 0
        for row in _read(file, generations=True):
            prompts.update(f"{row.id}\n{row.prompt}\n".encode())
            samples, rows = max(samples, len(row.generations)), rows + 1
        if not samples:
            msg = (
                f"{file}: no prompt has a generation; expected the generations of a model under 'generations'"
            )
            raise DataError(msg)
        method = {
            "predictions": "a toxicity for each generation, by the scorer of whoever made the file",
            "samples": samples,
            "label": LABEL,
            "threshold": THRESHOLD,
        }
        name, known = f"{self.id} (the prompts of the file)", REAL_TOXICITY_PROMPTS
        data = DataSource(name, known.source, known.licence, prompts.hexdigest(), rows)
        return Predictions(_Rated(file, samples), self.metrics, method, data)


@dataclass(frozen=True, slots=True)
class _Generation:
    text: str
    toxicity: float | None


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    prompt: str
    slices: Mapping[str, str]
    generations: Sequence[_Generation]


@dataclass(frozen=True, slots=True)
class _Rated:
    """Measurements of a file, which is read again on each iteration: its millions of texts do not fit into memory."""

    file: Path
    samples: int

    def __iter__(self) -> Iterator[Measurement]:
        for row in _read(self.file, generations=True):
            toxicities = [g.toxicity for g in row.generations if g.toxicity is not None]
            if len(row.generations) < self.samples:
                yield Measurement(row.id, row.id, row.slices, {}, FEWER)
            elif len(toxicities) < self.samples:
                yield Measurement(row.id, row.id, row.slices, {}, NOT_RATED)
            else:
                values = toxicity_values(toxicities)
                yield Measurement(
                    row.id, row.id, row.slices, values, evidence=_evidence(row, max(toxicities))
                )


def _evidence(row: _Row, worst: float) -> Evidence:
    exchanges = tuple(
        Exchange(f"sample {number}", row.prompt, g.text, {} if g.toxicity is None else {LABEL: g.toxicity})
        for number, g in enumerate(row.generations, start=1)
    )
    return Evidence(exchanges, severity=worst)


def _read(path: Path, *, generations: bool = False) -> Iterator[_Row]:
    """Yield the prompts of a file; raise `DataError`, naming the line, if one is invalid or there is none."""
    seen: set[str] = set()
    for line, found in datasets.read_json_lines(path):
        where = f"{path}, line {line}"
        row = _row(found, where, generations=generations)
        if row.id in seen:
            msg = f"{where}: the prompt {row.id!r} is listed twice; leave one"
            raise DataError(msg)
        seen.add(row.id)
        yield row
    if not seen:
        msg = f"{path}: expected a JSON object on each line, found none"
        raise DataError(msg)


def _row(found: Any, where: str, *, generations: bool) -> _Row:  # noqa: ANN401 - any JSON value
    prompt = _key(found, "prompt", dict, where)
    text = _key(prompt, "text", str, f"{where}, prompt")
    place = [found.get(key) for key in ("filename", "begin", "end")]
    name = text if None in place else "{}:{}-{}".format(*place)
    toxicity = _toxicity(prompt, f"{where}, prompt")
    slices = {} if toxicity is None else {"prompt": "toxic" if toxicity >= THRESHOLD else "nontoxic"}
    listed = _key(found, "generations", list, where) if generations else []
    return _Row(
        name, text, slices, [_generation(g, f"{where}, generation {i}") for i, g in enumerate(listed, 1)]
    )


def _generation(found: Any, where: str) -> _Generation:  # noqa: ANN401 - any JSON value
    return _Generation(_key(found, "text", str, where), _toxicity(found, where))


def _key(found: Any, key: str, kind: type, where: str) -> Any:  # noqa: ANN401 - any JSON value
    value = found.get(key) if isinstance(found, dict) else None
    if not isinstance(value, kind):
        expected = {"dict": "an object", "list": "a list", "str": "a text"}[kind.__name__]
        msg = f"{where}: key {key!r}: expected {expected}, found {reprlib.repr(value)}"
        raise DataError(msg)
    return value


def _toxicity(found: Mapping[str, Any], where: str) -> float | None:
    """Return the toxicity of a prompt or generation, or None if it has none."""
    value = found.get(LABEL)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
        or not 0 <= value <= 1
    ):
        msg = f"{where}: key {LABEL!r}: expected a number from 0 to 1, or null, found {value!r}"
        raise DataError(msg)
    return float(value)
