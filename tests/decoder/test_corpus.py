from __future__ import annotations

import gzip
import hashlib
import json
import os
import random

import pytest

from gptaudit.decoder.corpus import PIECE, corpus_files, documents_in_memory, survey
from gptaudit.errors import DataError


def documents_of(corpus):
    found, held = [], ""
    for text, ends in corpus():
        held += text
        if ends:
            found.append(held)
            held = ""
    assert not held
    return found


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_files_and_folders(tmp_path):
    """A folder yields its text and JSONL files, compressed or not, sorted by path, and nothing else."""
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "2.jsonl", b'{"text": "two"}\n\n{"text": "three", "more": 1}\n')
    write(tmp_path / "b" / "1.txt.gz", "\ufeffone é\n".encode())
    write(tmp_path / "c.jsonl.gz", b'{"text": "four"}')
    write(tmp_path / "c.csv", b"not this")
    named = write(tmp_path / "words.md", b"named")

    assert documents_of(corpus_files([tmp_path, named])) == ["one é\n", "two", "three", "four", "named"]


def test_the_hash_is_that_of_the_documents(tmp_path):
    """Documents have the same hash from memory and from any files, and another one if they are divided differently."""
    documents = ["a b", "c", "d e"]
    lines = "".join(json.dumps({"text": document}) + "\n" for document in documents)
    path = write(tmp_path / "x.jsonl.gz", lines.encode())

    found = survey(corpus_files([path]))

    assert found == survey(documents_in_memory(documents))
    assert (found.documents, found.characters) == (3, 7)
    assert found.sha256 == hashlib.sha256(b"a b\0c\0d e").hexdigest()
    assert found.sha256 != survey(documents_in_memory(["a b", "cd e"])).sha256


@pytest.mark.parametrize("alphabet", ["a ", "  \n\tab", "é語🦆 ", "a"])
def test_pieces_are_the_document(tmp_path, alphabet):
    """The pieces of a file are short and concatenate to its text, and no word is split where there are spaces."""
    rng = random.Random(0)
    text = "".join(rng.choice(alphabet) for _ in range(3 * PIECE))
    path = write(tmp_path / "x.txt", text.encode())

    pieces = list(corpus_files([path])())

    assert "".join(piece.text for piece in pieces) == text
    assert [piece.ends for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert max(len(piece.text) for piece in pieces) <= PIECE
    if " " in alphabet and "\n" not in alphabet:
        assert all(piece.text[0] == " " and piece.text[1] != " " for piece in pieces[1:])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n\t ", "is empty"),
        ("a.txt", b"good text\xff\xfe", r"a.txt: byte 9 \(0xff\) is not UTF-8"),
        ("a.txt", b"x" * (PIECE - 1) + b"\xc3\xa9\xc3", f"byte {PIECE + 1} .0xc3. is not UTF-8"),
        ("a.txt", b"x" * PIECE + b"good\0text", f"byte {PIECE + 4} is NUL"),
        ("a.txt.gz", b"\x1f\x8b no gzip", "a.txt.gz: is damaged"),
        ("a.txt.gz", gzip.compress(b"text" * 1000, mtime=0)[:-20], "a.txt.gz: is damaged"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "a.jsonl, line 2, column 10: expected JSON"),
        (
            "a.jsonl",
            b'{"text": "a"}\n\n{"txt": "b"}\n',
            'line 3: expected .* under the key "text", found the keys txt',
        ),
        ("a.jsonl", b'{"text": 3}\n', "line 1: .* found int there"),
        ("a.jsonl", b'["a"]\n', "line 1: .* found list"),
        ("a.jsonl", b'{"text": "\xff"}\n', "line 1: expected UTF-8, found byte 0xff"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "line 1: character 0 is an unpaired surrogate"),
        ("a.jsonl", b'{"text": "a\\u0000b"}\n', "line 1: the text contains NUL"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, name, content, message):
    """A file that is not text is an error that names the file and the byte or line."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataError, match=message):
        survey(corpus_files([path]))


def test_what_cannot_be_read_is_named(tmp_path):
    """A missing file, and a folder without text, are errors before anything is read."""
    (tmp_path / "none").mkdir()

    with pytest.raises(DataError, match=r"nowhere.txt: cannot be read \(No such file"):
        corpus_files([tmp_path / "nowhere.txt"])
    with pytest.raises(DataError, match=r"none: the folder contains no \*.txt"):
        corpus_files([tmp_path / "none"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named(tmp_path):
    """A file that may not be read is an error."""
    path = write(tmp_path / "x.txt", b"text")
    path.chmod(0)

    with pytest.raises(DataError, match="Permission denied"):
        corpus_files([path])
