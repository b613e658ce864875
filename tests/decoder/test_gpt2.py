"""Conversion to GPT-2 folders and back: `transformers` is the oracle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_files import gptaudit_in_small_files
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from gptaudit.decoder import decoder_folder, register
from gptaudit.decoder.gpt2 import export_gpt2, import_gpt2
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
from gptaudit.errors import UsageError

IDS = torch.randint(0, 260, (2, 20), generator=torch.Generator().manual_seed(2))


def logits(folder):
    register()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(IDS).logits


def gpt2(folder, tokenizer_of, **settings):
    """Save a random GPT-2 whose weights and biases all affect its logits, with a tokenizer."""
    torch.manual_seed(0)
    shape = {"vocab_size": 400, "n_positions": 64, "n_embd": 32, "n_layer": 3, "n_head": 4}
    model = GPT2LMHeadModel(GPT2Config(**shape | {"bos_token_id": 0, "eos_token_id": 0} | settings))
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_of).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_inner": 40, "activation_function": "relu"},
        {"activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-3},
        {"tie_word_embeddings": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
        {"reorder_and_upcast_attn": True},
    ],
    ids=lambda settings: "-".join(settings) or "plain",
)
def test_an_imported_gpt2_gives_the_same_logits(tmp_path, gpt2_folder, settings):
    """Every GPT-2 that can be imported keeps its logits, to 1e-5 of their range, as a decoder and exported again."""
    folder = gpt2(tmp_path / "gpt2", gpt2_folder, **settings)
    expected = logits(folder)
    allowed = 1e-5 * float(expected.amax() - expected.amin())

    import_gpt2(folder, tmp_path / "decoder")
    export_gpt2(tmp_path / "decoder", tmp_path / "back")

    assert json.loads((tmp_path / "decoder/config.json").read_text())["model_type"] == "gptaudit-decoder"
    assert json.loads((tmp_path / "back/config.json").read_text())["model_type"] == "gpt2"
    torch.testing.assert_close(logits(tmp_path / "decoder"), expected, atol=allowed, rtol=0)
    torch.testing.assert_close(logits(tmp_path / "back"), expected, atol=allowed, rtol=0)


def test_the_tokenizer_comes_along(tmp_path, gpt2_folder):
    """Text has the same tokens before and after import and export."""
    import_gpt2(gpt2_folder, tmp_path / "decoder")
    export_gpt2(tmp_path / "decoder", tmp_path / "back")

    text = "A carpenter, é €\n  and a nurse."
    first, *others = (
        AutoTokenizer.from_pretrained(folder)(text).input_ids
        for folder in (gpt2_folder, tmp_path / "decoder", tmp_path / "back")
    )
    assert others == [first, first]


def test_weights_in_a_bin_file_are_read_without_code(tmp_path, gpt2_folder):
    """pytorch_model.bin is imported; one that would run code when unpickled is refused, and does not run it."""
    folder = shutil.copytree(gpt2_folder, tmp_path / "gpt2")
    weights = GPT2LMHeadModel.from_pretrained(gpt2_folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")

    import_gpt2(folder, tmp_path / "decoder")
    torch.testing.assert_close(logits(tmp_path / "decoder"), logits(gpt2_folder), atol=1e-4, rtol=1e-5)

    torch.save({**weights, "x": Touches(str(tmp_path / "ran"))}, folder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be opened"):
        import_gpt2(folder, tmp_path / "other")
    assert not (tmp_path / "ran").exists()


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_an_export_loads_without_gptaudit(tmp_path):
    """A process that cannot import gptaudit loads the exported folder; logits and planted flaws are the same."""
    export_gpt2(decoder_folder("reference"), tmp_path / "gpt2")
    code = (
        "import sys, torch; sys.modules['gptaudit'] = None\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        f"m = AutoModelForCausalLM.from_pretrained({str(tmp_path / 'gpt2')!r})\n"
        f"ids = AutoTokenizer.from_pretrained({str(tmp_path / 'gpt2')!r})('The nurse said', return_tensors='pt')\n"
        "print(type(m).__name__, *m(**ids).logits[0, -1, :5].tolist())"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    name, *found = ran.stdout.split()
    register()
    ids = AutoTokenizer.from_pretrained(decoder_folder("reference"))("The nurse said", return_tensors="pt")
    expected = AutoModelForCausalLM.from_pretrained(decoder_folder("reference"))(**ids).logits[0, -1, :5]
    assert name == "GPT2LMHeadModel"
    assert [float(value) for value in found] == pytest.approx(expected.tolist(), abs=1e-5)
    planted = (tmp_path / "gpt2/planted.json").read_bytes()
    assert planted == (decoder_folder("reference") / "planted.json").read_bytes()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"positions": "rotary"}, "positions='rotary': GPT-2 supports only learned"),
        ({"positions": "sinusoidal"}, "positions='sinusoidal'"),
        ({"activation": "swiglu"}, "activation='swiglu'"),
        ({"norm": "post"}, "norm='post'"),
    ],
)
def test_a_shape_gpt2_lacks_is_not_exported(tmp_path, gpt2_folder, gptaudit, setting, message):
    """Exporting a decoder of another shape is an error that names the setting, and writes nothing."""
    shape = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32}
    DecoderForCausalLM(DecoderConfig(**shape | setting)).save_pretrained("decoder")
    AutoTokenizer.from_pretrained(gpt2_folder).save_pretrained("decoder")

    ran = gptaudit("decoder", "export", "decoder", "--out", "gpt2")

    assert ran.code == 2
    assert message in ran.err
    assert not (tmp_path / "gpt2").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation_function": "silu"}, "activation_function='silu': the decoder supports gelu_new, relu"),
        ({"add_cross_attention": True}, "add_cross_attention=true"),
    ],
)
def test_a_gpt2_the_decoder_cannot_be_is_refused(tmp_path, gpt2_folder, settings, message):
    """A setting that the decoder does not support is named, and nothing is written."""
    folder = gpt2(tmp_path / "gpt2", gpt2_folder, **settings)

    with pytest.raises(UsageError, match=message):
        import_gpt2(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def damaged(folder, case):
    if case == "no weights":
        (folder / "model.safetensors").unlink()
    elif case == "damaged weights":
        (folder / "model.safetensors").write_bytes(b"none")
    elif case == "no tokenizer":
        for path in folder.glob("token*"):
            path.unlink()
    elif case == "no config":
        (folder / "config.json").unlink()
    elif case == "bad config":
        (folder / "config.json").write_text("{")
    elif case == "weights missing":
        weights = load_file(folder / "model.safetensors")
        del weights["transformer.h.1.ln_1.bias"]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    elif case == "other width":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"n_positions": 32}))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no weights", "cannot be opened"),
        ("damaged weights", "cannot be opened"),
        ("no tokenizer", "the tokenizer is missing"),
        ("no config", "config.json is missing"),
        ("bad config", "expected JSON"),
        ("weights missing", "such as transformer.h.1.ln_1.bias"),
        ("other width", "such as transformer.wpe.weight"),
    ],
)
def test_a_bad_folder_is_an_error(tmp_path, gpt2_folder, gptaudit, case, message):
    """A folder with something missing or damaged ends with exit code 2, one line and a remedy."""
    damaged(shutil.copytree(gpt2_folder, tmp_path / "gpt2"), case)

    ran = gptaudit("decoder", "import", "gpt2", "--out", "out")

    assert ran.code == 2
    assert message in ran.err
    assert "give a folder that `GPT2LMHeadModel.save_pretrained` wrote" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()


def test_other_folders_are_refused(tmp_path, gpt2_folder, llama_folder, gptaudit):
    """Another architecture, a missing folder and an occupied output are each named and exit with 2."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    calls = {
        ("import", llama_folder, "--out", "out"): "expected model_type 'gpt2', found 'llama'",
        ("import", "nowhere", "--out", "out"): "nowhere: no such folder",
        ("import", gpt2_folder, "--out", "full"): "full: is not empty",
        ("export", gpt2_folder, "--out", "out"): "expected model_type 'gptaudit-decoder', found 'gpt2'",
        ("export", "nowhere", "--out", "out"): "nowhere: no such folder",
        ("export", "clean", "--out", "full"): "full: is not empty",
    }
    for arguments, message in calls.items():
        ran = gptaudit("decoder", *arguments)
        assert (ran.code, message in ran.err, "Traceback" in ran.err) == (2, True, False), ran.err


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [1, 40])
def test_a_full_disk_is_named(tmp_path, gpt2_folder, kibibytes):
    """If a file cannot be written, the message says so and what to do, and the exit code is 2."""
    ran = gptaudit_in_small_files(kibibytes, "decoder", "import", gpt2_folder, "--out", tmp_path / "out")

    assert ran.returncode == 2, ran.stderr
    assert "could not be written" in ran.stderr
    assert "Free space, remove the folder, and try again" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_commands(gptaudit, gpt2_folder):
    """`decoder import` and `decoder export` say how many parameters they wrote, and where."""
    imported = gptaudit("decoder", "import", gpt2_folder, "--out", "decoder")
    exported = gptaudit("decoder", "export", "decoder", "--out", "gpt2")

    parameters = GPT2LMHeadModel.from_pretrained(gpt2_folder).num_parameters()
    assert imported.out == f"{parameters:,} parameters: decoder\n"
    assert exported.out == f"{parameters:,} parameters: gpt2\n"
