"""Read a corpus piece by piece from files, folders, or documents in memory."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from gptaudit.errors import DataError
from gptaudit.files import lines_of, parse_json

PIECE = 1 << 16
"""Maximum length of a piece in characters; it bounds the memory for a document of any size."""
KEY = "text"
"""Key of the document in a line of a JSONL file."""

_SINGLE_SPACE = re.compile(r"(?<=\S) (?=\S)")


class Piece(NamedTuple):
    """A part of a document, and whether it is the last one."""

    text: str
    ends: bool


Corpus: TypeAlias = Callable[[], Iterator[Piece]]
"""Reads the corpus from the start on each call; no document is empty."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Size and hash of a corpus."""

    documents: int
    characters: int
    sha256: str


def survey(corpus: Corpus) -> Survey:
    """Count a corpus and hash its documents in order, separated by NUL, which no document contains.

    Raises:
        DataError: it contains no text.
    """
    digest, documents, characters, blank, between = hashlib.sha256(), 0, 0, True, b""
    for text, ends in corpus():
        digest.update(between + text.encode())
        between = b"\0" if ends else b""
        documents += ends
        characters += len(text)
        blank = blank and text.isspace()
    if blank:
        msg = "the corpus is empty; give a file with text"
        raise DataError(msg)
    return Survey(documents, characters, digest.hexdigest())


def documents_in_memory(documents: Sequence[str]) -> Corpus:
    """Use texts as a corpus, one document each; empty ones are skipped."""

    def read() -> Iterator[Piece]:
        for number, document in enumerate(documents, 1):
            yield from _cut([_sound(document, f"document {number}")])

    return read


def corpus_files(paths: Iterable[Path]) -> Corpus:
    """Use files and folders as a corpus.

    A file is one document of UTF-8 text or, if named `*.jsonl`, one document per line, `{"text": ...}`. Both may be
    compressed (`*.gz`). In a folder, `*.txt`, `*.jsonl` and their `.gz` variants are read, sorted by path.

    Raises:
        DataError: a file or folder is missing, cannot be read, or contains none of these files. Reading raises it if
            a file is not UTF-8 (with the byte), not such JSON (with the line), or damaged.
    """
    files = [file for path in paths for file in _files(path)]

    def read() -> Iterator[Piece]:
        for file in files:
            jsonl = file.name.removesuffix(".gz").endswith(".jsonl")
            yield from _jsonl_documents(file) if jsonl else _cut(_decoded(file))

    return read


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        with _readable(path), path.open("rb"):
            return [path]

    def refuse(error: OSError) -> None:
        raise error

    with _readable(path):
        found = [Path(folder, name) for folder, _, names in os.walk(path, onerror=refuse) for name in names]
    endings = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
    files = sorted(file for file in found if file.name.endswith(endings))
    if not files:
        msg = f"corpus {path}: the folder contains no *.txt, *.jsonl, *.txt.gz or *.jsonl.gz file"
        raise DataError(msg)
    return files


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert errors of reading a file into a `DataError` that names it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = f"corpus {path}: is damaged or not a gzip file ({error}); create it again"
    except OSError as error:
        msg = f"corpus {path}: cannot be read ({error.strerror}); give UTF-8 text, JSONL, or a folder of them"
    else:
        return
    raise DataError(msg)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with _readable(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield file  # type: ignore[misc]  # a GzipFile reads like any binary file


def _decoded(path: Path) -> Iterator[str]:
    """Read a text file, without its byte-order mark, in chunks of at most `PIECE` characters."""
    decoder, before = codecs.getincrementaldecoder("utf-8-sig")(), 0
    with _opened(path) as file:
        while True:
            raw = file.read(PIECE)
            kept = len(decoder.getstate()[0])
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                at, byte = before - kept + error.start, error.object[error.start]
                msg = f"corpus {path}: byte {at} (0x{byte:02x}) is not UTF-8; give a UTF-8 text file"
                raise DataError(msg) from None
            if (offset := raw.find(b"\0")) >= 0:
                msg = f"corpus {path}: byte {before + offset} is NUL, so this is a binary file; give a text file"
                raise DataError(msg)
            before += len(raw)
            if text:
                yield text
            if not raw:
                return


def _jsonl_documents(path: Path) -> Iterator[Piece]:
    with _opened(path) as file:
        for number, line in lines_of(file, f"corpus {path}", error=DataError):
            place = f"corpus {path}, line {number}"
            yield from _cut([_sound(_text_of(line, path, number), place)])


def _text_of(line: str, path: Path, number: int) -> str:
    place = f"corpus {path}, line {number}"
    found = parse_json(line, f"corpus {path}", line=number)
    text = found.get(KEY) if isinstance(found, dict) else None
    if not isinstance(text, str):
        came = f"the keys {', '.join(found) or 'none'}" if isinstance(found, dict) else type(found).__name__
        if isinstance(found, dict) and KEY in found:
            came = f"{type(found[KEY]).__name__} there"
        msg = f'{place}: expected a JSON object with text under the key "{KEY}", found {came}'
        raise DataError(msg)
    return text


def _sound(text: str, place: str) -> str:
    """Reject NUL, which separates documents, and text that cannot be encoded."""
    if "\0" in text:
        msg = f"{place}: the text contains NUL; remove it"
        raise DataError(msg)
    return encodable(text, place)


def encodable(text: str, place: str) -> str:
    """Return the text; raise `DataError` if a JSON escape left an unpaired surrogate in it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{place}: character {error.start} is an unpaired surrogate, which cannot be encoded; remove it"
        raise DataError(msg) from None
    return text


def _cut(stretches: Iterable[str]) -> Iterator[Piece]:
    """Split one document into pieces where byte-level BPE splits too, so that its tokens stay the same.

    A single space between two words starts a token, whatever precedes it. Text without one is split anywhere.
    """
    held = ""
    for stretch in stretches:
        held += stretch
        while len(held) > PIECE:
            spaces = [found.start() for found in _SINGLE_SPACE.finditer(held, PIECE // 2, PIECE)]
            at = spaces[-1] if spaces else PIECE
            yield Piece(held[:at], ends=False)
            held = held[at:]
    if held:
        yield Piece(held, ends=True)
