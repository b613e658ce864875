"""A model's identity: whatever is loaded is hashed, wherever it lies, and nothing else stands under its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm import loading
from gptaudit.causal_lm.folder_files import digest, folder_files
from gptaudit.causal_lm.model_files import find_model
from gptaudit.errors import TargetError
from gptaudit.records import ScoreRequest

INDEX = "model.safetensors.index.json"


def opened(folder, **options):
    backend = open_hf(str(folder), HuggingFaceOptions(**options))
    (answer,) = backend.score([ScoreRequest("", "The harbour was quiet.")])
    return backend.fingerprint, answer.logprob


def change(weights):
    """Write other numbers into every file of weights in a folder."""
    for file in weights.glob("*.safetensors"):
        save_file(
            {name: value * 1.5 for name, value in load_file(file).items()}, file, metadata={"format": "pt"}
        )


def shards_moved_to(folder, store, prefix):
    """Move the shards of a model; its index names them with a prefix."""
    store.mkdir()
    for shard in folder.glob("*.safetensors"):
        shutil.move(shard, store / shard.name)
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] = {name: prefix + shard for name, shard in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))


@pytest.fixture
def folder(llama_folder, tmp_path):
    """A model in shards."""
    found = tmp_path / "model"
    shutil.copytree(llama_folder, found)
    (found / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(llama_folder).save_pretrained(found, max_shard_size="20KB")
    assert len(list(found.glob("*.safetensors"))) > 1
    return found


def named_outside(folder, store):
    shards_moved_to(folder, store, "../store/")


def absolute(folder, store):
    shards_moved_to(folder, store, f"{store}/")


def linked_files(folder, store):
    shards_moved_to(folder, store, "")
    for shard in store.iterdir():
        (folder / shard.name).symlink_to(shard)


def linked_folder(folder, store):
    shards_moved_to(folder, store, "shards/")
    (folder / "shards").symlink_to(store)


OUTSIDE = (named_outside, absolute, linked_files, linked_folder)


@pytest.mark.parametrize("outside", OUTSIDE)
class TestWeightsElsewhere:
    def test_they_are_refused(self, folder, tmp_path, outside):
        """Weights outside the folder are not what the folder's name says; the file and the remedy are named."""
        outside(folder, tmp_path / "store")
        with pytest.raises(TargetError, match=r"leaves the folder.*or add -b follow_links=true"):
            opened(folder)

    def test_they_are_hashed_where_they_are_followed(self, folder, tmp_path, outside):
        """The same folder with other weights in the store is another model."""
        here = opened(folder)
        outside(folder, tmp_path / "store")
        before = opened(folder, follow_links=True)
        change(tmp_path / "store")
        after = opened(folder, follow_links=True)

        assert before[1] == here[1] != after[1]
        assert before[0] != after[0]

    def test_weights_of_an_adapter_s_base_model(self, folder, tmp_path, outside):
        """The base model that an adapter names is held to the same."""
        outside(folder, tmp_path / "store")
        adapter = tmp_path / "adapter"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
        (adapter / "adapter_model.safetensors").write_bytes(b"x")
        with pytest.raises(TargetError, match="leaves the folder"):
            find_model(adapter)


class TestLinks:
    def test_a_link_within_the_folder(self, folder):
        """What stays in the folder needs no leave; that another file is linked to counts."""
        shards_moved_to(folder, folder / "one", "shards/")
        shutil.copytree(folder / "one", folder / "two")
        change(folder / "two")
        (folder / "shards").symlink_to("one")
        before = opened(folder)
        (folder / "shards").unlink()
        (folder / "shards").symlink_to("two")
        after = opened(folder)

        assert before[0] != after[0]
        assert before[1] != after[1]

    def test_a_folder_that_holds_itself(self, folder):
        """A circle of links ends."""
        (folder / "again").symlink_to(".")
        assert set(find_model(folder).base_files()) == {path.name for path in folder.iterdir()} - {"again"}

    def test_a_snapshot_in_the_cache(self, folder, tmp_path):
        """Snapshots of the Hugging Face cache are links into its blobs, and need no leave; others out of it do."""
        here = opened(folder)
        repository = tmp_path / "models--some--model"
        snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
        blobs.mkdir(parents=True)
        snapshot.mkdir(parents=True)
        for number, path in enumerate(sorted(folder.iterdir())):
            shutil.move(path, blobs / str(number))
            (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))

        assert opened(snapshot) == here
        (snapshot / "more.json").symlink_to(tmp_path)
        with pytest.raises(TargetError, match=r"more\.json: a link to .*, which leaves the folder"):
            opened(snapshot)

    def test_the_folder_may_be_a_link_itself(self, folder, tmp_path):
        """The name that is given is the user's to choose."""
        (tmp_path / "current").symlink_to(folder)
        assert opened(tmp_path / "current") == opened(folder)

    def test_an_adapter_beside_weights_elsewhere(self, folder, tmp_path):
        """A lent folder holds nothing outside itself."""
        named_outside(folder, tmp_path / "store")
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(b"x")
        found = find_model(folder, follow_links=True)
        with pytest.raises(TargetError, match="move the adapter into a folder of its own"), found.lent():
            pass


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "vocab.txt"),
        *(
            "additional_chat_templates/tool.jinja",
            "modeling_own.py",
            "parts/code.py",
            "adapter_model.safetensors",
        ),
    ],
)
def test_every_file_that_decides_an_answer_counts(folder, name):
    """A changed byte in any of them is another model."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    seen = set()
    for content in (b"{}", b"{ }"):
        file.write_bytes(content)
        seen.add(digest(find_model(folder).base_files(), ""))

    assert len(seen) == 2


def test_code_of_another_repository(folder, tmp_path, monkeypatch):
    """Code that the config names in another repository is read from the cache, and hashed there."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--some--code" / "snapshots" / "abc"
    (snapshot.parents[1] / "refs").mkdir(parents=True)
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    snapshot.mkdir(parents=True)
    for name in ("modeling_own.py", "helper.py"):
        (snapshot / name).write_text("")
    config = json.loads((folder / "config.json").read_text())
    named = {"AutoModelForCausalLM": "some/code--modeling_own.Own", "AutoTokenizer": ["own.Slow", None]}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": named}))

    assert find_model(folder).code_files() == {
        f"code/some/code/{name}": snapshot / name for name in ("helper.py", "modeling_own.py")
    }


def test_files_that_change_while_they_are_loaded(folder, monkeypatch):
    """What is hashed is what was loaded: a writer in between is noticed."""
    load = loading.load_model

    def and_save(files, *given, **how):
        model = load(files, *given, **how)
        change(files.folder)
        return model

    monkeypatch.setattr(loading, "load_model", and_save)
    with pytest.raises(TargetError, match=r"safetensors changed while the model was loaded; run again"):
        opened(folder)


def test_an_index_of_another_form_is_no_matter(folder):
    """A file that only looks like an index names nothing."""
    (folder / "vectors.index.json").write_text("[1, 2]")
    (folder / "broken.index.json").write_bytes(b"\xff")

    assert "vectors.index.json" in folder_files(folder, follow_links=False, error=TargetError)
