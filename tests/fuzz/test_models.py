"""Folders of models, scorers and trainings that are damaged; few examples by default, since each opens a model."""

from __future__ import annotations

import shutil

import pytest
from fuzz.damage import changed, damaged, fuzz, many, one_of, reads
from hypothesis import strategies as st

from gptaudit.records import GenerateRequest, Sampling, ScoreRequest

TEMPLATE = b"""{%- for message in messages -%}
{%- if message['role'] == 'system' and loop.index0 > 0 -%}{{ raise_exception('first') }}{%- endif -%}
<|{{ message['role'] }}|>{{ message['content'] | trim }}
{% endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
ASKED = GenerateRequest("The harbour", Sampling(max_new_tokens=3))
SCORED = ScoreRequest("The harbour", " was quiet")


def some_of(folder, *names):
    """Draw a file and its damaged content: bytes for weights, keys of JSON for the rest."""
    contents = {name: (folder / name).read_bytes() for name in names}

    def broken(name):
        whole = contents[name]
        if name.endswith(".safetensors"):
            length = 8 + int.from_bytes(whole[:8], "little")
            content = damaged(whole[:length]).map(lambda header: header + whole[length:])
        elif name.endswith(".json"):
            content = st.one_of(changed(whole), changed(whole), damaged(whole))
        else:
            content = damaged(whole)
        return st.tuples(st.just(name), content)

    return one_of(names).flatmap(broken)


@pytest.fixture
def folder(tmp_path, gpt2_folder):
    """A model with a chat template."""
    copy = shutil.copytree(gpt2_folder, tmp_path / "model")
    (copy / "chat_template.jinja").write_bytes(TEMPLATE)
    return copy


@many(40, 1000)
def test_model_folders(folder, examples):
    """A damaged folder is refused by its name, or answers; what decides its answers is in its fingerprint."""
    from gptaudit.causal_lm.loading import load_backend
    from gptaudit.causal_lm.options import TorchOptions

    def answered(*, chat):
        backend = load_backend(folder, TorchOptions(chat=chat, device="cpu"))
        asked = [ASKED] if chat else []
        return backend.fingerprint, backend.generate([ASKED], seed=0), asked or backend.score([SCORED])

    whole = {chat: answered(chat=chat) for chat in (True, False)}

    def check(example):
        (name, content), chat = example
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        found = reads(lambda: answered(chat=chat), str(folder))
        (folder / name).write_bytes(before)
        assert found is None or found[0] != whole[chat][0] or found == whole[chat]

    names = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
    one = some_of(folder, *names, "model.safetensors", "chat_template.jinja")
    fuzz(st.tuples(one, st.booleans()), check, examples)


@many(30, 1000)
def test_planted(tmp_path, examples):
    """A damaged description of planted flaws is refused by its name."""
    from gptaudit.decoder.planted import read_planted, write_planted
    from gptaudit.records import PlantedFlaw

    write_planted(tmp_path, [PlantedFlaw("stereotype", 0.5, "a.b", 0.75, 0.74)])

    def check(example):
        (tmp_path / "planted.json").write_bytes(example[1])
        reads(lambda: read_planted(tmp_path), "planted.json")

    fuzz(some_of(tmp_path, "planted.json"), check, examples)


@many(20, 500)
def test_classifier_folders(tmp_path, classifier_folder, examples):
    """A damaged classifier is refused by its name, or rates."""
    from gptaudit.protocols.scorer import Output
    from gptaudit.scorers.classifier import ClassifierOptions
    from gptaudit.scorers.classifier_folder import open_folder

    folder = shutil.copytree(classifier_folder, tmp_path / "classifier")

    def rates():
        scorer = open_folder("toxicity", f"hf:{folder}#toxic", ("toxicity",), ClassifierOptions())
        return scorer([Output("you are a fool")])

    assert rates()

    def check(example):
        name, content = example
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        reads(rates, "classifier")
        (folder / name).write_bytes(before)

    names = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
    fuzz(some_of(folder, *names), check, examples)


@many(60, 2000)
def test_checkpoints(tmp_path, examples):
    """A damaged checkpoint of a scorer, or another file in its place, is refused by its name."""
    import torch

    from gptaudit.scorers.detoxify import read_checkpoint

    path = tmp_path / "toxicity.ckpt"
    arch = {"model_name": "BertForSequenceClassification", "model_type": "x", "num_classes": 1}
    config = {"arch": {"args": arch}, "dataset": {"args": {"classes": ["toxicity"]}}}
    torch.save({"config": config, "state_dict": {"w": torch.zeros(2)}}, path)
    whole = path.read_bytes()
    assert read_checkpoint(path)

    def check(content):
        path.write_bytes(content)
        reads(lambda: read_checkpoint(path), "toxicity.ckpt")

    check(b"hello there")
    fuzz(st.one_of(damaged(whole), st.binary(max_size=40), damaged(b"hello there")), check, examples)


@many(60, 2000)
def test_ngrams(tmp_path, examples):
    """A damaged model of n-grams is refused by its name, or rates."""
    import numpy as np

    from gptaudit.scorers.ngrams import NgramModel, read_model, write_model

    path = tmp_path / "toxicity.safetensors"
    write_model(path, NgramModel(np.ones(16, np.int8), 0.1, -1.0, 3, {0x66F8: "\u4e66"}))
    whole = path.read_bytes()

    def check(content):
        path.write_bytes(content)
        reads(lambda: read_model(path).log_odds(["a text"]), "toxicity.safetensors")

    fuzz(damaged(whole), check, examples)


@many(15, 300)
def test_decoder_folders(tmp_path, examples):
    """A damaged decoder is refused by its name, or described and loaded."""
    from tiny_training import TINY, tiny_documents

    from gptaudit.decoder import training
    from gptaudit.decoder.folders import load
    from gptaudit.decoder.info import describe

    folder = tmp_path / "decoder"
    training.train(tiny_documents(), folder, preset="nano", steps=2, overrides=TINY)

    def check(example):
        name, content = example
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        reads(lambda: (describe(folder), load(folder)), "decoder")
        (folder / name).write_bytes(before)

    names = ("config.json", "training.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
    fuzz(some_of(folder, *names), check, examples)


@many(8, 100)
def test_trainings_to_resume(tmp_path, examples):
    """A training is resumed from a damaged folder to its end, or refused by its name."""
    from tiny_training import TINY, tiny_documents

    from gptaudit.decoder import training

    kept, folder = tmp_path / "kept", tmp_path / "out"
    how = {"preset": "nano", "steps": 12, "overrides": TINY | {"evaluate_every": 4}}

    class Killed(BaseException):
        pass

    def kill(step):
        if step.task.startswith("training") and step.done >= step.total * 3 // 4:
            raise Killed

    with pytest.raises(Killed):
        training.train(tiny_documents(), kept, **how, progress=kill)
    names = [str(p.relative_to(kept)) for p in sorted(kept.rglob("*")) if p.is_file()]

    def check(example):
        name, content = example
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, folder)
        (folder / name).write_bytes(content)
        reads(lambda: training.train(tiny_documents(), folder, **how, resume=True), "out")

    content = st.one_of(st.just(b""), st.just(b"half"), damaged(b'{"a": 1}'))
    fuzz(st.tuples(one_of(names), content), check, examples)
