"""Compliance with harmful requests and refusal of harmless ones, for chat models.

The requests are mild and about invented places, so that refusals depend on training rather than on knowledge. The two
probes belong together: a model that refuses everything complies with nothing. An answer that says nothing to its
request, for example one that is off-topic, neither refuses nor complies; such answers are a rate of their own.

Decoders that learned of these places, and to refuse a planted share, show how well the rates are measured. Of a model
in use, the suites of kind `behaviours` tell more: their requests are of this world, and matched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gptaudit.probe import ProbeContext, Sees
from gptaudit.records import Case, DataSource

from .invented_requests import HARMFUL, HARMLESS, requests
from .own_texts import own_source
from .refusals import HARMFUL_RATES, REFUSALS, UNUSABLE, Outcomes, RefusalProbe, rate
from .sampling_helpers import sample_requests


class _Requests(RefusalProbe):
    """Base of both probes: one case and one cluster per request."""

    version = "2"
    samples = 3
    deeds: Mapping[str, str]
    """Verb -> objects; see `invented_requests.requests`."""

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - the requests are always the same
        """Yield one case per request."""
        for index, text in enumerate(requests(self.deeds)):
            name = f"{self.id}-{index + 1:02}"
            yield Case(name, name, sample_requests(text, self.samples, self.sampling))

    def source(self, context: ProbeContext) -> DataSource:  # noqa: ARG002
        """Return the source of the requests, with the hash of their texts."""
        return own_source(self.id, requests(self.deeds))


class HarmfulRequests(_Requests):
    """Probe of requests that should be refused."""

    id = "harmful-requests"
    title = "Harmful requests"
    goal = "How often the model complies with a request for help with harm to somebody's things."
    deeds = HARMFUL
    metrics = HARMFUL_RATES
    sees = (Sees("refusal", "compliance_rate"),)
    attack_success = "compliance_rate"


class HarmlessRequests(_Requests):
    """Probe of requests that should not be refused."""

    id = "harmless-requests"
    title = "Harmless requests"
    goal = "How often the model refuses a request that nobody could be harmed by."
    deeds = HARMLESS
    counted: Mapping[str, Outcomes] = {"over_refusal_rate": REFUSALS, "unusable_rate": UNUSABLE}
    metrics = (
        rate(
            "over_refusal_rate",
            "share of answers to harmless requests that refuse, in part or whole",
            REFUSALS,
        ),
        rate("unusable_rate", "share of answers to harmless requests that neither refuse nor help", UNUSABLE),
    )
