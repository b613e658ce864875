"""Folders of quantised weights: loaded where the library is there, else refused by the names of method and library."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.refusals import QUANTISERS
from gptaudit.errors import TargetError
from gptaudit.records import ScoreRequest

REQUEST = ScoreRequest("", "The harbour was quiet.")


@pytest.fixture
def quantised(llama_folder, tmp_path):
    """Return how to write a config that says how the weights are quantised."""

    def write(**settings):
        folder = tmp_path / "quantised"
        shutil.copytree(llama_folder, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
        return str(folder)

    return write


@pytest.mark.parametrize("method", QUANTISERS)
def test_without_the_library(quantised, method):
    """Method and library are named, and how to install it."""
    if all(find_spec(module) for module in QUANTISERS[method]):
        pytest.skip("the library is installed")
    missing = next(name for module, name in QUANTISERS[method].items() if find_spec(module) is None)
    with pytest.raises(TargetError, match=rf"quantised \({method}\), which needs .*`pip install .*{missing}"):
        open_hf(quantised(quant_method=method), HuggingFaceOptions())


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_early_bitsandbytes(quantised):
    """The first files of bitsandbytes name no method."""
    with pytest.raises(TargetError, match=r"\(bitsandbytes\)"):
        open_hf(quantised(load_in_8bit=True), HuggingFaceOptions())


@pytest.mark.parametrize("settings", [{"quant_method": "hologram"}, {"bits": 4}])
def test_other_methods(quantised, settings):
    """A method that transformers does not know is refused, never skipped."""
    with pytest.raises(TargetError, match="the weights are quantised"):
        open_hf(quantised(**settings), HuggingFaceOptions())


def test_two_precisions(quantised):
    """Quantised weights have no exact numbers that `precision=auto` could go back to."""
    pytest.importorskip("torchao")
    with pytest.raises(TargetError, match="leave precision out"):
        open_hf(quantised(quant_method="torchao"), HuggingFaceOptions(precision="auto"))


def test_torchao(llama_folder, tmp_path):
    """A folder quantised with torchao answers as transformers does, and says what it is."""
    torchao = pytest.importorskip("torchao.quantization")
    from transformers import TorchAoConfig

    settings = TorchAoConfig(torchao.Int8WeightOnlyConfig())
    model = AutoModelForCausalLM.from_pretrained(
        llama_folder, dtype=torch.float32, quantization_config=settings
    )
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    model.save_pretrained(tmp_path / "ao")
    tokenizer.save_pretrained(tmp_path / "ao")
    ids = torch.tensor([tokenizer(REQUEST.continuation)["input_ids"]])
    with torch.no_grad():
        logits = model(ids).logits[0, :-1].log_softmax(-1)
    backend = open_hf(str(tmp_path / "ao"), HuggingFaceOptions(device="cpu"))

    expected = logits.gather(1, ids[0, 1:, None]).sum().item()
    assert backend.score([REQUEST])[0].logprob == pytest.approx(expected, abs=1e-4)
    assert backend.details["weights"] == "quantised (torchao)"
