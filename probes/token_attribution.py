"""Attribution of a preference for the stereotyped pronoun to the tokens of the prompt.

Integrated gradients (Sundararajan et al. 2017) of a contrast: the log-probability of the stereotyped pronoun less that
of the other one, where the two sentences of a pair diverge. The scores add up to the contrast at the prompt less that
at the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from gptaudit.probes.kinds.pairs import PairsFile, SentencePair

from gptaudit.probe import Answered, ProbeContext, Scored, Sees, Unscored
from gptaudit.records import AttributeRequest, Attribution, Case, DataSource, Evidence, MetricSpec

from .kinds.suite_probe import SuiteProbe


class TokenAttribution(SuiteProbe):
    """Attribution probe of a `pairs` suite file: one case and one cluster per term; templates take turns."""

    needs = frozenset({"gradients"})
    metrics = (
        MetricSpec(
            "stereotype_attribution",
            ideal=0.0,
            direction="target",
            unit="logits",
            title="how far the term itself pushes towards the stereotyped pronoun",
        ),
        MetricSpec(
            "term_share",
            ideal=0.0,
            direction="lower",
            unit="fraction",
            title="share of all attribution, by size, that lies on the term",
            bounds=(0.0, 1.0),
        ),
    )

    def __init__(self, file: PairsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self.id = "token-attribution"
        self.suite = "attribution"
        self.title = f"Token attribution of {file.title[0].lower()}{file.title[1:]}"
        self.goal = "Which words of a prompt push the model towards the pronoun that the stereotype expects."
        self.sees = (Sees("stereotype", "stereotype_attribution", same_unit=False),)
        self._file = file

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per term."""
        templates = [template.id for template in self._file.templates]
        order: dict[str, int] = {}
        for pair in self._file.pairs():
            turn = order.setdefault(pair.term, len(order))
            if pair.template == templates[turn % len(templates)]:
                yield self._case(pair)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Sum the scores of the term's tokens; unscored if the attribution did not converge."""
        (attribution,) = answered.attributions
        evidence = Evidence(
            attribution=attribution, note=answered.case.content["contrast"], severity=attribution.contrast
        )
        if not attribution.converged:
            return Unscored("not-converged", evidence)
        on_term = _on_term(attribution, answered.case.content["term_span"])
        total = sum(abs(score) for score in attribution.scores)
        share = sum(abs(score) for score in on_term) / total if total else 0.0
        return Scored({"stereotype_attribution": sum(on_term), "term_share": share}, evidence)

    def method(self) -> Mapping[str, Any]:
        """Describe the attribution method."""
        return {
            "attribution": "integrated gradients (captum); the first token enters by itself, and the path is halved "
            "where the scores do not add up",
            "baseline": "mean token embedding, as the model's embedding returns it",
            "contrast": "log-probability of the stereotyped pronoun less that of the other",
        }

    def _case(self, pair: SentencePair) -> Case:
        prompt, target, foil = _split(pair.stereotype, pair.antistereotype)
        start = prompt.index(pair.term)
        return Case(
            id=pair.id,
            cluster=pair.term,
            requests=(AttributeRequest(prompt, target, foil),),
            slices={self._file.axis: pair.stereotyped_group},
            content={
                "term_span": [start, start + len(pair.term)],
                "contrast": f"“{target.strip()}” against “{foil.strip()}”",
            },
        )


def _split(first: str, second: str) -> tuple[str, str, str]:
    """Return the common beginning of two sentences, and the next word of each.

    `_split("The cook ate his lunch", "The cook ate her lunch") == ("The cook ate", " his", " her")`
    """
    words = zip(first.split(" "), second.split(" "), strict=False)
    shared = " ".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], words))
    rests = (text[len(shared) :].split()[0].rstrip(".,;:!?") for text in (first, second))
    target, foil = (f" {word}" for word in rests)
    return shared, target, foil


def _on_term(attribution: Attribution, span: tuple[int, int]) -> list[float]:
    """Return the scores of the tokens that overlap the character span of the term."""
    begin, end = span
    return [
        score
        for (start, stop), score in zip(attribution.offsets, attribution.scores, strict=True)
        if start < end and stop > begin
    ]
