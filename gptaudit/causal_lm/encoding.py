"""Encoding of texts as tokens: the only place that decides about token boundaries and start tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from gptaudit.errors import TargetError
from gptaudit.records import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A context and its continuation as token ids; the context is never empty."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as token ids; the first `starts` of them are start tokens.

    `offsets` are the start and end of each of the others in the text, in characters; None if the tokenizer does not
    report them, as one written in Python.
    """

    ids: tuple[int, ...]
    starts: int
    offsets: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """A prompt of which tokens are to be explained: what they do for the target, or for it against the foil."""

    ids: tuple[int, ...]
    """The prompt."""
    explained: tuple[int, ...]
    """Places of the tokens to explain, in ascending order: not start tokens, nor those of a chat template."""
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    """Text of each explained token; its start and end in the prompt, in characters."""
    target: tuple[int, ...]
    foil: tuple[int, ...] | None


class Encoder:
    """Encodes texts with one tokenizer.

    What the tokenizer itself puts before a text, such as BOS, is put before every text. Where it puts nothing, BOS (or
    EOS if there is none) precedes a text that would otherwise have no context. A start token that the text begins with
    is not put there twice. Context and continuation are encoded together and split at the length of the context alone,
    as in lm-evaluation-harness; spaces at the end of the context go to the continuation.

    Special tokens are left out of decoded texts, except `kept` ones, such as the tags around a model's thought.
    """

    def __init__(
        self,
        tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no typed base
        kept: Iterable[str] = (),
    ) -> None:
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab() if kept else {}
        self._kept = {vocabulary[token]: token for token in kept if token in vocabulary}
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        self._always = _put_before(tokenizer)
        self._without_context = self._always or ([] if start is None else [start])

    def pair(self, context: str, continuation: str) -> EncodedPair | None:
        """Encode for scoring; None if the continuation has no token, or no token precedes it.

        With a tokenizer of words, `pair("The nurse", " slept")` is `([The, nurse], [slept])`.
        """
        return self.pairs([(context, continuation)])[0]

    def pairs(self, texts: Sequence[tuple[str, str]]) -> list[EncodedPair | None]:
        """Encode contexts and continuations as `pair` does, each distinct text once and all in one call."""
        both = [
            text for context, continuation in texts for text in (context + continuation, context.rstrip())
        ]
        distinct = [text for text in dict.fromkeys(both) if text]
        found = self._tokenizer(distinct, add_special_tokens=False)["input_ids"] if distinct else []
        ids = {"": [], **dict(zip(distinct, found, strict=True))}
        return [self._split(ids[a], len(ids[b])) for a, b in zip(both[::2], both[1::2], strict=True)]

    def _split(self, whole: list[int], split: int) -> EncodedPair | None:
        starts = self._starts(whole[:split])
        if split:
            before, after = [*starts, *_text_after(starts, whole[:split])], whole[split:]
        else:
            before, after = starts, _text_after(starts, whole)
        return EncodedPair(tuple(before), tuple(after)) if before and after else None

    def prompt(self, text: str) -> EncodedPrompt | None:
        """Encode a prompt for generation or attribution; None if it has no token, not even a start token."""
        fast = bool(self._tokenizer.is_fast)
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=fast)
        ids = list(encoded["input_ids"])
        starts = self._starts(ids)
        own = _text_after(starts, ids)
        places = encoded["offset_mapping"][len(ids) - len(own) :] if fast else None
        offsets = None if places is None else tuple((int(a), int(b)) for a, b in places)
        return EncodedPrompt((*starts, *own), len(starts), offsets) if starts or own else None

    def rendered(self, text: str) -> EncodedPrompt | None:
        """Encode a text that contains its special tokens, such as the output of a chat template."""
        ids = self._ids(text)
        return EncodedPrompt(tuple(ids), 0, None) if ids else None

    def question(
        self, text: str, target: str, foil: str | None, contents: Sequence[tuple[int, int]] | None = None
    ) -> EncodedQuestion | Failure:
        """Encode a prompt with what may follow it, or return why that cannot be explained.

        `contents` are the parts of a rendered conversation that its messages wrote, in characters: only they are
        explained, and no start token is put before it. Spaces at the end of a prompt go to the target and the foil.
        """
        if not self._tokenizer.is_fast:
            return _unexplainable(
                "the tokenizer does not report where its tokens are; save it with a tokenizer.json"
            )
        stripped = text if contents is not None else text.rstrip()
        sides = [text[len(stripped) :] + side for side in (target, foil) if side is not None]
        encoded = self._tokenizer(
            [stripped, *(stripped + side for side in sides)],
            add_special_tokens=False,
            return_offsets_mapping=True,
        )
        ids, *whole = encoded["input_ids"]
        starts = self._starts(ids) if contents is None else []
        own = _text_after(starts, ids)
        if not own:
            return _unexplainable("the prompt is empty: there is nothing to explain")
        problem = _continuation_problem(ids, dict(zip(sides, whole, strict=True)), len(whole))
        if problem := problem or self._unknown(
            dict(zip(sides, (its[len(ids) :] for its in whole), strict=True))
        ):
            return _unexplainable(problem)
        places = [(int(a), int(b)) for a, b in encoded["offset_mapping"][0][len(ids) - len(own) :]]
        explained = [
            i
            for i, (a, b) in enumerate(places)
            if contents is None or any(a < end and b > begin for begin, end in contents)
        ]
        if not explained:
            return _unexplainable("no token of the prompt is a message's own: there is nothing to explain")
        continuations = [tuple(its_ids[len(ids) :]) for its_ids in whole]
        return EncodedQuestion(
            ids=(*starts, *own),
            explained=tuple(len(starts) + i for i in explained),
            tokens=tuple(stripped[slice(*places[i])] for i in explained),
            offsets=tuple(places[i] for i in explained),
            target=continuations[0],
            foil=continuations[1] if foil is not None else None,
        )

    def _unknown(self, sides: Mapping[str, Sequence[int]]) -> str | None:
        """Return which text the vocabulary lacks, so that the token for all unknown ones would be explained."""
        unknown = self._tokenizer.unk_token_id
        lacking = next((side for side, ids in sides.items() if unknown is not None and unknown in ids), None)
        if lacking is None or str(self._tokenizer.unk_token) in lacking:
            return None
        return f"the vocabulary lacks {lacking!r}, or a part of it; give another word"

    def tokens_after(self, text: str, options: Sequence[Sequence[str]]) -> list[list[int]]:
        """Return for each option the tokens that continue a text by one of its spellings.

        A spelling that takes several tokens has none.

        >>> encoder.tokens_after("Answer:", [("A", " A"), ("B", " B")])
        [[32, 330], [33, 363]]
        """
        longer = [text + spelling for spellings in options for spelling in spellings]
        before, *found = self._tokenizer([text, *longer], add_special_tokens=False)["input_ids"]
        left = iter(found)
        return [
            list(
                dict.fromkeys(
                    ids[-1] for ids in islice(left, len(spellings)) if list(ids[:-1]) == list(before)
                )
            )
            for spellings in options
        ]

    def tokens(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the vocabulary entry of each token, in the tokenizer's notation: `Ġnurse` for " nurse"."""
        return tuple(map(str, self._tokenizer.convert_ids_to_tokens(list(ids))))

    def decode(self, ids: Sequence[int]) -> str:
        """Decode tokens, leaving out special ones that are not kept."""
        parts = groupby(ids, key=self._kept.get)
        return "".join(
            (kept * len(list(part)))
            if kept
            else str(self._tokenizer.decode(list(part), skip_special_tokens=True))
            for kept, part in parts
        )

    def decode_continuation(self, prompt: Sequence[int], new: Sequence[int]) -> str:
        """Decode generated tokens together with the prompt, so that a leading space is kept."""
        before = self.decode(prompt)
        whole = self.decode([*prompt, *new])
        return whole[len(before) :] if whole.startswith(before) else self.decode(new)

    def _starts(self, ids: list[int]) -> list[int]:
        """Return the start tokens of a text with these tokens."""
        return self._always if ids else self._without_context

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _put_before(tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Return the tokens that the tokenizer puts before every text: none, BOS, or several, as GLM's `[gMASK]<sop>`."""
    whole, text = (list(tokenizer("a", add_special_tokens=added)["input_ids"]) for added in (True, False))
    for place in range(len(whole) - len(text) + 1):
        if whole[place : place + len(text)] == text:
            return whole[:place]
    msg = f"the tokenizer encodes 'a' as {text}, and as {whole} with its start tokens, in which that is not found; "
    raise TargetError(f"{msg}give the model with its own tokenizer.json")


def _continuation_problem(ids: list[int], sides: dict[str, list[int]], compared: int) -> str | None:
    """Return why texts, with the tokens of the prompt and theirs, are no continuations of the prompt's tokens."""
    for side, whole in sides.items():
        if whole[: len(ids)] != ids:
            return (
                f"{side!r} joins the last token of the prompt; begin it with a space to mean a new word, "
                "or move the prompt's last word to the target and the foil"
            )
        if len(whole) == len(ids):
            return f"{side!r} has no token; give a text that may follow the prompt"
    if len({tuple(whole) for whole in sides.values()}) < compared:
        return f"target and foil {next(iter(sides))!r} are the same tokens: nothing is compared"
    return None


def _unexplainable(message: str) -> Failure:
    return Failure("not-explainable", message)


def _text_after(starts: list[int], ids: list[int]) -> list[int]:
    """Return the tokens of a text without the start tokens that the text itself begins with."""
    written = 0
    for start in starts:
        written += ids[written : written + 1] == [start]
    return ids[written:]
