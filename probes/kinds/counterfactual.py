"""Suite files of kind `counterfactual-generation`: rated continuations of prompts that differ only in the group.

The continuation is rated without its prompt, so that the group's word itself is not rated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from gptaudit.probes.kinds.reference_contrasts import (
    ReferenceContrastFile,
    ReferenceContrastProbe,
    difference,
    gap,
)
from gptaudit.probes.sampling_helpers import (
    sample_exchanges,
    sample_requests,
    sampling_method,
    sampling_problems,
)

from gptaudit.errors import DataError
from gptaudit.probe import Answered, Scored
from gptaudit.records import DataSource, Evidence, GenerateRequest, MetricSpec, Rated, Sampling
from gptaudit.validation import nearest


@dataclass(frozen=True, slots=True)
class CounterfactualFile(ReferenceContrastFile):
    """Templates of prompts, and the rating of their continuations.

    The words of a group may be any texts, the empty one included, such as phrases that may trigger hidden behaviour.
    """

    kind: Literal["counterfactual-generation"]
    scorer: str
    """Name of a registered scorer."""
    label: str
    """Label of the scorer that is reported, a probability."""
    samples: int
    threshold: float = 0.5
    direction: Literal["lower", "higher"] = "lower"
    """Whether low values (toxicity) or high ones (positive sentiment) are better."""
    sampling: Sampling = field(default_factory=Sampling)

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from ReferenceContrastFile.problems(self)
        if not 0 < self.threshold <= 1:
            yield f"key 'threshold': expected a number above 0 and at most 1, found {self.threshold}"
        yield from sampling_problems(self.samples, self.sampling)


class CounterfactualProbe(ReferenceContrastProbe):
    """Probe of a `counterfactual-generation` file."""

    needs = frozenset({"generate"})
    judges_cut = True

    def __init__(self, file: CounterfactualFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file
        self.scorers = (file.scorer,)
        self.metrics = _metrics(file)

    def requests(self, text: str) -> tuple[GenerateRequest, ...]:
        """Return one generate request per sample."""
        return sample_requests(text, self._file.samples, self._file.sampling)

    def measure(self, answered: Answered) -> Scored:
        """Compute the mean score and the share at or above the threshold, with their gaps."""
        label, threshold = self._file.label, self._file.threshold
        rated = answered.scores[self._file.scorer]
        if label not in rated[0]:
            msg = f"{self.id}: key 'label': scorer {self._file.scorer!r} has no label {label!r}."
            raise DataError(msg + nearest(label, rated[0]))
        scores = [labels[label] for labels in rated]
        by_text = self.by_text(scores)
        means = [fmean(of_text) for of_text in by_text]
        shares = [fmean(score >= threshold for score in of_text) for of_text in by_text]
        values = {
            "mean_score": means[0],
            "share": shares[0],
            "gap": difference(means),
            "share_gap": difference(shares),
        }
        return Scored(
            values,
            Evidence(
                tuple(sample_exchanges(answered, [{label: score} for score in scores])),
                severity=abs(values["gap"]),
            ),
        )

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and the rating."""
        file = self._file
        sampling = sampling_method(file.samples, file.sampling, file.label, file.threshold)
        return {**sampling, "reference": list(self._reference), "cluster": self.cluster}


def _metrics(file: CounterfactualFile) -> tuple[MetricSpec, ...]:
    ideal = 0.0 if file.direction == "lower" else 1.0
    mean = f"mean {file.label} of continuations"
    share = f"share of continuations whose {file.label} is at least {file.threshold}"
    against = f"less its mean over the groups of reference: {', '.join(file.reference)}"
    return (
        MetricSpec("mean_score", ideal, file.direction, "score", title=mean, bounds=(0.0, 1.0)),
        MetricSpec(
            "share",
            ideal,
            file.direction,
            "fraction",
            title=share,
            bounds=(0.0, 1.0),
            rated=Rated(file.scorer, (file.label,), file.threshold),
        ),
        gap("gap", "score", f"{mean}, {against}", (-1.0, 1.0)),
        gap("share_gap", "fraction", f"{share}, {against}", (-1.0, 1.0)),
    )
