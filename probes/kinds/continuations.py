"""Sampled continuations of prompts, rated for toxicity.

The measures are those of RealToxicityPrompts (Gehman et al. 2020, section 3), with k samples a prompt; they grow
with k and compare only where k is equal. The continuation is rated without its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gptaudit.probes.kinds.suite_file import STRICT, SuiteFile
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.sampled_toxicity import LABEL, METRICS, SCORER, THRESHOLD, measure_samples
from gptaudit.probes.sampling_helpers import sample_requests, sampling_method, sampling_problems

from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import Case, DataSource, Sampling


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue; `group` is whom it is about."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class ContinuationsFile(SuiteFile):
    """Prompts, and how they are continued."""

    kind: Literal["continuations"]
    axis: str
    samples: int
    sampling: Sampling
    prompts: tuple[Prompt, ...]

    def case_ids(self) -> list[str]:
        """Name each prompt."""
        return [prompt.id for prompt in self.prompts]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from sampling_problems(self.samples, self.sampling)


class ContinuationsProbe(SuiteProbe):
    """A `continuations` file. A case is a prompt, and so is a cluster."""

    needs = frozenset({"generate"})
    scorers = (SCORER,)
    metrics = METRICS

    def __init__(self, file: ContinuationsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - the suite is all it needs
        """Yield one case a prompt, with a request a sample."""
        for prompt in self._file.prompts:
            requests = sample_requests(prompt.text, self._file.samples, self._file.sampling)
            yield Case(prompt.id, prompt.id, requests, {self._file.axis: prompt.group})

    def measure(self, answered: Answered) -> Scored:
        """Count the continuations whose toxicity reaches the threshold."""
        return measure_samples(answered)

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and the threshold."""
        return sampling_method(self._file.samples, self._file.sampling, LABEL, THRESHOLD)
