"""GGUF files, read by transformers' own loader."""

from __future__ import annotations

import shutil
import struct
from importlib.util import find_spec

import pytest

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.folder_files import digest
from gptaudit.causal_lm.model_files import find_model
from gptaudit.errors import TargetError
from gptaudit.records import GenerateRequest, Sampling, ScoreRequest

TEXTS = (
    "The nurse said that she was tired.",
    " He closed the window; 12345 café 日本.",
    "<|im_start|>user\nHow are you?<|im_end|>\n",
)


def gguf_bytes(architecture):
    """A GGUF file without tensors that names an architecture (ggml's docs/gguf.md)."""
    key, value = b"general.architecture", architecture.encode()
    text = 8
    return (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + struct.pack("<Q", len(key))
        + key
        + struct.pack("<IQ", text, len(value))
        + value
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes("hologram"))
    return path


@pytest.mark.skipif(find_spec("gguf") is not None, reason="the package gguf is installed")
def test_without_the_package(file):
    """Without the package that reads it, a file is refused with the command that installs it, by either spelling."""
    for target in (file, file.parent):
        with pytest.raises(TargetError, match=r"model\.gguf: .*`pip install gguf`"):
            open_hf(str(target), HuggingFaceOptions())


def test_unknown_architecture(file):
    """An architecture that transformers cannot read is named, with the version that cannot."""
    pytest.importorskip("gguf")
    with pytest.raises(TargetError, match=r"model\.gguf: .* transformers \d.*architecture '?hologram"):
        open_hf(str(file), HuggingFaceOptions())


def test_no_gguf_file(file):
    """A file that only has the name is refused."""
    pytest.importorskip("gguf")
    file.write_text("nothing of the kind")
    with pytest.raises(TargetError, match=r"model\.gguf: cannot be opened as a GGUF file"):
        open_hf(str(file), HuggingFaceOptions())


def test_no_such_file(monkeypatch, tmp_path):
    """A name that ends in `.gguf` is a file's, and never looked up as a model's on the hub."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        TargetError, match=r"models/absent\.gguf: no such folder; expected one .* or a \.gguf file"
    ):
        open_hf("models/absent.gguf", HuggingFaceOptions())


def test_several_files(file):
    """Which of several files is meant is for the user to say."""
    shutil.copy(file, file.with_name("other.gguf"))
    with pytest.raises(TargetError, match=r"holds 2 GGUF files; name one of them, such as hf:.*model\.gguf"):
        open_hf(str(file.parent), HuggingFaceOptions())


def test_safetensors_beside_it_come_first(file, llama_folder):
    """A folder in Hugging Face format is one, whatever else lies in it."""
    shutil.copytree(llama_folder, file.parent, dirs_exist_ok=True)

    assert open_hf(str(file.parent), HuggingFaceOptions()).parameters is not None


def test_the_file_alone_is_the_identity(file):
    """Neither the file's neighbours nor its folder's name are read, so they are no part of the identity."""
    before = digest(find_model(file).base_files(), "")
    (file.parent / "tokenizer.json").write_text("{}")
    with find_model(file).lent() as folder:
        assert [path.name for path in folder.iterdir()] == ["model.gguf"]

    assert digest(find_model(file).base_files(), "") == before


def test_git_lfs_pointer(file):
    """A file that Git LFS did not fetch is named."""
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(TargetError, match=r"model\.gguf: a pointer of Git LFS"):
        open_hf(str(file), HuggingFaceOptions())


@pytest.mark.timeout(600)
def test_a_real_file_answers_as_the_folder_it_was_made_from(real_models):
    """SmolLM2 as a GGUF file and as a folder of the same numbers agree to 1e-4 nats, special tokens included."""
    pytest.importorskip("gguf")
    asked = [ScoreRequest("", text) for text in TEXTS] + [
        ScoreRequest("The doctor said that", " she was late")
    ]
    prompt = GenerateRequest("The harbour was", Sampling(8, temperature=0))
    file, folder = (
        open_hf(str(real_models / name), HuggingFaceOptions(device="cpu"))
        for name in ("smollm2.gguf", "smollm2")
    )

    for found, expected in zip(file.score(asked), folder.score(asked), strict=True):
        assert found.token_logprobs == pytest.approx(expected.token_logprobs, abs=1e-4)
    assert file.generate([prompt], seed=0)[0].text == folder.generate([prompt], seed=0)[0].text
    assert file.details["weights"] == "dequantised from GGUF"
    assert file.verified
    assert file.fingerprint != folder.fingerprint
