"""Input that would take all time or memory, and kinds of damage that chance finds rarely: one each, by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gptaudit.causal_lm import bounded
from gptaudit.causal_lm.loading import load_backend
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import TargetError
from gptaudit.records import Failure, GenerateRequest, Sampling

MESSAGES = "{% for m in messages %}{{ m.content }}{% endfor %}"
LOOP = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% if j < 0 %}x{% endif %}{% endfor %}{% endfor %}"
)
GROWS = "{% set n = namespace(s='x') %}{% for i in range(34) %}{% set n.s = n.s + n.s %}{% endfor %}"
PRINTS = "{% for i in range(500) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}"
SOME = "{% if 'bridge' in messages[0].content %}{{ raise_exception('no bridges') }}{% endif %}" + MESSAGES


@pytest.fixture
def folder(tmp_path, gpt2_folder):
    return shutil.copytree(gpt2_folder, tmp_path / "model")


def opened(folder, template=None):
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return load_backend(folder, TorchOptions(chat=template is not None, device="cpu"))


class TestTemplates:
    @pytest.mark.parametrize(
        ("template", "said", "seconds"),
        [
            (LOOP, "did not end in 0.5 s", 0.5),
            (GROWS, "MemoryError", 20.0),
            (PRINTS, "writes more than 4,194,304 characters", 20.0),
        ],
    )
    def test_too_much(self, folder, monkeypatch, template, said, seconds):
        """A template without end, or of gigabytes, is refused; the message names the folder."""
        monkeypatch.setattr(bounded, "SECONDS", seconds)
        with pytest.raises(TargetError, match=said) as raised:
            opened(folder, template + MESSAGES)
        assert str(folder) in str(raised.value)

    def test_some_prompts(self, folder):
        """A template that raises for a prompt costs the answer to that one."""
        sampling = Sampling(max_new_tokens=2)
        asked = [GenerateRequest(text, sampling) for text in ("The bridge", "The harbour")]
        first, second = opened(folder, SOME).generate(asked, seed=0)
        assert isinstance(first, Failure)
        assert "no bridges" in first.message
        assert not isinstance(second, Failure)


class TestModels:
    def test_layers(self, folder):
        """More layers than weights are refused before any is made."""
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"n_layer": 10**6}))
        with pytest.raises(TargetError, match=r"n_layer = 1000000, and the weights are \d+ tensors"):
            opened(folder)

    @pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json"])
    @pytest.mark.parametrize("content", ['{"eos_token_id": [', "[]", '{"a": 1, "a": 2}'])
    def test_settings(self, folder, name, content):
        """A file of settings that is broken is named, whether or not transformers would pass over it."""
        (folder / name).write_text(content)
        with pytest.raises(TargetError, match=name):
            opened(folder)


class TestProgram:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("a = " + "[" * 3000, "nested too deeply"),
            ("a = " + "1" * 5000, "5000 digits"),
            ("a = 0x" + "f" * 5000, "20000 bits"),
        ],
    )
    def test_toml(self, gptaudit, tmp_path, content, said):
        """TOML that Python cannot read is named, as a policy, a configuration and a suite."""
        file = tmp_path / "a.toml"
        file.write_text(content)
        for arguments in (["run", "--policy", file], ["run", "--config", file], ["run", "-s", file]):
            ran = gptaudit(*arguments, "--dry-run")
            assert (ran.code, "a.toml" in ran.err, said in ran.err) == (2, True, True)

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without end")
    @pytest.mark.parametrize("option", ["--policy", "--config"])
    def test_endless_files(self, gptaudit, option):
        """A file without end is refused."""
        ran = gptaudit("run", option, "/dev/zero")
        assert (ran.code, "larger than 256 MiB" in ran.err) == (2, True)

    @pytest.mark.parametrize("value", ["0", "-1", "nan"])
    @pytest.mark.parametrize("option", ["--max-seconds", "-b batch_tokens="])
    def test_numbers(self, gptaudit, option, value):
        """A number that bounds nothing is refused."""
        name, _, key = option.partition(" ")
        ran = gptaudit("run", name, key + value, "-p", "gender-occupation", "--limit", "1", "-o", "out")
        assert ran.code == 2
        assert value in ran.err

    def test_paths(self, gptaudit, tmp_path):
        """A NUL in a path of a configuration is named by its key; a path that is not UTF-8 is written and shown."""
        (tmp_path / "gptaudit.toml").write_text('schema = "gptaudit.config/1"\noutput = "a\\u0000b"\n')
        ran = gptaudit("run", "--dry-run")
        assert (ran.code, "key 'output'" in ran.err) == (2, True)
        (tmp_path / "gptaudit.toml").unlink()

        ran = gptaudit("run", "-p", "gender-occupation", "--limit", "1", "-o", "a\udcffb")
        assert ran.code == 0
        assert "a⟨U+DCFF⟩b" in ran.out

    def test_inside_the_model(self, gptaudit, folder):
        """A run folder inside the model's would change what the model is."""
        ran = gptaudit("run", f"hf:{folder}", "-p", "gender-occupation", "--limit", "1", "-o", folder / "out")
        assert (ran.code, "inside" in ran.err) == (2, True)
