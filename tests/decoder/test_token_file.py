from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from gptaudit.decoder import token_file as module
from gptaudit.decoder.corpus import PIECE, documents_in_memory, survey
from gptaudit.decoder.token_file import token_file
from gptaudit.decoder.tokenizer import END_OF_TEXT, train_tokenizer

DOCUMENTS = [f"document {number} ends." for number in range(60)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(DOCUMENTS, vocab_size=300, context=8)


def tokenized(documents, tokenizer, folder, **how):
    corpus = documents_in_memory(documents)
    return token_file(corpus, survey(corpus), tokenizer, folder, **{"validation": 0, **how})


def test_boundaries_are_kept(tokenizer, tmp_path):
    """The tokens are the documents in order, each between two end-of-text tokens."""
    training, validation = tokenized(DOCUMENTS, tokenizer, tmp_path).read()

    assert training.dtype == np.uint16
    assert tokenizer.decode(training) == END_OF_TEXT + "".join(text + END_OF_TEXT for text in DOCUMENTS)
    assert not len(validation)


def test_long_documents_have_the_tokens_of_the_whole(tokenizer, tmp_path):
    """A document that is read in pieces is tokenized as if it had been read at once."""
    text = " ".join(DOCUMENTS * (3 * PIECE // 1000))

    training, _ = tokenized([text], tokenizer, tmp_path).read()

    assert len(text) > 3 * PIECE
    assert training[1:-1].tolist() == tokenizer(text, add_special_tokens=False, verbose=False).input_ids


def test_a_text_cannot_forge_a_boundary(tokenizer, tmp_path):
    """A document that spells out the end-of-text token stays one document."""
    text = f"one{END_OF_TEXT}still one"
    training, _ = tokenized([text], tokenizer, tmp_path).read()

    assert (training == tokenizer.eos_token_id).sum() == 2
    assert tokenizer.decode(training[1:-1]) == text


def test_validation_is_of_whole_documents(tokenizer, tmp_path):
    """The validation share consists of documents drawn evenly, and both parts together are the corpus."""
    training, validation = tokenized(DOCUMENTS, tokenizer, tmp_path, validation=0.1).read()
    parts = [tokenizer.decode(part).split(END_OF_TEXT)[1:-1] for part in (training, validation)]

    assert sorted(parts[0] + parts[1]) == sorted(DOCUMENTS)
    assert len(parts[1]) == 6
    assert [DOCUMENTS.index(text) // 10 for text in parts[1]] == [0, 1, 2, 3, 4, 5]
    assert len({DOCUMENTS.index(text) % 10 for text in parts[1]}) > 1


def test_validation_of_one_document_is_its_end(tokenizer, tmp_path):
    """If there are too few documents to draw from, the end of the tokens is the validation part."""
    text = " ".join(DOCUMENTS)

    whole, _ = tokenized([text], tokenizer, tmp_path).read()
    training, validation = tokenized([text], tokenizer, tmp_path, validation=0.1).read()

    assert np.concatenate([training, validation]).tolist() == whole.tolist()
    assert len(validation) == round(len(whole) * 0.1)


def test_it_is_found_again_by_content(tokenizer, tmp_path, monkeypatch):
    """The same content is tokenized once; other text, another tokenizer or a damaged file is tokenized again."""
    calls = []
    build = module._write
    monkeypatch.setattr(module, "_write", lambda *given: calls.append(1) or build(*given))
    other = train_tokenizer(DOCUMENTS, vocab_size=290, context=8)

    first = tokenized(DOCUMENTS, tokenizer, tmp_path)
    again = tokenized(list(DOCUMENTS), tokenizer, tmp_path)
    assert (again, len(calls)) == (first, 1)

    tokenized([*DOCUMENTS, "more"], tokenizer, tmp_path)
    tokenized(DOCUMENTS, other, tmp_path)
    assert len(calls) == 3

    first.path.write_bytes(first.path.read_bytes()[:-2])
    assert tokenized(DOCUMENTS, tokenizer, tmp_path).read()[0][-1] == tokenizer.eos_token_id
    assert len(calls) == 4
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bin"] * 3 + [".json"] * 3


def test_a_large_vocabulary_takes_wider_numbers(tokenizer, tmp_path):
    """Token ids above 65,535 are stored unchanged."""
    tokenizer = train_tokenizer(DOCUMENTS, vocab_size=300, context=8)
    tokenizer.add_tokens([f"<extra {number}>" for number in range(1 << 16)] + ["<the last>"])
    text = "one<the last>two"

    training, _ = tokenized([text], tokenizer, tmp_path).read()

    assert training.dtype == np.uint32
    assert max(training) == len(tokenizer) - 1 > 1 << 16


MEASURE = """
import re, resource, sys
from pathlib import Path
from gptaudit.decoder.batches import Blocks, ShuffledBatches
from gptaudit.decoder.corpus import corpus_files, survey
from gptaudit.decoder.token_file import token_file
from gptaudit.decoder.tokenizer import train_tokenizer

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def anonymous():
    # Pages of the mapped file that were read count as resident too, but the system can evict them.
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

folder = Path(sys.argv[1])
tokenizer = train_tokenizer(["the harbour was quiet"] * 9, vocab_size=300, context=64)
corpus = corpus_files([folder / "small.txt"])
token_file(corpus, survey(corpus), tokenizer, folder, validation=0.05)
before = peak()
corpus = corpus_files([folder / "large.txt"])
tokens = token_file(corpus, survey(corpus), tokenizer, folder, validation=0.05)
grown, before = peak() - before, anonymous()
batches = ShuffledBatches(Blocks(tokens.read()[0], 64), size=8, count=200, seed=0)
for number in range(len(batches)):
    batches[number]
print(grown, anonymous() - before, tokens.path.stat().st_size >> 20)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """A large corpus needs no more memory than a small one, to tokenize and to read."""
    sentences = "".join(
        f"The harbour was quiet before storm {n}, and boat {n * 7} slept. " for n in range(30_000)
    )
    (tmp_path / "small.txt").write_text(sentences[: 1 << 21])
    with (tmp_path / "large.txt").open("w") as file:
        for _ in range(10):
            file.write(sentences)

    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )

    built, read, tokens = json.loads("[" + ran.stdout.strip().replace(" ", ",") + "]")
    assert tokens > 20
    assert built < 10, ran.stdout
    assert read < 10, ran.stdout
