"""`gptaudit init`: the file that it writes, and the files that it does not replace."""

from __future__ import annotations

import tomllib
from dataclasses import fields

import pytest

from gptaudit.run.configuration import Configuration, read_configuration, starting_configuration


def test_every_setting_is_shown_and_can_be_used(tmp_path):
    """The file has every key, and is valid with all settings uncommented."""
    path = tmp_path / "gptaudit.toml"
    lines = starting_configuration().splitlines()
    text = "\n".join(line[1:] if line[:1] == "#" and line[1:2].isalpha() else line for line in lines)
    path.write_text(text)

    assert set(tomllib.loads(text)) == {field.name for field in fields(Configuration)}
    read = read_configuration(path)
    assert set(read.arguments) == set(tomllib.loads(text)) - {"schema", "plugins"}
    assert read.disabled


@pytest.mark.parametrize("arguments", [(), ("-o", "other.toml")])
def test_what_is_there_is_left_alone(gptaudit, tmp_path, arguments):
    """A file is replaced only with --force; the refusal exits 2, and names the file and the remedy."""
    path = tmp_path / (arguments[-1] if arguments else "gptaudit.toml")
    path.write_text("mine")
    refused = gptaudit("init", *arguments)
    kept = path.read_text()
    forced = gptaudit("init", *arguments, "--force")

    assert (refused.code, kept) == (2, "mine")
    assert path.name in refused.err
    assert "--force" in refused.err
    assert (forced.code, path.read_text()) == (0, starting_configuration())


def test_a_link_is_not_followed_into_another_file(gptaudit, tmp_path):
    """A dangling link counts as an existing file, and nothing is written to its target."""
    (tmp_path / "gptaudit.toml").symlink_to(tmp_path / "elsewhere.toml")

    assert gptaudit("init").code == 2
    assert not (tmp_path / "elsewhere.toml").exists()


@pytest.mark.parametrize("path", ["nowhere/gptaudit.toml", "folder"])
def test_a_file_that_cannot_be_written(gptaudit, tmp_path, path):
    """A missing folder, or a folder of that name, exits 2 and is named."""
    (tmp_path / "folder").mkdir()
    ran = gptaudit("init", "-o", path, "--force")

    assert ran.code == 2
    assert f"{path}: cannot be written" in ran.err


def test_it_says_what_to_type(gptaudit):
    """The command that it prints reads the file that it wrote."""
    assert gptaudit("init").out.endswith("then: gptaudit run\n")
    assert gptaudit("init", "-o", "a b.toml").out.endswith("then: gptaudit run --config 'a b.toml'\n")
