"""Explanation of a prompt by what a target answers when words are left out: it needs no look into the target.

A word that is left out becomes `...`, so that the prompt keeps its length and is never empty. The target is asked for
log-probabilities where it gives any, as a text is continued; for the probabilities of an answer's first token where it
shows these, of sides of one word; and for sampled answers where it does neither. What the scores
are computed from follows from prompt, method and seed, and so does how many sets of words at most show whether their
order is faithful (`gptaudit.attribution.orders`): the number of requests is known before the first. Where answers are
sampled it is not checked, since each of those sets would take as many samples as a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import fsum, isfinite
from random import Random
from statistics import fmean
from typing import Any

from gptaudit.attribution.explanation import Asking, Explanation
from gptaudit.attribution.orders import (
    OrderFaithfulness,
    check_orders,
    kept_in,
    ordered_by,
    random_orders,
    sizes,
)
from gptaudit.attribution.outcomes import FirstTokens, Likelihoods, Outcome, Samples
from gptaudit.attribution.path import tolerance
from gptaudit.errors import BackendError, GptauditError, PluginError, UsageError
from gptaudit.probe import with_implied
from gptaudit.protocols.attribution import Kept, WordMethod
from gptaudit.protocols.backend import Backend, ChoosingBackend, RecordedBackend
from gptaudit.records import (
    NOT_FINITE,
    Answer,
    Attribution,
    ChooseRequest,
    Failure,
    GenerateRequest,
    Request,
    ScoreRequest,
)
from gptaudit.records.progress import Progress, Step, silent
from gptaudit.records.words import Word, split_words
from gptaudit.stats.intervals import DEFAULT_LEVEL, mean_interval

LEFT_OUT = "..."
"""What stands in place of a word that is left out."""
SAMPLED_ROUNDS = 50
"""Rounds that a target is asked whose answers are sampled, each with samples of its own."""
FEWEST = 5
"""Rounds that differ at least: with fewer there is no interval, and a score of chance says nothing without one."""
ORDERS = 10
"""Random orders of words beside that of the scores; fewer than in this process, since a request takes longer."""
AT_ONCE = 128
"""Requests handed over at a time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will be asked about a prompt."""

    prompt: str
    outcome: Outcome
    method: WordMethod
    words: tuple[Word, ...]
    rounds: tuple[tuple[Kept, ...], ...]
    asked: tuple[tuple[tuple[Request, ...], ...], ...]
    """By round and set of words."""
    orders: tuple[tuple[int, ...], ...] = ()
    """Random orders of the words beside that of the scores; none where it is not checked."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """The distinct requests for the scores."""
        return tuple(dict.fromkeys(r for of_round in self.asked for of_set in of_round for r in of_set))

    @property
    def most(self) -> int:
        """Number of requests at most: which words are taken for the first ones is known with the scores."""
        known = {*self.requests, *(r for kept in kept_in(self.orders) for r in self.about(kept))}
        sets = 2 * len(set(sizes(len(self.words)))) if self.orders else 0
        return len(known) + sets * len(self.about(frozenset()))

    def about(self, kept: Kept) -> tuple[Request, ...]:
        """Return what is asked about the prompt with these words alone."""
        return self.outcome.requests(_with(self.prompt, self.words, kept), 0)


class WordExplainer:
    """Explains prompts of any target that answers; raises `UsageError` for one that can be asked nothing new.

    With `sampled`, answers are sampled whatever else the target shows.
    """

    def __init__(self, backend: Backend, *, sampled: bool = False) -> None:
        able = with_implied(backend.capabilities)
        if isinstance(backend, RecordedBackend):
            msg = "a recording has no answers to prompts with words left out; give a target that can be asked"
            raise UsageError(msg)
        self._backend = backend
        self._able = frozenset[str]() if sampled else frozenset(able)

    def _outcome(self, target: str, foil: str | None) -> Outcome:
        """Return what of the target's answers is read about these sides."""
        if "score-after-context" in self._able:
            return Likelihoods(target, foil)
        words = all(len(side.split()) == 1 for side in (target, foil) if side is not None)
        return FirstTokens(target, foil) if "choose" in self._able and words else Samples(target, foil)

    def plan(
        self,
        prompt: str,
        target: str,
        foil: str | None,
        method: WordMethod,
        *,
        seed: int = 0,
        most_requests: int | None = None,
    ) -> Plan:
        """Return what will be asked, in at most so many requests; without a check of the scores if it takes more.

        Raises `UsageError` for what cannot be compared, and where so few requests do not suffice.
        """
        stripped = prompt.rstrip()
        words = split_words(stripped)
        if not words:
            msg = "the prompt is empty: there is nothing to explain"
            raise UsageError(msg)
        # Spaces at the end of a prompt go to the target and the foil.
        spaces = prompt[len(stripped) :]
        prompt = stripped
        outcome = self._outcome(spaces + target, None if foil is None else spaces + foil)
        _require_sides(outcome)
        alike = outcome.exact and method.rounds == 1
        least = 1 if alike else FEWEST
        rounds = max(least, method.rounds) if outcome.exact else SAMPLED_ROUNDS
        checked = _with_orders(_planned(prompt, outcome, method, words, rounds, seed), seed)
        if most_requests is None or checked.most <= most_requests:
            return checked
        while True:
            plan = _planned(prompt, outcome, method, words, rounds, seed)
            if plan.most <= most_requests:
                return plan
            if rounds == least:
                msg = (
                    f"--max-requests {most_requests}: {method.name} takes at least {len(plan.requests)} for "
                )
                raise UsageError(f"{msg}{len(words)} words; allow as many, or shorten the prompt")
            rounds -= 1

    def explain(self, plan: Plan, *, seed: int = 0, progress: Progress = silent) -> Explanation:
        """Ask what was planned, and nothing else; raises `BackendError` where a request has no answer."""
        answers: dict[Request, Answer] = {}
        self._ask(plan, plan.requests, answers, seed, progress)
        outcome = plan.outcome
        said = [[[answers[request] for request in of_set] for of_set in of_round] for of_round in plan.asked]
        values = [[outcome.value(of_set) for of_set in of_round] for of_round in said]
        each = [of_set for of_round in said for of_set in of_round]
        neither = [share for of_set in each if (share := outcome.neither(of_set)) is not None]
        unknown = [off for of_set in each if (off := outcome.unknown(of_set)) is not None]
        count = len(plan.words)
        with _calling(plan.method):
            by_round = [
                plan.method.score(count, sets, of_round)
                for sets, of_round in zip(plan.rounds, values, strict=True)
            ]
            _require(
                all(len(of_round) == count for of_round in by_round), f"a score for each of {count} words"
            )
        scores = tuple(fmean(of_word) for of_word in zip(*by_round, strict=True))
        whole, nothing = (_mean_of(plan, values, frozenset(range(size))) for size in (count, 0))
        # As tokens do, a word has the white space before it.
        ends = [0, *(word.end for word in plan.words)]
        places = list(pairwise(ends))
        delta = fsum(scores) - (whole - nothing)
        if not isfinite(delta):
            raise BackendError(NOT_FINITE.message)
        faithfulness = self._checked(plan, scores, (whole, nothing), answers, seed, progress)
        return Explanation(
            prompt=plan.prompt,
            target=outcome.target,
            foil=outcome.foil,
            attribution=Attribution(
                tokens=tuple(plan.prompt[slice(*place)] for place in places),
                offsets=tuple(places),
                scores=scores,
                contrast=whole,
                baseline_contrast=nothing,
                delta=delta,
                steps=len(plan.requests),
                converged=abs(delta) <= tolerance(whole - nothing) if plan.method.complete else None,
                baseline=f"“{LEFT_OUT}”",
                method=plan.method.title,
            ),
            fingerprint=self._backend.fingerprint,
            faithfulness=faithfulness,
            asking=Asking(
                through=outcome.through,
                unit=outcome.unit,
                requests=len(answers),
                rounds=len(plan.rounds),
                intervals=tuple(
                    _interval(of_word, outcome, count, seed) for of_word in zip(*by_round, strict=True)
                ),
                neither=fmean(neither) if neither else None,
                unknown=max(unknown, default=None),
            ),
        )

    def _checked(
        self,
        plan: Plan,
        scores: Sequence[float],
        ends: tuple[float, float],
        answers: dict[Request, Answer],
        seed: int,
        progress: Progress,
    ) -> OrderFaithfulness | None:
        """Return whether the order of the scores does better than random ones; `ends` are of all words and of none."""
        if not plan.orders:
            return None
        whole, nothing = ends
        sign = 1.0 if whole >= nothing else -1.0
        orders = [ordered_by([sign * score for score in scores]), *plan.orders]
        asked = {kept: plan.about(kept) for kept in kept_in(orders)}
        self._ask(plan, [request for of_set in asked.values() for request in of_set], answers, seed, progress)
        falls = {
            kept: sign * (whole - plan.outcome.value([answers[request] for request in of_set]))
            for kept, of_set in asked.items()
        }
        return check_orders(falls, orders, sign * (whole - nothing))

    def _ask(
        self,
        plan: Plan,
        requests: Sequence[Request],
        answers: dict[Request, Answer],
        seed: int,
        progress: Progress,
    ) -> None:
        """Add the answers to those of the requests that have none."""
        new = [request for request in dict.fromkeys(requests) if request not in answers]
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            found: Sequence[Any]
            if isinstance(some[0], ScoreRequest):
                found = self._backend.score([one for one in some if isinstance(one, ScoreRequest)])
            elif isinstance(self._backend, ChoosingBackend) and isinstance(some[0], ChooseRequest):
                found = self._backend.choose([one for one in some if isinstance(one, ChooseRequest)])
            else:
                found = self._backend.generate(
                    [one for one in some if isinstance(one, GenerateRequest)], seed=seed
                )
            for request, answer in zip(some, found, strict=True):
                if isinstance(answer, Failure):
                    instead = "; --sampled reads its answers instead" if plan.outcome.exact else ""
                    msg = f"the target did not answer ({answer.reason}): {answer.message}{instead}"
                    raise BackendError(msg)
                answers[request] = answer
            progress(Step("Explaining, requests answered", len(answers), plan.most))


@contextmanager
def _calling(method: WordMethod) -> Iterator[None]:
    """Raise `PluginError` for what goes wrong in a method."""
    try:
        yield
    except GptauditError:
        raise
    except Exception as error:
        msg = f"method {method.name}: {type(error).__name__}: {error}; mend it, or choose another --method"
        raise PluginError(msg) from error


def _require(holds: bool, expected: str) -> None:  # noqa: FBT001
    if not holds:
        msg = f"expected {expected}"
        raise ValueError(msg)


def _require_sides(outcome: Outcome) -> None:
    """Refuse sides of which nothing can be told."""
    target, foil = outcome.target, outcome.foil
    for side in (target, foil):
        if side is not None and not side.strip():
            msg = f"{side!r} says nothing; give a text that may follow the prompt"
            raise UsageError(msg)
        if side is not None and not outcome.exact and not any(map(str.isalnum, side)):
            msg = f"{side!r}: sampled answers are read by their words, and it has none; give one"
            raise UsageError(msg)
    if foil is not None and foil.strip() == target.strip():
        msg = f"target and foil {target!r} are the same: nothing is compared"
        raise UsageError(msg)


def _planned(
    prompt: str, outcome: Outcome, method: WordMethod, words: Sequence[Word], rounds: int, seed: int
) -> Plan:
    draw = Random(seed)
    whole, none = frozenset(range(len(words))), frozenset[int]()
    with _calling(method):
        drawn = [tuple(method.ask(len(words), draw)) for _ in range(rounds)]
        for of_round in drawn:
            _require({whole, none} <= set(of_round), "the whole prompt and none of it in each round")
            _require(all(kept <= whole for kept in of_round), f"sets of the words 0 to {len(words) - 1}")
    times: Counter[str] = Counter()
    asked = []
    for of_round in drawn:
        texts = [_with(prompt, words, kept) for kept in of_round]
        requests = []
        for text in texts:
            requests.append(outcome.requests(text, times[text]))
            times[text] += 1
        asked.append(tuple(requests))
    return Plan(prompt, outcome, method, tuple(words), tuple(drawn), tuple(asked))


def _with_orders(plan: Plan, seed: int) -> Plan:
    """Return a plan that checks the order of the scores too, where the target's values are exact."""
    if not plan.outcome.exact or len(plan.words) < 2:
        return plan
    orders = random_orders(len(plan.words), ORDERS, Random(f"{seed}/orders"))
    return replace(plan, orders=tuple(map(tuple, orders)))


def _with(prompt: str, words: Sequence[Word], kept: Kept) -> str:
    """Return the prompt with these words alone."""
    parts, end = [], 0
    for number, word in enumerate(words):
        parts += [prompt[end : word.start], word.text if number in kept else LEFT_OUT]
        end = word.end
    return "".join([*parts, prompt[end:]])


def _mean_of(plan: Plan, values: Sequence[Sequence[float]], kept: Kept) -> float:
    """Return the mean value of a set of words over the rounds."""
    return fmean(
        value
        for sets, of_round in zip(plan.rounds, values, strict=True)
        for one, value in zip(sets, of_round, strict=True)
        if one == kept
    )


def _interval(values: Sequence[float], outcome: Outcome, words: int, seed: int) -> tuple[float, float] | None:
    """Return the interval of a word's score over rounds; None where there are too few.

    Its level allows for the number of words (Bonferroni): one that is shown to matter is not the luckiest of many.
    """
    if len(values) < FEWEST:
        return None
    rounds = list(map(str, range(len(values))))
    found = mean_interval(
        values, rounds, level=1 - (1 - DEFAULT_LEVEL) / words, seed=seed, bounds=outcome.bounds
    )
    return None if found.low is None or found.high is None else (found.low, found.high)
