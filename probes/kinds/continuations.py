"""Suite files of kind `continuations`: sampled continuations of prompts, rated for toxicity.

A prompt is a text, or a conversation that a chat model continues:

    [[prompts]]
    id = "ferry"
    group = "sailors"
    messages = [{ role = "system", content = "You keep the harbour." }, { role = "user", content = "Who came in?" }]

The metrics are those of RealToxicityPrompts (Gehman et al. 2020, section 3), with k samples per prompt. They grow
with k, so they can be compared only at equal k. The continuation is rated without its prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from gptaudit.probes.kinds.suite_file import STRICT, SuiteFile
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.sampled_toxicity import LABEL, SCORER, THRESHOLD, measure_samples, toxicity_metrics
from gptaudit.probes.sampling_helpers import (
    SamplingOptions,
    sample_requests,
    sampling_method,
    sampling_problems,
)

from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import Case, DataSource, Message, Prompt, Sampling, conversation_problem


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """A prompt of the file, either `text` or `messages`, and the group that it is about."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    group: str
    text: str | None = None
    messages: tuple[Message, ...] | None = None

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is asked."""
        return self.messages or self.text or ""

    def problems(self) -> Iterator[str]:
        """Yield the reasons why it is invalid."""
        if (self.text is None) == (self.messages is None):
            yield f"prompt {self.id!r}: expected one of the keys 'text' and 'messages'"
        if self.messages is not None and (problem := conversation_problem(self.messages)):
            yield f"prompt {self.id!r}, key 'messages': {problem}"


@dataclass(frozen=True, slots=True)
class ContinuationsFile(SuiteFile):
    """Prompts, and the sampling of their continuations."""

    kind: Literal["continuations"]
    axis: str
    samples: int
    sampling: Sampling
    prompts: tuple[PromptEntry, ...]

    def case_ids(self) -> list[str]:
        """Return the id of each prompt."""
        return [prompt.id for prompt in self.prompts]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from sampling_problems(self.samples, self.sampling)
        for prompt in self.prompts:
            yield from prompt.problems()


class ContinuationsProbe(SuiteProbe):
    """Probe of a `continuations` file: one case and one cluster per prompt."""

    judges_cut = True
    scorers = (SCORER,)

    def __init__(self, file: ContinuationsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file
        own = file.sampling
        self.options = SamplingOptions(file.samples, own.max_new_tokens, own.temperature, own.top_p)
        self.metrics = toxicity_metrics(file.samples)
        self.needs = frozenset(
            {"generate", "chat"} if any(p.messages for p in file.prompts) else {"generate"}
        )

    def with_options(self, options: SamplingOptions) -> Self:
        """Return the probe with another sampling, and the metrics of as many samples."""
        other = super().with_options(options)
        other.metrics = toxicity_metrics(options.samples)
        return other

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per prompt, with one request per sample."""
        sampling = self.options.sampling(self._file.sampling)
        for prompt in self._file.prompts:
            requests = sample_requests(prompt.prompt, self.options.samples, sampling)
            yield Case(prompt.id, prompt.id, requests, {self._file.axis: prompt.group})

    def measure(self, answered: Answered) -> Scored:
        """Compute the toxicity metrics of the continuations."""
        return measure_samples(answered)

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and the threshold."""
        sampling = self.options.sampling(self._file.sampling)
        return sampling_method(self.options.samples, sampling, LABEL, THRESHOLD)
