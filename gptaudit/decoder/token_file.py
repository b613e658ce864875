"""A corpus as tokens on disk: written once, in little memory, and read as an array."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.decoder.corpus import PIECE, Corpus, Piece, Survey
from gptaudit.records.progress import Progress, Step, silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tokens: TypeAlias = NDArray[np.uint16] | NDArray[np.uint32]

SCHEMA = "gptaudit.tokens/1"
AT_ONCE = 1 << 20
"""Characters that are tokenized together: enough to keep all cores busy."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Where the tokens lie: first those to learn from, then those to validate with."""

    path: Path
    dtype: str
    training: int
    """Number of tokens to learn from."""
    validation: int

    def read(self) -> tuple[Tokens, Tokens]:
        """Map both parts into memory: (training,) and (validation,)."""
        # As a plain array: it is mapped all the same, and read far quicker than through numpy's own class.
        tokens: Tokens = np.asarray(np.memmap(self.path, self.dtype, mode="r"))
        return tokens[: self.training], tokens[self.training :]


def token_file(
    corpus: Corpus,
    found: Survey,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    validation: float,
    progress: Progress = silent,
) -> TokenFile:
    """Find the corpus in `folder` as tokens, or tokenize it; the file is named by the content of all that decides it.

    An end-of-text token begins each part and ends each document; a text that spells one out is read as text. Of each
    `round(1 / validation)` documents one is kept apart; where there are fewer than that, it is the share `validation`
    at the end of the token stream.

    Raises:
        OSError: the file cannot be written.
    """
    name = hashlib.sha256(
        f"{SCHEMA} {found.sha256} {tokenizer_sha256(tokenizer)} {validation}".encode()
    ).hexdigest()[:32]
    path, described = folder / f"{name}.bin", folder / f"{name}.json"
    if (ready := _ready(path, described)) is None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as building:
            pieces = _told(_tokenized(corpus(), tokenizer), found.characters, progress)
            ready = _write(pieces, Path(building) / path.name, tokenizer, found.documents, validation)
            written = Path(building) / described.name
            written.write_text(json.dumps({"schema": SCHEMA} | asdict(ready) | {"path": path.name}), "utf-8")
            ready.path.replace(path)
            written.replace(described)
    return replace(ready, path=path)


def tokenizer_sha256(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash what decides the tokens of a text."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def is_drawn(number: int, every: int) -> bool:
    """Whether a number from 0 on is drawn: one of each `every`, by a hash.

    Not each `every`-th, since a corpus may have a rhythm: every second document an answer, say.
    """
    stretch, place = divmod(number, every)
    return int.from_bytes(hashlib.sha256(stretch.to_bytes(8)).digest()[:8]) % every == place


def _ready(path: Path, described: Path) -> TokenFile | None:
    """Return what was built before, if all of it is there."""
    try:
        found = json.loads(described.read_text(encoding="utf-8"))
        ready = TokenFile(path, found["dtype"], found["training"], found["validation"])
        size = path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = (ready.training + ready.validation) * np.dtype(ready.dtype).itemsize
    return ready if size == whole else None


def _write(
    pieces: Iterator[tuple[Piece, list[int]]],
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    documents: int,
    validation: float,
) -> TokenFile:
    dtype, code = ("uint16", "H") if len(tokenizer) <= 1 << 16 else ("uint32", "I")
    end = array(code, [tokenizer.eos_token_id])
    every = round(1 / validation) if validation else documents + 1
    document = 0
    with path.open("wb") as learned, path.with_suffix(".held").open("w+b") as held:
        end.tofile(learned)
        if every <= documents:
            end.tofile(held)
        for piece, ids in pieces:
            part = held if every <= documents and is_drawn(document, every) else learned
            array(code, ids).tofile(part)
            if piece.ends:
                end.tofile(part)
                document += 1
        training, kept = (part.tell() // end.itemsize for part in (learned, held))
        held.seek(0)
        shutil.copyfileobj(held, learned)
    if every > documents:
        kept = round(training * validation)
        training -= kept
    return TokenFile(path, dtype, training, kept)


def _tokenized(
    pieces: Iterator[Piece], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[Piece, list[int]]]:
    while batch := _some(pieces):
        encoded = tokenizer(
            [piece.text for piece in batch],
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            verbose=False,
        )
        yield from zip(batch, encoded.input_ids, strict=True)


def _some(pieces: Iterator[Piece]) -> list[Piece]:
    """Take the next pieces, about `AT_ONCE` characters."""
    taken, characters = [], 0
    for piece in islice(pieces, AT_ONCE // 16):
        taken.append(piece)
        characters += len(piece.text)
        if characters > AT_ONCE - PIECE:
            break
    return taken


def _told(
    pieces: Iterator[tuple[Piece, list[int]]], characters: int, progress: Progress
) -> Iterator[tuple[Piece, list[int]]]:
    """Pass the pieces on, and tell how far the corpus is read."""
    done = 0
    for piece, ids in pieces:
        yield piece, ids
        done += len(piece.text)
        progress(Step("tokenizing", done, characters))
