"""Model folders: what is opened, what is refused, and how a model is told from another."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.engine.asking import ask
from gptaudit.engine.local import local
from gptaudit.errors import TargetError
from gptaudit.protocols.engine import Work
from gptaudit.records import AttributeRequest, Failure, GenerateRequest, Sampling, ScoreRequest


@pytest.fixture
def folder(gpt2_folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(gpt2_folder, copy)
    return copy


def change_config(folder, **settings):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **settings}))


def fingerprint(folder, **options):
    return open_hf(str(folder), HuggingFaceOptions(**options)).fingerprint


@pytest.mark.parametrize("family", ["gpt2_folder", "llama_folder"])
class TestAnswers:
    @pytest.fixture
    def backend(self, request, family):
        return open_hf(str(request.getfixturevalue(family)), HuggingFaceOptions())

    def test_score(self, backend):
        """A sentence's log-likelihood is the sum over its tokens."""
        (answer,) = backend.score([ScoreRequest("", "The harbour was quiet.")])

        assert answer.logprob == pytest.approx(sum(answer.token_logprobs))
        assert all(value < 0 for value in answer.token_logprobs)

    def test_generate_keeps_the_order_of_mixed_requests(self, backend):
        """Requests with different sampling in one call are answered each at its place."""
        requests = [
            GenerateRequest("The harbour", Sampling(5, temperature=0)),
            GenerateRequest("The harbour", Sampling(9)),
            GenerateRequest("She opened", Sampling(5, temperature=0)),
        ]

        together = backend.generate(requests, seed=3)
        alone = [backend.generate([request], seed=3)[0] for request in requests]

        assert [(a.text, a.finish) for a in together] == [(a.text, a.finish) for a in alone]

    def test_the_run_seed_and_the_sample_number_change_a_sample(self, backend):
        """Randomness comes from seed, request and sample number."""
        first, second = GenerateRequest("The harbour"), GenerateRequest("The harbour", sample=1)

        assert backend.generate([first], seed=1) == backend.generate([first], seed=1)
        assert backend.generate([first], seed=1) != backend.generate([first], seed=2)
        assert backend.generate([first], seed=1) != backend.generate([second], seed=1)

    def test_too_long(self, backend):
        """What does not fit the window is a failure that says so; its neighbours are answered."""
        long = " again" * 200
        scored = backend.score([ScoreRequest("", long), ScoreRequest("", "short")])
        (generated,) = backend.generate([GenerateRequest(long)], seed=0)

        assert (scored[0].reason, generated.reason) == ("too-long", "too-long")
        assert "at most 64" in scored[0].message
        assert scored[1].logprob < 0

    def test_what_was_found_out(self, backend):
        """The backend says what it runs on and whether requests share their beginnings."""
        assert backend.details == {
            "device": "cpu",
            "dtype": "float32",
            "context": 64,
            "shared_prefixes": True,
            "kept_keys": True,
        }

    def test_attribute_wants_two_texts(self, backend):
        """A target of several tokens is explained; one that is the same as the foil is a failure."""
        requests = [
            AttributeRequest("The harbour", " xylophones", " he"),
            AttributeRequest("The harbour", " he", " he"),
        ]

        first, second = backend.attribute(requests)

        assert (len(first.scores), second.reason) == (len(first.tokens), "not-explainable")

    def test_nothing_to_predict(self, backend):
        """An empty text has no likelihood."""
        assert isinstance(backend.score([ScoreRequest("", "")])[0], Failure)


class TestRefused:
    def test_no_folder(self, tmp_path):
        """A path that is not there is named."""
        with pytest.raises(TargetError, match="no such folder"):
            open_hf(str(tmp_path / "nothing"), HuggingFaceOptions())

    def test_hub_id_that_is_not_cached(self, monkeypatch, tmp_path):
        """A hub id is not fetched unless asked, and the message says how to ask."""
        monkeypatch.chdir(tmp_path)
        with pytest.raises(TargetError, match="-b download=true"):
            open_hf("nobody/no-such-model", HuggingFaceOptions())

    def test_no_config(self, folder):
        """A folder without config.json is no model."""
        (folder / "config.json").unlink()
        with pytest.raises(TargetError, match=r"config\.json is missing"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_broken_config(self, folder):
        """A config that is no JSON is named."""
        (folder / "config.json").write_text("{")
        with pytest.raises(TargetError, match=r"config\.json, line 1, column 2: expected JSON"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_no_tokenizer(self, folder):
        """A model without its tokenizer cannot be asked."""
        (folder / "tokenizer.json").unlink()
        with pytest.raises(TargetError, match="tokenizer is missing"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_pickled_weights(self, folder):
        """Pickled weights are refused unread."""
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        with pytest.raises(TargetError, match=r"pickled weights \(pytorch_model\.bin\)"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_cut_weights(self, folder):
        """A weight file that ends early is an error, not half a model."""
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
        with pytest.raises(TargetError, match="cannot be opened"):
            open_hf(str(folder), HuggingFaceOptions())

    @pytest.mark.parametrize("how", ["missing", "reshaped"])
    def test_weights_that_do_not_fit(self, folder, how):
        """Weights that the config needs and the file lacks are never filled with random numbers."""
        weights = load_file(folder / "model.safetensors")
        name = next(key for key in weights if "mlp.c_fc.weight" in key)
        if how == "missing":
            del weights[name]
        else:
            weights[name] = weights[name][:, :-1].contiguous()
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(TargetError):
            open_hf(str(folder), HuggingFaceOptions())

    def test_device_and_device_map(self, gpt2_folder):
        """A model is either on one device or spread over several."""
        with pytest.raises(TargetError, match="device=cpu"):
            open_hf(str(gpt2_folder), HuggingFaceOptions(device="cpu", device_map="auto"))

    def test_unknown_device(self, gpt2_folder):
        """A device that torch does not know is an error of the target."""
        with pytest.raises(TargetError, match="abacus"):
            open_hf(str(gpt2_folder), HuggingFaceOptions(device="abacus"))

    def test_weights_without_a_place(self, folder):
        """A config that is smaller than the weights would audit half the model."""
        change_config(folder, n_layer=1)
        with pytest.raises(TargetError, match="are unexpected, such as"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_model_that_sees_the_future(self, folder, gpt2_folder):
        """An encoder, whose predictions have seen their own token, is no causal model."""
        from transformers import BertConfig, BertLMHeadModel

        for old in folder.glob("*.safetensors"):
            old.unlink()
        config = BertConfig(
            vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, is_decoder=False
        )
        model = BertLMHeadModel(config)
        for parameter in model.parameters():
            parameter.data.mul_(4)
        model.save_pretrained(folder)
        with pytest.raises(TargetError, match="depend on later tokens"):
            open_hf(str(folder), HuggingFaceOptions())

    def test_code_that_comes_with_a_model(self, folder):
        """Foreign code is refused with the option that allows it."""
        change_config(folder, auto_map={"AutoModelForCausalLM": "m.M"})
        with pytest.raises(TargetError, match="-b trust_remote_code=true"):
            open_hf(str(folder), HuggingFaceOptions())

    @pytest.mark.parametrize("kind", ["hologram", None])
    def test_unknown_model_type(self, folder, kind):
        """A kind of model that transformers does not know is named, and so is the version that does not."""
        change_config(folder, model_type=kind)
        with pytest.raises(TargetError, match=r"model_type.* transformers \d.*update transformers") as caught:
            open_hf(str(folder), HuggingFaceOptions())
        assert kind is None or repr(kind) in str(caught.value)

    def test_tiktoken_vocabulary(self, folder):
        """A vocabulary that only a model's own code can read is no tokenizer."""
        (folder / "tokenizer.json").unlink()
        (folder / "tiktoken.model").write_bytes(b"YQ== 0")
        with pytest.raises(
            TargetError, match=r"tiktoken\.model: a vocabulary of tiktoken.*save the tokenizer as"
        ):
            open_hf(str(folder), HuggingFaceOptions())

    @pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
    def test_git_lfs_pointer(self, folder, name):
        """A file that Git LFS did not fetch is named, with the command that fetches it."""
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 269060552\n"
        (folder / name).write_text(pointer)
        with pytest.raises(TargetError, match=rf"{re.escape(name)}: a pointer of Git LFS.*`git lfs pull`"):
            open_hf(str(folder), HuggingFaceOptions())

    @pytest.mark.parametrize("added", ["word", "start", "template"])
    def test_tokens_without_embeddings(self, folder, added):
        """A tokenizer with more tokens than the model has embeddings is not the model's own."""
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if added == "word":
            tokenizer.add_tokens(["zebra"])
        else:
            tokenizer.add_special_tokens({"additional_special_tokens": ["<zebra>"]})
        if added == "start":
            tokenizer.bos_token = "<zebra>"
        if added == "template":
            tokenizer.chat_template = "<zebra>{{ messages[0].content }}"
        tokenizer.save_pretrained(folder)
        with pytest.raises(TargetError, match=r"zebra>?', with 283, has none.*resize_token_embeddings"):
            open_hf(str(folder), HuggingFaceOptions())


class TestFingerprint:
    def test_same_content_same_fingerprint(self, folder, gpt2_folder):
        """A copy under another path is the same model."""
        assert fingerprint(folder) == fingerprint(gpt2_folder)

    def test_weights_tokenizer_and_dtype_count(self, folder):
        """A changed weight, tokenizer or dtype is another model."""
        seen = {fingerprint(folder), fingerprint(folder, dtype="bfloat16")}
        weights = load_file(folder / "model.safetensors")
        name = next(iter(weights))
        weights[name] = weights[name] + 1e-3
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        seen.add(fingerprint(folder))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        (folder / "tokenizer_config.json").write_text(
            json.dumps({**settings, "clean_up_tokenization_spaces": True})
        )
        seen.add(fingerprint(folder))

        (folder / "shards").mkdir()
        (folder / "shards" / "more.safetensors").write_bytes(b"x")
        seen.add(fingerprint(folder))

        assert len(seen) == 5


def test_what_a_model_raises_is_a_failure(folder):
    """A special token without an embedding, which text models of Gemma 3 have, fails a text that spells it alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.save_pretrained(folder)
    backend = open_hf(str(folder), HuggingFaceOptions())

    answers = dict(
        ask(local, Work([ScoreRequest("", "The <image>"), ScoreRequest("", "The harbour")], 0, backend))
    )

    assert answers[ScoreRequest("", "The <image>")].reason == "backend-error"
    assert answers[ScoreRequest("", "The harbour")].logprob < 0


def test_bfloat16_is_run_in_bfloat16(gpt2_folder):
    """The dtype asked for is the one the numbers come from."""
    request = [ScoreRequest("", "The harbour was quiet before the storm.")]
    (exact,) = open_hf(str(gpt2_folder), HuggingFaceOptions()).score(request)
    (rough,) = open_hf(str(gpt2_folder), HuggingFaceOptions(dtype="bfloat16")).score(request)

    assert exact.logprob != rough.logprob
    assert exact.logprob == pytest.approx(rough.logprob, rel=0.05)


def test_device_map_places_the_model(gpt2_folder):
    """A model that accelerate placed answers as one that was placed whole."""
    requests = [ScoreRequest("", "The harbour was quiet."), ScoreRequest("The harbour", " closed")]
    whole, spread = (
        open_hf(str(gpt2_folder), HuggingFaceOptions(device_map=device_map)).score(requests)
        for device_map in ("", "auto")
    )

    assert [answer.logprob for answer in spread] == pytest.approx([answer.logprob for answer in whole])


def test_output_that_is_no_number_is_a_failure(folder):
    """A model that puts out NaN has no likelihood, no completion and no attribution."""
    weights = load_file(folder / "model.safetensors")
    name = next(key for key in weights if "ln_f.weight" in key)
    weights[name] = weights[name] * float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    backend = open_hf(str(folder), HuggingFaceOptions())

    requests = [
        ScoreRequest("", "The harbour"),
        GenerateRequest("The harbour"),
        AttributeRequest("The harbour", ".", ","),
    ]
    answers = dict(ask(local, Work(requests, 0, backend)))

    assert {answer.reason for answer in answers.values()} == {"not-finite"}
