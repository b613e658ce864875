"""Folders of adapters (peft): refused by name without peft, and put into their base model with it."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.model_files import find_model
from gptaudit.errors import TargetError
from gptaudit.records import ScoreRequest

REQUEST = ScoreRequest("", "The harbour was quiet.")


def opened(folder):
    return open_hf(str(folder), HuggingFaceOptions())


def change(folder, **settings):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.fixture
def written(tmp_path, llama_folder):
    """An adapter's files as peft writes them, without peft."""
    folder = tmp_path / "written"
    folder.mkdir()
    settings = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(llama_folder),
        "r": 2,
        "target_modules": ["q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    save_file({"base_model.model.lora_A.weight": torch.zeros(2, 32)}, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.skipif(find_spec("peft") is not None, reason="peft is installed")
@pytest.mark.parametrize("beside", [False, True])
def test_without_peft(written, llama_folder, beside):
    """An adapter is refused, and not audited as its base model, where peft cannot load it."""
    if beside:
        shutil.copytree(llama_folder, written, dirs_exist_ok=True)
    with pytest.raises(TargetError, match=r"`pip install peft`; or merge it.*or remove adapter_config\.json"):
        opened(written)


class TestBaseModel:
    @pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder", "", None])
    def test_not_here(self, written, name):
        """A base model is neither downloaded nor guessed."""
        change(written, base_model_name_or_path=name)
        with pytest.raises(TargetError, match=r"an adapter to .* neither a folder nor in the local .* cache"):
            opened(written)

    def test_in_the_cache(self, written, llama_folder, tmp_path, monkeypatch):
        """A base model that was downloaded before is found in the cache, at the revision that the adapter names."""
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        cached = tmp_path / "models--some--base"
        (cached / "refs").mkdir(parents=True)
        (cached / "refs" / "v2").write_text("abc")
        shutil.copytree(llama_folder, cached / "snapshots" / "abc")
        change(written, base_model_name_or_path="some/base", revision="v2")

        assert find_model(written).folder == cached / "snapshots" / "abc"

    def test_adapter_of_an_adapter(self, written, tmp_path):
        """A base model that is itself an adapter has to be merged first."""
        upper = tmp_path / "upper"
        shutil.copytree(written, upper)
        change(upper, base_model_name_or_path=str(written))
        with pytest.raises(TargetError, match="an adapter itself; merge that one"):
            opened(upper)

    def test_weights_missing(self, written):
        """An adapter without safetensors is not read from pickled weights."""
        (written / "adapter_model.safetensors").rename(written / "adapter_model.bin")
        with pytest.raises(TargetError, match=r"adapter_model\.safetensors is missing"):
            opened(written)

    def test_git_lfs_pointer(self, written):
        """An adapter's weights that were not fetched are named."""
        (written / "adapter_model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(TargetError, match=r"adapter_model\.safetensors: a pointer of Git LFS"):
            opened(written)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
class TestWithPeft:
    @pytest.fixture
    def adapted(self, llama_folder):
        """A model with random adapter layers, and a tokenizer."""
        peft = pytest.importorskip("peft")
        torch.manual_seed(0)
        settings = peft.LoraConfig(
            r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
        )
        return peft.get_peft_model(AutoModelForCausalLM.from_pretrained(llama_folder), settings).eval()

    @pytest.fixture
    def adapter(self, adapted, tmp_path):
        adapted.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    @pytest.fixture
    def beside(self, adapter, llama_folder, tmp_path):
        shutil.copytree(llama_folder, tmp_path / "beside")
        shutil.copytree(adapter, tmp_path / "beside", dirs_exist_ok=True)
        return tmp_path / "beside"

    @pytest.mark.parametrize("place", ["adapter", "beside"])
    def test_answers_are_those_of_the_adapted_model(self, request, place, adapted, llama_folder):
        """Log-likelihoods are those of peft's own model, whether the base model is elsewhere or beside."""
        ids = torch.tensor([AutoTokenizer.from_pretrained(llama_folder)(REQUEST.continuation)["input_ids"]])
        with torch.no_grad():
            logits = adapted(ids).logits[0, :-1].log_softmax(-1)
        backend = opened(request.getfixturevalue(place))

        expected = logits.gather(1, ids[0, 1:, None]).sum().item()
        assert backend.score([REQUEST])[0].logprob == pytest.approx(expected, abs=1e-4)
        assert backend.score([REQUEST])[0].logprob != pytest.approx(
            opened(llama_folder).score([REQUEST])[0].logprob, abs=1e-2
        )
        assert backend.details["adapter"].startswith("adapter to ")

    def test_both_are_the_identity(self, adapter, beside, llama_folder, tmp_path):
        """A changed base model, a changed adapter and the base model alone are four models."""
        other = tmp_path / "other"
        shutil.copytree(llama_folder, other)
        (other / "generation_config.json").write_text('{"eos_token_id": 1}')
        seen = {opened(adapter).fingerprint, opened(beside).fingerprint, opened(llama_folder).fingerprint}
        change(adapter, base_model_name_or_path=str(other))
        seen.add(opened(adapter).fingerprint)
        change(adapter, lora_alpha=3)
        seen.add(opened(adapter).fingerprint)

        assert len(seen) == 5

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"r": 4}, "size mismatch"),
            ({"target_modules": ["q_proj"]}, "are unexpected, such as .*down_proj"),
            ({"target_modules": ["q_proj", "down_proj", "v_proj"]}, "are missing, such as .*v_proj"),
            ({"target_modules": ["attn.c_proj"]}, "not found in the base model"),
        ],
    )
    def test_weights_that_do_not_fit(self, adapter, settings, message):
        """An adapter of other shapes or layers is refused, never put in in part."""
        change(adapter, **settings)
        with pytest.raises(TargetError, match=rf"does not fit its base model .*{message}"):
            opened(adapter)

    def test_another_base_model(self, adapter, gpt2_folder):
        """An adapter trained on another architecture does not fit."""
        change(adapter, base_model_name_or_path=str(gpt2_folder))
        with pytest.raises(TargetError, match="does not fit its base model"):
            opened(adapter)

    def test_its_own_tokenizer(self, adapter, llama_folder):
        """A tokenizer that was saved with the adapter is the one that is used, and part of the identity."""
        before = opened(adapter).fingerprint
        tokenizer = AutoTokenizer.from_pretrained(llama_folder)
        tokenizer.chat_template = "{{ messages[0].content }}"
        tokenizer.save_pretrained(adapter)

        assert open_hf(str(adapter), HuggingFaceOptions(chat=True)).fingerprint != before

    def test_learned_prompts(self, llama_folder, tmp_path):
        """An adapter that is no layer but a prompt is named as what cannot be audited."""
        peft = pytest.importorskip("peft")
        settings = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
        model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(llama_folder), settings)
        model.save_pretrained(tmp_path / "prompt")
        with pytest.raises(TargetError, match="type PROMPT_TUNING"):
            opened(tmp_path / "prompt")
