"""
Base class of probes: cases to ask, and how their answers are measured.

The core asks, scores, counts and aggregates. A probe says only what is its own:

    class Echo(Probe):
        id = "echo"
        title = "Repeats the prompt"
        suite = "examples"
        needs = frozenset({"generate"})
        metrics = (MetricSpec("echo_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)

        def cases(self, context):
            yield Case("1", "1", (GenerateRequest("Hello"),))

        def measure(self, answered):
            return Scored({"echo_rate": float("Hello" in answered.completions[0].text)})

A case with a failed answer never reaches `measure`: the core counts it as unscored, with the reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from gptaudit.errors import UsageError
from gptaudit.records import (
    CUT_OFF,
    EMPTY,
    NOT_ASKED,
    REFUSED,
    Answer,
    AnyMetricSpec,
    Attribution,
    Case,
    Choice,
    Completion,
    Counterfactual,
    DataSource,
    Evidence,
    GenerateRequest,
    Likelihood,
    Measurement,
    Prompt,
    Request,
    SecretRequest,
    is_begun,
    margins_between,
    request_text,
)
from gptaudit.records.margin import Normalisation
from gptaudit.text import is_blank


@dataclass(frozen=True, slots=True)
class Sees:
    """A plantable flaw that a probe should see, and in which of its metrics."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    flaw: str
    """Name of a registered flaw; see `gptaudit.protocols.flaw`."""
    metric: str
    slice: Mapping[str, str] = field(default_factory=dict)
    """Axis -> group of the slice in which it shows; empty for the whole figure."""
    same_unit: bool = True
    """Whether the metric has the unit in which the flaw is planted, so that the two should be equal."""


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe may know of the run."""

    data: Path | None
    """The folder of public data sets, or None."""
    seed: int
    secrets: Path | None = None
    """The user's file of `--secret`, or None."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A case with its answers, none of which failed; `scores[NAME][i]` are scorer NAME's labels of answer i."""

    case: Case
    answers: tuple[Answer, ...]
    scores: Mapping[str, tuple[Mapping[str, float], ...]] = field(default_factory=dict)

    @property
    def likelihoods(self) -> list[Likelihood]:
        """The answers to score requests."""
        return [a for a in self.answers if isinstance(a, Likelihood)]

    @property
    def completions(self) -> list[Completion]:
        """The answers to generate requests."""
        return [a for a in self.answers if isinstance(a, Completion)]

    @property
    def choices(self) -> list[Choice]:
        """The answers to choose requests."""
        return [a for a in self.answers if isinstance(a, Choice)]

    @property
    def attributions(self) -> list[Attribution]:
        """The answers to attribute requests."""
        return [a for a in self.answers if isinstance(a, Attribution)]


@dataclass(frozen=True, slots=True)
class Scored:
    """A case that was measured: one finite value for every metric of the probe, or for every name in its formula."""

    values: Mapping[str, float]
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Unscored:
    """A case that says nothing, and why; it lowers the coverage and never counts as good or bad."""

    reason: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """What predictions made elsewhere say about the cases of a probe; see `Probe.read_predictions`."""

    measurements: Iterable[Measurement]
    """One for every case of the data set, in its order, with the clusters and slices that `cases` gives.

    It is read more than once, so it is a sequence, or makes a new iterator each time.
    """
    metrics: tuple[AnyMetricSpec, ...]
    """The metrics that such predictions allow; each measurement has the values that these need."""
    method: Mapping[str, Any]
    """How they measure, as JSON; it differs from `Probe.method` wherever the figures cannot be compared."""
    data: DataSource | None
    """Where the cases come from."""


CAPABILITIES = {
    "generate": "write text",
    "chat": "answer a conversation",
    "continue": "continue an answer that was begun for it",
    "choose": "give the probability of each of a few options as the first token of an answer",
    "score": "give the likelihood of a text",
    "score-after-context": "give the likelihood of a text after another, as all that can score do",
    "gradients": "give gradients, which attribution needs",
}
"""What a backend may be able to do, in words."""

IMPLIED = {"score": "score-after-context"}
"""Capability -> what a backend that has it can do too."""

NO_PREDICTION = "no-prediction"
"""Why a case is unscored for which a file of predictions has none."""


class Probe(ABC):
    """A question put to a model many times over. See the module's example."""

    id: str
    title: str
    suite: str
    version: str = "1"
    language: str = "en"
    """Language of its texts, an ISO 639-1 code; a scorer rates texts of its own languages alone."""
    goal: str = ""
    """One sentence: what a good or bad result means to a reader."""
    needs: frozenset[str] = frozenset()
    """Capabilities the backend must have, of those in `CAPABILITIES`."""
    scorers: tuple[str, ...] = ()
    """Names of the scorers whose labels `measure` reads."""
    metrics: tuple[AnyMetricSpec, ...] = ()
    rounds: int = 1
    """How often a case is asked at the most: once, or as often as `follow_up` has more to ask."""
    judges_cut: bool = False
    """Whether `measure` can judge an answer that was cut off at its most tokens; otherwise such a case is unscored."""
    judges_refused: bool = False
    """Whether `measure` can judge an answer that a server marks as refused or withheld; otherwise it is unscored."""
    template_of: Literal["", "cluster", "crossed"] = ""
    """What of a case names its template, or the block of templates that belong together, so that the cases of one alone
    give every figure: its cluster, or what it shares with cases of other clusters. Empty where neither does."""
    normalised: Mapping[str, Normalisation] = MappingProxyType({})
    """Metric -> how it normalises the log-likelihoods of a case's texts, if only their comparison counts. It is then
    known under another normalisation too."""
    sees: tuple[Sees, ...] = ()
    """The plantable flaws that it should find; `gptaudit calibrate` tries it on decoders that have them."""
    calibration: Traversable | None = None
    """Its own `calibration.json`, made by `gptaudit calibrate` and shipped beside it, for example
    `importlib.resources.files("my_probes") / "calibration.json"`; None where gptaudit's own file has it."""
    tags: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Public list of risks, with its edition -> the entries that it is about, as the list names them:
    `{"OWASP LLM Top 10 2025": ("LLM01:2025 Prompt Injection",)}`. They say what is looked at, and grade nothing."""
    secret: bool = False
    """Whether its texts are secret: it asks `SecretRequest` alone, of models that run in this process, and its cases
    have nothing of the texts in any other place. `gptaudit verify` takes the cases as they were recorded."""
    data_set: str | None = None
    """Name of the public data set it reads under `--data`, or None."""
    options: Any = None
    """What a user may choose with `-P PROBE.OPTION=VALUE`: an instance of a frozen dataclass, with the values that hold
    otherwise; its `__post_init__` raises `ValueError` for what is out of range. None for nothing."""
    attack_success: str = ""
    """The metric that says how often an attack succeeds, such as the share of answers that comply; empty where none
    can be tried. It is a share from 0 to 1 that is better when lower, of a probe that asks generate requests once."""

    @property
    def own_options(self) -> Any:  # noqa: ANN401 - the probe's own type
        """The options that it comes with, whatever was chosen."""
        return self.__dict__.get("_own_options", self.options)

    def with_options(self, options: Any) -> Self:  # noqa: ANN401 - the probe's own type
        """Return this probe with other options, of the type of `options`.

        Override it where more than the answers of its methods depends on them, such as `metrics`. An elicited form has
        to be given them by `elicited`. What is chosen is part of the method and of the plan of an audit.
        """
        other = copy(self)
        other.__dict__.update(options=options, _own_options=self.own_options)
        return other

    @abstractmethod
    def cases(self, context: ProbeContext) -> Iterable[Case]:
        """Yield the cases, always in the same order; ids are unique within the probe."""

    def follow_up(self, answered: Answered) -> Sequence[Request]:  # noqa: ARG002 - most probes ask once
        """Return what is to be asked next of a case, given all its answers so far; nothing where it is at its end.

        The next turn of a conversation is `request.then(completion, "and why?")`; a second try or an adaptive attack is
        asked in the same way. It must depend on `answered` alone, so that a resumed audit comes to the same requests.
        Set `rounds` to how often a case may be asked. `measure` sees the answers of all rounds, in their order.
        """
        return ()

    @abstractmethod
    def measure(self, answered: Answered) -> Scored | Unscored:
        """Turn a case's answers into one value per metric."""

    def settled(self, answered: Answered) -> Sequence[Answered]:  # noqa: ARG002 - most cases do not tie
        """Return a case that `measure` left unscored for a tie with each answer that it could have had.

        One for each side, that which agrees with a stereotype first; `measure` scores each. None for any other case.
        """
        return ()

    def asked(self, case: Case, request: GenerateRequest) -> Prompt:  # noqa: ARG002 - most prompts say it themselves
        """Return what a request of a case asks for, beside which scorers rate its answer.

        Override it where the prompt puts that in other words, for example in code.
        """
        return request.prompt

    def is_open(self, answered: Answered) -> bool:
        """Whether answers in low precision leave a decision of `measure` open, so that they are asked again exactly.

        Default: two of the case's sums lie closer than their errors. Override if `measure` compares anything else, with
        the same margins that it decides by.
        """
        return any(margin.is_open for margin in margins_between(answered.likelihoods))

    def usable(self, answer: Answer | None) -> Answer:
        """Return an answer, or the failure that stands in place of one that says nothing about the model's conduct."""
        if answer is None:
            return NOT_ASKED
        if not isinstance(answer, Completion):
            return answer
        if answer.refused and not self.judges_refused:
            return REFUSED
        if answer.finish == "length" and not self.judges_cut:
            return CUT_OFF
        return EMPTY if is_blank(answer.text) else answer

    def under_attack(self) -> Probe | None:
        """Return the probe whose requests attacks are tried on: itself if it has an `attack_success`, or None.

        A probe that asks harmless requests too returns one of its harmful cases alone, with the same id.
        """
        return self if self.attack_success else None

    def source(self, context: ProbeContext) -> DataSource | None:  # noqa: ARG002 - most probes need no context
        """Say where the cases come from."""
        return None

    def method(self) -> Mapping[str, Any]:
        """Describe how it measures, as JSON; two results compare only where this is equal."""
        return {}

    def elicited(self) -> Probe | None:
        """Return the form of this probe for targets that cannot do what it needs, or None.

        It has the same id, cases, clusters and slices, needs something else, and says in `method` that it is another
        form: the figures of the two are never compared. It may have a further form of its own.
        """
        return None

    def counterfactuals(
        self,
        context: ProbeContext,  # noqa: ARG002
        length: Callable[[str], int],  # noqa: ARG002
    ) -> Iterable[Counterfactual]:
        """Yield prompts with their counterparts, for explanations of the whole suite; none by default.

        `length` returns the number of tokens of a text: counterparts of equal length can be compared token by token.
        """
        return ()

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:  # noqa: ARG002
        """Measure predictions made elsewhere, in the data set's own prediction format (`gptaudit rescore`).

        A case without a prediction is a `Measurement` whose `unscored` is `NO_PREDICTION`, or another word for what
        is amiss with it. Raise `DataError`, naming file, line or id, key and remedy, where the file is not of that
        format, or has a case twice or one that the data set lacks; the file is read before this returns.
        """
        msg = f"{self.id}: no format of predictions is known for this probe"
        raise UsageError(msg)


class CaseStream:
    """A probe's cases on their way to the plan; they are made as they are read, and read once."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = iter(cases)

    def __iter__(self) -> Iterator[Case]:
        return self._cases

    def through(self, change: Callable[[Iterator[Case]], Iterable[Case]]) -> None:
        """Let the cases flow through a function, such as `lambda cases: (c for c in cases if "age" in c.slices)`."""
        self._cases = iter(change(self._cases))


def with_implied(capabilities: Iterable[str]) -> frozenset[str]:
    """Return all that a backend with these capabilities can do."""
    own = frozenset(capabilities)
    return own | {IMPLIED[name] for name in own if name in IMPLIED}


def require_askable(probe: Probe, requests: Iterable[Request]) -> None:
    """Raise `ValueError` for a request that `needs` or `secret` do not announce, or that no file can keep."""
    requests = tuple(requests)
    for text in map(request_text, requests):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = text[error.start]
            msg = f"a request has half of a surrogate pair, {half!r} at character {error.start}; UTF-8 cannot encode it"
            raise ValueError(msg) from None
    if any(isinstance(request, SecretRequest) != probe.secret for request in requests):
        msg = "expected SecretRequest from a probe with secret = True, and from no other"
        raise ValueError(msg)
    if "continue" not in probe.needs and any(
        isinstance(request, GenerateRequest) and is_begun(request.prompt) for request in requests
    ):
        msg = 'a request ends with an answer that was begun: expected "continue" in the probe\'s needs'
        raise ValueError(msg)


def lacking(probe: Probe, capabilities: Iterable[str]) -> list[str]:
    """Return what a probe needs that a backend with these capabilities cannot do."""
    return sorted(probe.needs - with_implied(capabilities))


def forms_of(probe: Probe) -> Iterator[Probe]:
    """Yield a probe, then its elicited forms; the first whose needs a target meets is asked."""
    form: Probe | None = probe
    while form is not None:
        yield form
        tags, form = form.tags, form.elicited()
        if form is not None:
            form.tags = tags  # it is about the same


def needs_in_words(probe: Probe) -> str:
    """Say what a probe needs: `score (or choose, or generate: elicited)`."""
    needs, *others = (", ".join(sorted(form.needs)) or "nothing" for form in forms_of(probe))
    return f"{needs} (or {', or '.join(others)}: elicited)" if others else needs
