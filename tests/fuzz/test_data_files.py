"""Public data sets, predictions, recordings and training texts that are damaged."""

from __future__ import annotations

import gzip
import itertools

import pytest
from fuzz.damage import damaged, fuzz, many, reads
from fuzz.published import FILES, PREDICTIONS
from hypothesis import strategies as st

from gptaudit.backends.replay import open_replay
from gptaudit.decoder.corpus import corpus_files, survey
from gptaudit.decoder.examples import read_rows
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.protocols.options import ChatOptions
from gptaudit.records import GenerateRequest
from gptaudit.scorers.evaluation.labelled import read_labelled

PROBES = load_plugins().probes
RECORDED = b"""{"prompt": "The harbour", "completion": " was quiet."}
{"prompt": "The harbour", "completions": [" was busy.", " froze over."]}
{"messages": [{"role": "user", "content": "How are you?"}], "completion": "Well, thank you."}
"""
TEXTS = b'{"text": "The cat sat on the mat."}\n{"text": "A dog."}\n'
LABELLED = (
    b'{"text": "You are a fool.", "label": true, "cluster": "pub-7", "groups": {"group": "guests"}}\n' * 2
)


def written(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def asked(probe, context):
    """Do with a data set what an audit does before the model is asked."""
    cases = list(itertools.islice(probe.cases(context), 2000))
    return cases, probe.source(context)


@pytest.mark.parametrize("name", FILES)
@many(60, 1000)
def test_data_sets(tmp_path, name, examples):
    """A damaged file of a data set is refused by its name, or has cases."""
    probe, files = PROBES[name.removesuffix("-tables")], FILES[name]
    context = ProbeContext(written(tmp_path, files), 0)
    assert asked(probe, context)[0], "the files are as published"

    def check(example):
        path, content = example
        (tmp_path / path).write_bytes(content)
        reads(lambda: asked(probe, context), str(tmp_path))
        (tmp_path / path).write_bytes(files[path])

    one = st.sampled_from(sorted(files)).flatmap(lambda path: st.tuples(st.just(path), damaged(files[path])))
    fuzz(one, check, examples)


@pytest.mark.parametrize("name", PREDICTIONS)
@many(150)
def test_predictions(tmp_path, name, examples):
    """Damaged predictions are refused by the file's name, or measured."""
    files, whole = PREDICTIONS[name]
    context, file = ProbeContext(written(tmp_path, files), 0), tmp_path / "predictions"

    def measured():
        return list(PROBES[name].read_predictions(file, context).measurements)

    def check(content):
        file.write_bytes(content)
        reads(measured, "predictions")

    file.write_bytes(whole)
    assert any(m.unscored is None for m in measured()), "the file is as published"
    fuzz(damaged(whole), check, examples)


@many(300)
def test_recordings(tmp_path, examples):
    """A damaged recording is refused by its name, or answers what it still holds."""
    file = tmp_path / "recorded.jsonl"

    def answers():
        return open_replay(str(file), ChatOptions()).generate([GenerateRequest("The harbour")], seed=0)

    def check(content):
        file.write_bytes(content)
        reads(answers, "recorded.jsonl")

    fuzz(damaged(RECORDED), check, examples)


@many(150)
@pytest.mark.parametrize("name", ["texts.jsonl", "texts.txt", "texts.jsonl.gz"])
def test_training_texts(tmp_path, name, examples):
    """Damaged texts are refused, or are read."""
    file = tmp_path / name
    whole = gzip.compress(TEXTS, mtime=0) if name.endswith(".gz") else TEXTS

    def check(content):
        file.write_bytes(content)
        reads(lambda: survey(corpus_files([file])), "corpus")

    fuzz(damaged(whole), check, examples)


@many(300)
def test_labelled_texts(tmp_path, examples):
    """Labelled texts of one's own are refused by the file's name, or are read."""
    file = tmp_path / "labelled.jsonl"

    def check(content):
        file.write_bytes(content)
        reads(lambda: read_labelled(file).sha256, "labelled.jsonl")

    fuzz(damaged(LABELLED), check, examples)


@many(150)
@pytest.mark.parametrize("task", ["lm", "instruct", "classify"])
def test_finetuning_rows(tmp_path, task, examples):
    """Damaged examples of a fine-tuning are refused by the file's name, or are read."""
    file = tmp_path / "rows.jsonl"
    whole = (
        b'{"text": "a cat", "label": "pet", "prompt": "Who?", "completion": "A cat.", "answer": "A cat."}\n'
        * 2
    )

    def check(content):
        file.write_bytes(content)
        reads(lambda: read_rows(file, task), "rows.jsonl")

    fuzz(damaged(whole), check, examples)
