"""Tokenized corpus on disk: written once, in little memory, and read as an array."""

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
from gptaudit.errors import DataError
from gptaudit.files import read_json
from gptaudit.records.progress import Progress, Step, silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tokens: TypeAlias = NDArray[np.uint16] | NDArray[np.uint32]

SCHEMA = "gptaudit.tokens/1"
AT_ONCE = 1 << 20
"""Characters tokenized in one call: enough to keep all cores busy."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file of training tokens followed by validation tokens."""

    path: Path
    dtype: str
    training: int
    """Number of training tokens."""
    validation: int
    """Number of validation tokens."""

    def read(self) -> tuple[Tokens, Tokens]:
        """Map both parts into memory: (training,) and (validation,)."""
        # A plain array is mapped as well, and indexed much faster than a np.memmap.
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
    """Tokenize the corpus into `folder`, or reuse its tokens there; the file is named by a hash of all they depend on.

    An end-of-text token starts each part and ends each document; text that spells it out is encoded as text. One of
    every `round(1 / validation)` documents is kept for validation; with fewer documents than that, it is the share
    `validation` at the end of the token stream.

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
    """Hash everything that decides the tokens of a text."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def is_drawn(number: int, every: int) -> bool:
    """Whether an index is drawn: one of every `every`, chosen by a hash.

    Not every `every`-th, since a corpus may be periodic, such as questions alternating with answers.
    """
    stretch, place = divmod(number, every)
    return int.from_bytes(hashlib.sha256(stretch.to_bytes(8)).digest()[:8]) % every == place


def _ready(path: Path, described: Path) -> TokenFile | None:
    """Return the token file built before, if it is complete."""
    try:
        found = read_json(described, error=DataError)
        ready = TokenFile(path, found["dtype"], int(found["training"]), int(found["validation"]))
        whole = (ready.training + ready.validation) * np.dtype(ready.dtype).itemsize
        return ready if path.stat().st_size == whole else None
    except (DataError, OSError, ValueError, KeyError, TypeError):
        return None


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
    """Yield the pieces and report progress."""
    done = 0
    for piece, ids in pieces:
        yield piece, ids
        done += len(piece.text)
        progress(Step("tokenizing", done, characters))
