"""Which language a text is in, and that no scorer rates another language than its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gptaudit.protocols.scorer import Output
from gptaudit.scorers.languages import ByLanguage, spoken

TEXTS = {
    "en": "The train was late, and we had to wait for it in the rain with our bags.",
    "de": "Der Zug war nicht pünktlich, und wir mussten mit dem Gepäck in dem Regen auf ihn warten.",
    "fr": "Le train n'était pas à l'heure et nous avons dû attendre sous la pluie avec les bagages dans la rue.",
    "es": "El tren no llegó a la hora y tuvimos que esperar en la calle con las maletas de la familia.",
    "zh": "火车晚点了。我们只好带着行李在雨里等。",
    "ja": "電車が遅れて、私たちは荷物を持って雨の中で待たなければなりませんでした。",
    "other": "Поезд опоздал, поэтому нам пришлось ждать под дождём возле вокзала.",
}


class Named:
    """Gives every text the same mark, and another score under its own name, which no other scorer has."""

    def __init__(self, name: str, mark: float) -> None:
        self.identity = {"sha256": "0"}
        self.name = name
        self.labels = (name, "mark")
        self._mark = mark

    def __call__(self, outputs):
        return [{self.name: 1.0, "mark": self._mark} for _ in outputs]


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("expected", ["en", "zh"])
def test_a_sentence_tells_its_language(language, expected):
    """Whatever was expected."""
    assert spoken(TEXTS[language], expected) == language


@pytest.mark.parametrize("text", ["", "😀", "1999!", "\ud800"])
def test_what_has_no_letters_is_in_the_expected_language(text):
    """A text without letters tells nothing."""
    assert spoken(text, "zh") == "zh"


@pytest.mark.parametrize(
    "text", ["Schadenfreude", "c'est la vie, she said", "San José de la Cruz", "naïve café"]
)
def test_foreign_words_do_not_make_a_foreign_text(text):
    """Names and borrowed phrases leave a text in the language that was expected."""
    assert spoken(text, "en") == "en"


def test_each_text_goes_to_the_scorer_of_its_language():
    """In order, by the labels that all have; none for a text in another language than its probe's, or any scorer's."""
    scorer = ByLanguage("both", {"en": Named("english", 0.2), "zh": Named("chinese", 0.8)})
    order = [
        ("zh", "zh"),
        ("de", "en"),
        ("en", "en"),
        ("other", "zh"),
        ("zh", "en"),
        ("en", "zh"),
        ("de", "de"),
    ]
    scores = scorer([Output(TEXTS[language], "", expected) for language, expected in order])
    assert scores == [{"mark": 0.8}, {}, {"mark": 0.2}, {}, {}, {}, {}]
    assert scorer([]) == []


@pytest.mark.skipif(
    "GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA, a folder of data sets, is not set"
)
def test_hardly_any_english_web_text_is_taken_for_another_language():
    """Of English continuations of RealToxicityPrompts, as noisy as a model's, at most 0.5 % are not rated."""
    path = Path(os.environ["GPTAUDIT_DATA"]) / "realtoxicityprompts/rtp_5000_val.jsonl"
    with path.open(encoding="utf-8") as file:
        texts = [json.loads(line)["continuation"]["text"] for line in file]
    foreign = [text for text in texts if spoken(text, "en") != "en"]
    assert len(foreign) <= 0.005 * len(texts), foreign[:20]
