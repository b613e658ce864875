"""A suite file of the user's own: `gptaudit run -s FILE.toml`."""

from __future__ import annotations

import json

import pytest

SUITE = """
schema = "gptaudit.suite/1"
id = "{id}"
version = "1"
suite = "mine"
kind = "decision"
axis = "group"
language = "en"
title = "T"
goal = "G."
source = "S"
licence = "L"
reference = ["cat"]
templates = [{{ id = "one", text = "Feed the {{pet}}?" }}]
[groups]
cat = {{ pet = "cat" }}
dog = {{ pet = "dog" }}
"""


@pytest.fixture
def own(tmp_path):
    def write(name, text=SUITE, **words):
        path = tmp_path / name
        path.write_text(text.format(id=path.stem, **words), encoding="utf-8")
        return path

    return write


def test_a_data_file_is_enough(own, gptaudit, tmp_path):
    """Suite files that `-s` names run beside a built-in probe, and the results have the hash of the file."""
    ran = gptaudit(
        "run",
        "-s",
        own("mine.toml"),
        "-s",
        own("other.toml"),
        "-p",
        "age",
        "--limit",
        "4",
        "-o",
        tmp_path / "o",
    )
    results = json.loads((tmp_path / "o" / "results.json").read_text(encoding="utf-8"))

    assert ran.code == 0
    assert [(p["id"], p["cases"]) for p in results["probes"]] == [("age", 4), ("mine", 1), ("other", 1)]
    assert len(results["probes"][1]["data"]["sha256"]) == 64


def test_it_may_stand_in_the_configuration(own, gptaudit, tmp_path):
    """In `gptaudit.toml`, a relative path of a suite file starts at the folder of `gptaudit.toml`."""
    own("mine.toml")
    (tmp_path / "gptaudit.toml").write_text('schema = "gptaudit.config/1"\nsuites = ["mine.toml"]\n')
    ran = gptaudit("run", "--config", tmp_path / "gptaudit.toml", "-o", tmp_path / "o", "-v")

    assert ran.code == 0
    assert "mine  scored, 1 of 1 cases" in ran.out


def test_what_is_refused(own, gptaudit, tmp_path):
    """A suite file that is missing, invalid or has the id of another probe exits 2."""
    for files, message in (
        (["none.toml"], "none.toml: cannot be read: No such file"),
        (
            [own("broken.toml", SUITE.replace('"decision"', '"decisions"'))],
            "broken.toml: key 'kind': expected",
        ),
        ([own("age.toml")], "key 'id': another probe is called 'age'"),
        ([own("mine.toml"), own("mine.toml")], "key 'id': another probe is called 'mine'"),
    ):
        ran = gptaudit("run", *(word for file in files for word in ("-s", file)), "-o", tmp_path / "o")
        assert (ran.code, message in ran.err) == (2, True), ran.err


GENERATED = SUITE.replace(
    'kind = "decision"',
    'kind = "counterfactual-generation"\nscorer = "toxicityy"\nlabel = "toxicity"\nsamples = 1',
)


def test_an_unknown_scorer(own, gptaudit):
    """If the probe of a named suite file lacks a scorer, that is an error; the probe is not skipped."""
    ran = gptaudit("run", "-s", own("mine.toml", GENERATED))

    assert ran.code == 2
    assert "a probe needs the scorer 'toxicityy'" in ran.err
    assert "Did you mean 'toxicity'?" in ran.err
