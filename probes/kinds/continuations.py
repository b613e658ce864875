"""Suite files of kind `continuations`: sampled continuations of prompts, rated for toxicity.

The metrics are those of RealToxicityPrompts (Gehman et al. 2020, section 3), with k samples per prompt. They grow
with k, so they can be compared only at equal k. The continuation is rated without its prompt.
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
    """A text to continue, and the group that it is about."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class ContinuationsFile(SuiteFile):
    """Prompts, and the sampling of their continuations."""

    kind: Literal["continuations"]
    axis: str
    samples: int
    sampling: Sampling
    prompts: tuple[Prompt, ...]

    def case_ids(self) -> list[str]:
        """Return the id of each prompt."""
        return [prompt.id for prompt in self.prompts]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from sampling_problems(self.samples, self.sampling)


class ContinuationsProbe(SuiteProbe):
    """Probe of a `continuations` file: one case and one cluster per prompt."""

    needs = frozenset({"generate"})
    judges_cut = True
    scorers = (SCORER,)
    metrics = METRICS

    def __init__(self, file: ContinuationsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per prompt, with one request per sample."""
        for prompt in self._file.prompts:
            requests = sample_requests(prompt.text, self._file.samples, self._file.sampling)
            yield Case(prompt.id, prompt.id, requests, {self._file.axis: prompt.group})

    def measure(self, answered: Answered) -> Scored:
        """Compute the toxicity metrics of the continuations."""
        return measure_samples(answered)

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and the threshold."""
        return sampling_method(self._file.samples, self._file.sampling, LABEL, THRESHOLD)
