"""
Scores of a sequence classifier for texts of any length.

A text is read in windows that end where sentences end, and a piece longer than the model's input is cut further. Each
label has the highest probability of any piece, so that what is sought is found wherever it is in the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptaudit.errors import ScorerError
from gptaudit.scorers.batches import batches
from gptaudit.scorers.windows import Span, windows

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedTokenizerBase

    from gptaudit.protocols.scorer import Output, Scores

BATCH_TOKENS = 2048
MAX_TOKENS = 512
"""The longest input of a classifier, since tokenizers without a limit in their files truncate nothing."""


@dataclass(frozen=True, slots=True)
class ClassifierOptions:
    """Options of a scorer that is a classifier: `--scorer toxicity.device=cuda`."""

    device: str = "cpu"
    """A torch device."""
    batch_tokens: int = BATCH_TOKENS
    """Tokens, with padding, that are rated at once."""
    follow_links: bool = False
    """Load files of hf:FOLDER that lie outside it, where links and the index of its weights lead."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a batch of nothing."""
        if self.batch_tokens < 1:
            msg = f"batch_tokens must be at least 1, found {self.batch_tokens}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text that was rated by itself: its place in characters and its scores."""

    start: int
    end: int
    scores: Scores


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded classifier: its labels, its tokenizer with a length limit, and `rate`, texts to scores."""

    labels: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    rate: Callable[[Sequence[str]], Sequence[Scores]]


class ClassifierScorer:
    """
    Rates texts by one classifier.

    With `window_words` the odds of the worst window are divided by the square root of the number of windows: the worst
    of many is worse by chance, and a long harmless text must not be called toxic more often than a short one. The root
    is between no correction, with which long clean texts are called toxic, and Bonferroni's, with which one toxic
    sentence among many is not found.

    Each distinct text is scored once. Pieces are sorted by length and scored in batches of `batch_tokens`, to have
    little padding.
    """

    def __init__(
        self,
        name: str,
        classifier: Classifier,
        identity: Mapping[str, str],
        *,
        window_words: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        """`name` is the role, and `identity` all that decides a score apart from the windows."""
        self.name = name
        self.labels = classifier.labels
        self.identity: Mapping[str, str] = {
            **identity,
            "windows": f"{window_words} words" if window_words else "none",
        }
        self._classifier = classifier
        self._window_words = window_words
        self._batch_tokens = batch_tokens

    def __call__(self, outputs: Sequence[Output]) -> list[Scores]:
        """Return the probability of each label for each text: `scorer([Output("Hello.")])[0]["toxicity"]`."""
        pieces = self.pieces([output.text for output in outputs])
        rated = {text: self._worst(of_text) for text, of_text in pieces.items()}
        return [rated[output.text] for output in outputs]

    def pieces(self, texts: Sequence[str]) -> dict[str, list[Piece]]:
        """Return the pieces of each distinct text with their scores; they show where in the text a score comes from."""
        distinct = list(dict.fromkeys(texts))
        spans = {text: self._spans(text) for text in distinct}
        cut = iter(self._cut([text[a:b] for text in distinct for a, b in spans[text]]))
        places = {
            text: [(a + start, a + end, tokens) for a, _ in spans[text] for start, end, tokens in next(cut)]
            for text in distinct
        }
        lengths = {text[a:b]: tokens for text in distinct for a, b, tokens in places[text]}
        rated = dict(zip(lengths, self._rate(list(lengths), list(lengths.values())), strict=True))
        return {text: [Piece(a, b, rated[text[a:b]]) for a, b, _ in places[text]] for text in distinct}

    def _spans(self, text: str) -> list[Span]:
        return windows(text, self._window_words) if self._window_words else [(0, len(text))]

    def _worst(self, pieces: Sequence[Piece]) -> Scores:
        divisor = math.sqrt(len(pieces)) if self._window_words else 1.0
        highest = {label: max(piece.scores[label] for piece in pieces) for label in self.labels}
        return {label: divided_odds(value, divisor) for label, value in highest.items()}

    def _cut(self, texts: Sequence[str]) -> list[list[tuple[int, int, int]]]:
        """Cut each text into pieces that fit the model's input; return each one's start, end and number of tokens."""
        if not texts:
            return []
        tokenizer = self._classifier.tokenizer
        encoded = tokenizer(
            [valid(text) for text in texts],
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=False,
            verbose=False,
        )
        size = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
        return [
            [(0, len(text), len(tokens))]
            if len(tokens) <= size
            else [(part[0][0], part[-1][1], len(part)) for part in groups(tokens, size)]
            for text, tokens in zip(texts, encoded["offset_mapping"], strict=True)
        ]

    def _rate(self, pieces: Sequence[str], lengths: Sequence[int]) -> list[Scores]:
        import torch

        scores: list[Scores] = [{}] * len(pieces)
        for batch in batches(lengths, self._batch_tokens):
            with torch.inference_mode():
                rated = self._classifier.rate([valid(pieces[i]) for i in batch])
            for i, of_piece in zip(batch, rated, strict=True):
                scores[i] = of_piece
        return scores


def on_device(network: Module, device: str) -> Module:
    """Move a network to a torch device; raise `ScorerError` where there is no such device."""
    import torch

    try:
        return network.to(torch.device(device))
    except (RuntimeError, AssertionError, ValueError) as error:
        msg = f"option device={device}: expected a torch device of this machine, such as cpu: {error}"
        raise ScorerError(msg) from error


def groups(spans: Sequence[Span], size: int) -> list[Sequence[Span]]:
    """Group items in order, `size` at a time."""
    return [spans[start : start + size] for start in range(0, len(spans), size)]


def valid(text: str) -> str:
    """Replace lone surrogates, which tokenizers refuse, by question marks; the length stays."""
    return text.encode("utf-8", "replace").decode("utf-8")


def divided_odds(probability: float, divisor: float) -> float:
    """Divide the odds of a probability: `divided_odds(0.75, 3) == 0.5`."""
    return probability / (probability + divisor * (1 - probability))
