"""The check of backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import fsum, isclose, isfinite
from typing import Any, Final, TypeAlias

from gptaudit.errors import BackendError
from gptaudit.evidence.stored import ANSWER
from gptaudit.probe import CAPABILITIES, with_implied
from gptaudit.protocols.backend import (
    Backend,
    ChoosingBackend,
    ContinuousBackend,
    StreamingBackend,
)
from gptaudit.records import (
    Answer,
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    Message,
    Prompt,
    Request,
    Sampling,
    ScoreRequest,
)
from gptaudit.testing.conformance.expecting import calling, expect, expect_json, expect_same
from gptaudit.testing.conformance.texts import HOSTILE

ROUNDING: Final = 1e-3
"""Largest difference of a number, in nats or of a probability, when other requests are answered beside it."""

Ask: TypeAlias = Callable[[Sequence[Any]], Sequence[Answer]]

TEXTS: Final = (
    "The old bridge",
    "Every morning the baker went to",
    "After the storm, nobody in the village said that",
)
QUESTION: Final = "Which is the name of a colour? Reply with one letter.\nA. {}\nB. {}\nAnswer:"
GREEDY: Final = Sampling(max_new_tokens=6, temperature=0.0)
SAMPLED: Final = Sampling(max_new_tokens=6, temperature=1.0)
TALK: Final = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Good morning."),
    Message("user", "What is a bridge?"),
)
BEGUN: Final = (Message("user", "Is the sky blue?"), Message("assistant", "Yes, the"))


def check_backend(
    backend: Backend, *, prompts: Sequence[Prompt] = TEXTS, repeats_itself: bool = True
) -> None:
    """Check an open backend: `check_backend(my_type.open("my-model", MyOptions()))`.

    It declares what it can do and answers each request of those kinds in order, with an answer of its kind or a
    `Failure`; the answer is the same beside any other requests; a text that it cannot take fails alone; numbers are
    finite and in their range; everything comes back from JSON.

    `prompts` are some that it can answer; at least one has to get an answer. A model whose answers differ from call to
    call is checked with `repeats_itself=False`: for all but sameness.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    where = f"backend {type(backend).__name__}"
    with calling(where):
        _check_declared(backend, where)
    able = with_implied(backend.capabilities)
    for capability, requests, ask in _kinds(backend, able, prompts):
        _check_kind(requests, ask, f"{where}, {capability}", repeats_itself=repeats_itself)
    asked = [GenerateRequest(prompt, GREEDY) for prompt in prompts] if able & {"generate", "chat"} else []
    if isinstance(backend, StreamingBackend) and asked:
        _check_flow(asked, partial(backend.stream, seed=0), f"{where}, stream")
    if isinstance(backend, ContinuousBackend) and asked:
        _check_flow(asked, partial(backend.generate_continuously, seed=0), f"{where}, generate_continuously")


def _check_declared(backend: Backend, where: str) -> None:
    known = isinstance(backend.fingerprint, str) and bool(backend.fingerprint)
    expect(f"{where}, fingerprint", "a text", backend.fingerprint, holds=known)
    expect(f"{where}, verified", "True or False", backend.verified, holds=isinstance(backend.verified, bool))
    sampled = backend.samples_as_asked
    expect(f"{where}, samples_as_asked", "True or False", sampled, holds=isinstance(sampled, bool))
    able = set(backend.capabilities)
    known = bool(able) and able <= CAPABILITIES.keys()
    expect(f"{where}, capabilities", f"some of {', '.join(CAPABILITIES)}", able, holds=known)
    size = backend.parameters
    expect(f"{where}, parameters", "a number, or None", size, holds=size is None or isinstance(size, int))
    expect(f"{where}, planted", "a tuple", backend.planted, holds=isinstance(backend.planted, tuple))
    expect_json(f"{where}, details", dict(backend.details))
    chooses = isinstance(backend, ChoosingBackend)
    expect(
        f"{where}, capabilities", "a method `choose`, as it says", able, holds=chooses or "choose" not in able
    )


def _kinds(
    backend: Backend, able: frozenset[str], prompts: Sequence[Prompt]
) -> Iterator[tuple[str, Sequence[Any], Ask]]:
    """Yield each capability with requests that need it, and how they are asked."""
    generate = partial(backend.generate, seed=0)
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    greedy = [GenerateRequest(prompt, GREEDY) for prompt in prompts]
    if able & {"generate", "chat"}:
        samples = [GenerateRequest(prompt, SAMPLED, sample) for prompt in prompts for sample in (0, 1)]
        yield "generate", [*greedy, *(samples if backend.samples_as_asked else ())], generate
    for capability, talk in (("chat", TALK), ("continue", BEGUN)):
        if capability in able:
            yield capability, [*greedy, GenerateRequest(talk, GREEDY)], generate
    if "score-after-context" in able:
        after = (ScoreRequest(text, " was quiet.", with_tokens=n == 0) for n, text in enumerate(texts))
        yield "score-after-context", list(after), backend.score
    if "score" in able:
        yield "score", [ScoreRequest("", text) for text in texts], backend.score
    if "choose" in able and isinstance(backend, ChoosingBackend):
        questions = (QUESTION.format(*words) for words in (("blue", "chair"), ("lamp", "red")))
        yield "choose", [ChooseRequest(question, ("A", "B")) for question in questions], backend.choose
    if "gradients" in able:
        yield "gradients", [AttributeRequest(text, " he", " she") for text in texts[:2]], backend.attribute


def _check_kind(requests: Sequence[Any], ask: Ask, where: str, *, repeats_itself: bool) -> None:
    expect_same(f"{where}, no requests", "length of the answers", 0, len(_asked([], ask, where)))
    together = _asked(requests, ask, where)
    given = sum(not isinstance(answer, Failure) for answer in together)
    expect(
        where, "an answer to one of the requests; name prompts that it can answer", together, holds=given > 0
    )
    if repeats_itself:
        _expect_alike(
            f"{where}, in another order", requests, together, _asked(requests[::-1], ask, where)[::-1]
        )
        alone = [_asked([request], ask, where)[0] for request in requests]
        _expect_alike(f"{where}, each alone", requests, together, alone)
    for text in HOSTILE:
        hostile = _with_text(requests[0], text)
        try:
            first, *_ = _asked([requests[0], hostile], ask, f"{where}, with the text {text[:40]!r}")
        except BackendError:  # of the call as a whole: the engine asks one by one
            (first,) = _asked(requests[:1], ask, where)
        if repeats_itself:
            _expect_alike(f"{where}, beside the text {text[:40]!r}", requests, together[:1], [first])


def _with_text(request: Request, text: str) -> Request:
    match request:
        case GenerateRequest(prompt=str()) | AttributeRequest() | ChooseRequest(prompt=str()):
            return replace(request, prompt=text)
        case ScoreRequest(context=""):
            return replace(request, continuation=text)
        case ScoreRequest():
            return replace(request, context=text or "The")
        case GenerateRequest() | ChooseRequest():
            return replace(request, prompt=(Message("user", text),))
    raise TypeError(request.kind)


def _asked(requests: Sequence[Request], ask: Ask, where: str) -> list[Answer]:
    """Return the answers to some requests, which are checked."""
    with calling(where, BackendError):
        found = list(ask(requests))
    expect(where, f"{len(requests)} answers", len(found), holds=len(found) == len(requests))
    for request, answer in zip(requests, found, strict=True):
        _check_answer(request, answer, where)
    return found


def _check_answer(request: Request, answer: Answer, where: str) -> None:
    wanted = {"score": Likelihood, "generate": Completion, "choose": Choice, "attribute": Attribution}[
        request.kind
    ]
    expect(where, f"a {wanted.__name__} or a Failure", answer, holds=isinstance(answer, wanted | Failure))
    expect_same(where, "answer once it was kept", answer, ANSWER.validate_json(ANSWER.dump_json(answer)))
    match answer:
        case Failure():
            expect(
                where, "a reason in a word", answer, holds=bool(answer.reason) and " " not in answer.reason
            )
        case Likelihood():
            logprobs, total = answer.token_logprobs, fsum(answer.token_logprobs)
            finite = all(map(isfinite, (*logprobs, answer.logprob))) and max((0.0, *logprobs)) <= ROUNDING
            expect(where, "finite log-probabilities, at most 0", answer, holds=finite)
            summed = isclose(total, answer.logprob, abs_tol=ROUNDING, rel_tol=1e-4)
            expect(where, f"as logprob the sum of those of its tokens, {total}", answer, holds=summed)
            named = answer.tokens is None or len(answer.tokens) == len(logprobs)
            expect(where, "a text for each token", answer, holds=named)
        case Completion() if isinstance(request, GenerateRequest):
            most = request.sampling.max_new_tokens
            expect(
                where, f"at most {most} tokens", answer, holds=answer.tokens is None or answer.tokens <= most
            )
        case Choice() if isinstance(request, ChooseRequest):
            as_many = len(answer.least) == len(answer.most) == len(request.options)
            ordered = all(
                0 <= a <= b <= 1 + ROUNDING for a, b in zip(answer.least, answer.most, strict=False)
            )
            expect(where, "a probability of each option, from 0 to 1", answer, holds=as_many and ordered)
            expect(where, "at most 1 for all options", answer, holds=answer.share <= 1 + ROUNDING)
        case Attribution():
            as_many = len(answer.tokens) == len(answer.offsets) == len(answer.scores)
            finite = all(map(isfinite, (*answer.scores, answer.contrast, answer.delta)))
            expect(where, "a place and a finite score of each token", answer, holds=as_many and finite)
            moved = answer.contrast - answer.baseline_contrast
            off = abs(fsum(answer.scores) - moved)
            complete = off <= ROUNDING + 1.01 * abs(answer.delta)
            expect(where, f"scores that sum to {moved}, up to delta", answer, holds=complete)


def _expect_alike(
    where: str, requests: Sequence[Request], first: Sequence[Answer], second: Sequence[Answer]
) -> None:
    for request, one, other in zip(requests, first, second, strict=False):
        alike = type(one) is type(other) and _alike(one, other)
        expect(where, f"the same answer to {request}", (one, other), holds=alike)


def _alike(one: Answer, other: Answer) -> bool:
    """Return whether two answers of one type are the same, but for rounding."""
    if isinstance(one, Completion) and isinstance(other, Completion):
        return (one.text, one.finish) == (other.text, other.finish)
    if isinstance(one, Failure) and isinstance(other, Failure):
        return one.reason == other.reason
    numbers, others = _numbers(one), _numbers(other)
    close = (abs(a - b) <= ROUNDING * max(1.0, abs(a)) for a, b in zip(numbers, others, strict=False))
    return len(numbers) == len(others) and all(close)


def _numbers(answer: Answer) -> Sequence[float]:
    match answer:
        case Likelihood():
            return answer.token_logprobs
        case Choice():
            return (*answer.least, *answer.most)
        case Attribution():
            return answer.scores
    return ()


def _check_flow(requests: Sequence[GenerateRequest], flow: Callable[..., Any], where: str) -> None:
    """Check that a stream answers each request once."""
    with calling(where, BackendError):
        found = list(flow(iter(requests)))
    once = {request for request, _ in found} == set(requests) and len(found) == len(requests)
    expect(where, f"one answer to each of {len(requests)} requests", found, holds=once)
    for request, answer in found:
        _check_answer(request, answer, where)
