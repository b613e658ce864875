"""Hashed n-grams of characters and the file of their weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from gptaudit.errors import ScorerError
from gptaudit.scorers.chinese import WEIGHTS
from gptaudit.scorers.ngrams import NgramModel, buckets, normalised, read_model, write_model


def test_hashes_are_the_same_everywhere():
    """Buckets equal splitmix64's finaliser on Python's whole numbers, for each n-gram, and none spans two texts."""
    mask = 2**64 - 1

    def bucket(gram):
        value = 0
        for char in gram:
            value = (value + ord(char) + 1) * 0x9E3779B97F4A7C15 & mask
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = (value ^ value >> shift) * factor & mask
        return (value ^ value >> 31) >> (64 - 16)

    texts = ["你好你好", "", "a", "\ud800😀书"]
    rows, found = buckets(texts, 3, 16)
    expected = {
        (row, bucket(text[i : i + n]))
        for row, text in enumerate(texts)
        for n in (1, 2, 3)
        for i in range(len(text) - n + 1)
    }
    assert list(zip(rows.tolist(), found.tolist(), strict=True)) == sorted(expected)


def test_log_odds_are_sums_of_weights():
    """A text's log-odds are the bias and the weight of each distinct n-gram, once."""
    model = NgramModel(np.zeros(2**10, np.int8), 0.5, -1.0, 2, {})
    _, found = buckets(["ab"], 2, 10)
    model.weights[found] = [1, 2, 4][: len(found)]
    assert len(set(found.tolist())) == 3
    assert model.log_odds(["ab", "", "abababab"])[:2] == [-1.0 + 0.5 * 7, -1.0]


def test_width_case_spaces_and_invisible_characters_do_not_count():
    """Full-width letters, upper case, white space and zero-width characters read as the plain text."""
    assert normalised("\uff21 b\n\u200b書", {ord("書"): "书"}) == "ab书"


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "cut", "pickle", "foreign", "no alike", "one bit", "not finite"]
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, damage):
    """A missing, damaged or foreign file gives one sentence with its path, and runs nothing."""
    path = tmp_path / "weights.safetensors"
    whole = WEIGHTS.read_bytes()
    match damage:
        case "missing":
            pass
        case "foreign":
            save_file({"weights": np.zeros(4, np.float16)}, path)
        case "no alike":
            save_file({"weights": np.zeros(4, np.int8)}, path, {"format": "gptaudit.ngrams/1"})
        case "one bit":
            path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        case "not finite":
            write_model(path, NgramModel(np.zeros(4, np.int8), float("nan"), 0.0, 1, {}))
        case _:
            path.write_bytes(
                {"empty": b"", "cut": whole[: len(whole) // 2], "pickle": pickle.dumps([1])}[damage]
            )
    with pytest.raises(ScorerError) as caught:
        read_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_model_is_read_as_it_was_written(tmp_path):
    """Weights, step, bias, longest n-gram and characters that read alike."""
    path = tmp_path / "weights.safetensors"
    model = read_model(WEIGHTS)
    write_model(path, model)
    again = read_model(path)
    assert np.array_equal(again.weights, model.weights)
    assert (again.step, again.bias, again.longest) == (model.step, model.bias, model.longest)
    assert again.alike == model.alike
    assert len(model.alike) > 1000
