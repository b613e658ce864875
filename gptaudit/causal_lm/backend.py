"""Backend for causal language models in torch, shared by `hf:` and `decoder:`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import exp, fsum
from typing import Any, Protocol

import torch

from gptaudit.causal_lm.chat import NO_CHAT, Chat, encoded_question
from gptaudit.causal_lm.encoding import EncodedPair, EncodedPrompt, EncodedQuestion, Encoder
from gptaudit.causal_lm.generation import Draw, TextGenerator, Watch
from gptaudit.causal_lm.likelihood import LikelihoodScorer
from gptaudit.causal_lm.memory import TokenBudget
from gptaudit.causal_lm.tree_support import widest_tree
from gptaudit.errors import BackendError, first_line, no_panic
from gptaudit.evidence.plan import request_key
from gptaudit.protocols.choosing import TRIAL, spellings
from gptaudit.protocols.text_backend import CHAT_CAPABILITIES
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    PlantedFlaw,
    Prompt,
    Request,
    ScoreRequest,
)

CAPABILITIES = frozenset({"generate", "score", "gradients"})


class TokenAttributor(Protocol):
    """What explains a model's tokens: `gptaudit.attribution.attributor.Attributor`."""

    def attribute(self, questions: Sequence[EncodedQuestion]) -> list[Attribution | Failure]:
        """Return the scores of each question's tokens."""


@dataclass(frozen=True, slots=True)
class _Spelled:
    """A prompt, and the tokens that spell each option as the first of an answer."""

    prompt: tuple[int, ...]
    options: Sequence[Sequence[int]]


def _choice(spelled: _Spelled, logprobs: Iterator[tuple[float, ...] | Failure]) -> Choice | Failure:
    """Take the log-probabilities of a prompt's spellings, and add up those of each option."""
    taken = [list(islice(logprobs, len(tokens))) for tokens in spelled.options]
    failure = next((one for of_option in taken for one in of_option if isinstance(one, Failure)), None)
    if failure is not None:
        return failure
    shares = tuple(
        fsum(exp(one[0]) for one in of_option if not isinstance(one, Failure)) for of_option in taken
    )
    return Choice(shares, shares, len(spelled.prompt))


@contextmanager
def model_errors() -> Iterator[None]:
    """Turn errors of the model (out of memory, a token without an embedding, ...) into `BackendError`."""
    try:
        with no_panic():
            yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        msg = f"the model raised {type(error).__name__}: {first_line(error)}"
        raise BackendError(msg) from error


class CausalLMBackend:
    """A `gptaudit.protocols.backend.Backend` for a model in evaluation mode with frozen weights."""

    verified = True
    samples_as_asked = True

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - any causal language model of transformers
        tokenizer: Any,  # noqa: ANN401
        *,
        fingerprint: str,
        batch_tokens: int,
        planted: tuple[PlantedFlaw, ...] = (),
        chat: Chat | None = None,
        details: Mapping[str, str] | None = None,
        attributor: Callable[..., TokenAttributor] | None = None,
    ) -> None:
        self.capabilities = CHAT_CAPABILITIES if chat else CAPABILITIES
        if chat and chat.continues:
            self.capabilities |= {"continue"}
        if attributor is None:
            self.capabilities -= {"gradients"}
        self.fingerprint = fingerprint
        self.planted = planted
        self.batch_tokens = batch_tokens
        self.parameters: int | None = sum(p.numel() for p in model.parameters())
        self.model = model
        self._attributor = attributor(model, batch_tokens=batch_tokens) if attributor else None
        self.encoder = Encoder(tokenizer, chat.tags if chat else ())
        self._chat = chat
        limit = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
        self.window = int(limit) if limit > 0 else sys.maxsize  # some configs write -1 for no limit
        self._widest_tree = widest_tree(model, self.window)
        self._scorer = LikelihoodScorer(model, batch_tokens=batch_tokens, widest_tree=self._widest_tree)
        self._generator = TextGenerator(
            model, self.encoder, _stop_tokens(model, tokenizer), TokenBudget(batch_tokens)
        )
        self.details: Mapping[str, Any] = {
            "device": str(model.device),
            "dtype": str(model.dtype).removeprefix("torch."),
            "context": self.window if self.window < sys.maxsize else None,
            "shared_prefixes": self._widest_tree > 0,
            "kept_keys": self._generator.keeps_keys,
            **(details or {}),
            **(chat.details if chat else {}),
        }
        if self._answers_with_letter():
            self.capabilities |= {"choose"}

    def _answers_with_letter(self) -> bool:
        """Return whether the model's answer to a question with lettered options is likely to begin with a letter."""
        (found,) = self.choose([TRIAL])
        return isinstance(found, Choice) and found.is_likely

    @model_errors()
    def tokens_read(self, requests: Sequence[Request]) -> list[int]:
        """Return how many tokens the model reads for each request; see `CountingBackend`."""
        return [self._read(request) for request in requests]

    def _read(self, request: Request) -> int:
        match request:
            case ScoreRequest():
                pair = self.encoder.pair(request.context, request.continuation)
                return len(pair.context) + len(pair.continuation) if pair else 0
            case GenerateRequest() | ChooseRequest() | AttributeRequest():
                prompt = self._prompt(request.prompt, 1)
                return 0 if isinstance(prompt, Failure) else len(prompt.ids)
        return 0

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Return the log-likelihood of each continuation."""
        return self._likelihoods(requests, self._scorer)

    @model_errors()
    def _likelihoods(
        self, requests: Sequence[ScoreRequest], scorer: LikelihoodScorer
    ) -> list[Likelihood | Failure]:
        answers: list[Likelihood | Failure | None] = [None] * len(requests)
        fitting, pairs = [], []
        encoded = self.encoder.pairs([(request.context, request.continuation) for request in requests])
        for i, pair in enumerate(encoded):
            if pair is None:
                answers[i] = Failure("no-tokens", "the continuation has no token, or no token precedes it")
            # The last token is only predicted, not read.
            elif len(pair.context) + len(pair.continuation) - 1 > self.window:
                answers[i] = self._too_long(len(pair.context) + len(pair.continuation) - 1)
            else:
                fitting.append(i)
                pairs.append(pair)
        for i, pair, values in zip(fitting, pairs, scorer.token_logprobs(pairs), strict=True):
            if isinstance(values, Failure):
                answers[i] = values
                continue
            tokens = self.encoder.tokens(pair.continuation) if requests[i].with_tokens else None
            answers[i] = Likelihood(values, sum(values), len(pair.context), tokens=tokens)
        return [answer for answer in answers if answer is not None]

    @model_errors()
    def generate(
        self,
        requests: Sequence[GenerateRequest],
        *,
        seed: int,
        watch: Callable[[int, str, bool], None] | None = None,
    ) -> list[Completion | Failure]:
        """Return one completion per request; `watch` gets its index before the arguments of `Watch`."""
        draws = [
            self._draw(request, seed, partial(watch, i) if watch else None)
            for i, request in enumerate(requests)
        ]
        completions = iter(self._generator.complete([draw for draw in draws if isinstance(draw, Draw)]))
        return [self._answer(next(completions)) if isinstance(draw, Draw) else draw for draw in draws]

    def generate_continuously(
        self, requests: Iterable[GenerateRequest], *, seed: int
    ) -> Iterator[tuple[GenerateRequest, Completion | Failure]]:
        """Yield each request with its completion as soon as that ends, and take the next one."""
        asked: dict[Draw, GenerateRequest] = {}
        refused: list[tuple[GenerateRequest, Failure]] = []

        def draws() -> Iterator[Draw]:
            for request in requests:
                draw = self._draw(request, seed)
                if isinstance(draw, Draw):
                    asked[draw] = request
                    yield draw
                else:
                    refused.append((request, draw))

        with model_errors():
            for draw, completion in self._generator.stream(draws()):
                yield asked.pop(draw), self._answer(completion)
                yield from refused
                refused.clear()
        yield from refused

    def _draw(self, request: GenerateRequest, seed: int, watch: Watch | None = None) -> Draw | Failure:
        # A chat model may end its answer long before the limit; a text is always continued up to it.
        prompt = self._prompt(request.prompt, 1 if self._chat else request.sampling.max_new_tokens)
        if isinstance(prompt, Failure):
            return prompt
        noise_seed = int(request_key(request, seed)[:32], 16)
        return Draw(prompt.ids, noise_seed, request.sampling, watch, self.window - len(prompt.ids))

    def _answer(self, drawn: Completion | Failure) -> Completion | Failure:
        return self._chat.answer(drawn) if self._chat and isinstance(drawn, Completion) else drawn

    @model_errors()
    def choose(self, requests: Sequence[ChooseRequest]) -> list[Choice | Failure]:
        """Return the probability of each option as the first token of the answer."""
        found = [self._spelled(request) for request in requests]
        pairs = [
            EncodedPair(one.prompt, (token,))
            for one in found
            if isinstance(one, _Spelled)
            for tokens in one.options
            for token in tokens
        ]
        logprobs = iter(self._scorer.token_logprobs(pairs))
        return [one if isinstance(one, Failure) else _choice(one, logprobs) for one in found]

    def _spelled(self, request: ChooseRequest) -> _Spelled | Failure:
        """Encode a prompt, and the tokens that spell each of its options."""
        text = self._text(request.prompt)
        if isinstance(text, Failure):
            return text
        prompt = self._encoded(text, 0)
        if isinstance(prompt, Failure):
            return prompt
        options = self.encoder.tokens_after(text, [spellings(option) for option in request.options])
        for option, tokens in zip(request.options, options, strict=True):
            if not tokens:
                return Failure("not-one-token", f"the option {option!r} is no token after the prompt")
        return _Spelled(prompt.ids, options)

    @model_errors()
    def attribute(self, requests: Sequence[AttributeRequest]) -> list[Attribution | Failure]:
        """Return the token scores of each contrast."""
        assert self._attributor is not None  # noqa: S101 - else the capability is not declared
        questions = [self.question(request.prompt, request.target, request.foil) for request in requests]
        asked = [one[1] for one in questions if not isinstance(one, Failure)]
        found = iter(self._attributor.attribute(asked))
        return [one if isinstance(one, Failure) else next(found) for one in questions]

    def question(
        self, prompt: Prompt, target: str, foil: str | None
    ) -> tuple[str, EncodedQuestion] | Failure:
        """Encode a question as `encoded_question` does, if it fits the window."""
        found = encoded_question(self.encoder, self._chat, prompt, target, foil)
        if isinstance(found, Failure):
            return found
        _, question = found
        longest = len(question.ids) + max(len(question.target), len(question.foil or ())) - 1
        return found if longest <= self.window else self._too_long(longest)

    def _prompt(self, prompt: Prompt, room: int) -> EncodedPrompt | Failure:
        text = self._text(prompt)
        return text if isinstance(text, Failure) else self._encoded(text, room)

    def _text(self, prompt: Prompt) -> str | Failure:
        """Return the text that the model reads."""
        if self._chat is not None:
            return self._chat.render(prompt)
        if isinstance(prompt, str):
            return prompt
        return NO_CHAT

    def _encoded(self, text: str, room: int) -> EncodedPrompt | Failure:
        """Encode a text that leaves so much room in the window."""
        encoded = self.encoder.rendered(text) if self._chat else self.encoder.prompt(text)
        if encoded is None:
            return Failure("no-tokens", "the prompt has no token, and the tokenizer has no start token")
        if len(encoded.ids) + room > self.window:
            return self._too_long(len(encoded.ids) + room)
        return encoded

    def _too_long(self, tokens: int) -> Failure:
        return Failure("too-long", f"{tokens} tokens; the model reads at most {self.window}")


def freeze(model: Any) -> Any:  # noqa: ANN401
    """Put a model into evaluation mode and disable the gradients of its weights."""
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    return model


def pick_device(name: str) -> torch.device:
    """Return the torch device of a name; `auto` is the best available. Raises `RuntimeError` for an unknown name."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401
    """Return the end tokens of the tokenizer and of the model's generation settings."""
    settings = getattr(model, "generation_config", None)
    configured = getattr(settings, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(int(end) for end in [*ends, tokenizer.eos_token_id] if end is not None)
