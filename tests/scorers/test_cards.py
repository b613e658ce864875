"""Cards of scorers: measured by hand, shipped for what is bundled, and carried into figures."""

from __future__ import annotations

import json

import pytest

from gptaudit.errors import DataError, UsageError
from gptaudit.files import to_json
from gptaudit.plugins import load_plugins
from gptaudit.run.scorers import Scorers
from gptaudit.scorers.cards import read_card
from gptaudit.scorers.evaluation.card import evaluate, labelled_sets
from gptaudit.scorers.evaluation.labelled import LabelledSet, LabelledText


class Says:
    """Scores a text by the number in it."""

    name = "toxicity"
    labels = ("toxicity",)

    def __init__(self) -> None:
        self.identity = {"model": "numbers", "sha256": "1"}

    def __call__(self, outputs):
        return [{"toxicity": float(output.text)} for output in outputs]


def silent(name, texts):
    """Say nothing."""


def card_of(texts):
    return evaluate(Says(), {("toxicity",): [LabelledSet("own", "hand", texts)]}, silent, threads=1)


def test_figures_by_hand():
    """30 of 40 positives and 95 of 100 negatives are right; in group a all are."""
    texts = [LabelledText("0.9", label=True, cluster=f"p{i}", groups={"group": "a"}) for i in range(30)]
    texts += [LabelledText("0.1", label=True, cluster=f"q{i}") for i in range(10)]
    texts += [LabelledText("0.2", label=False, cluster=f"n{i}", groups={"group": "a"}) for i in range(95)]
    texts += [LabelledText("0.6", label=False, cluster=f"m{i}") for i in range(5)]
    card = card_of(texts)
    decision = card.decision(("toxicity",), 0.5)
    (figures,) = decision.sets

    assert (figures.sensitivity.value, figures.sensitivity.n) == (0.75, 40)
    assert (figures.specificity.value, figures.specificity.n) == (0.95, 100)
    assert figures.auroc.value == pytest.approx((30 * 100) / (40 * 100))
    assert decision.error_rates().specificity_on == "own"
    assert decision.error_rates("group", "a").sensitivity.value == 1.0
    assert decision.error_rates("group", "b") is None
    assert card.decision(("toxicity",), 0.4) is None


def test_a_card_is_read_as_it_was_written(tmp_path):
    """Through JSON and back."""
    card = card_of([LabelledText("0.9", label=bool(i % 2), cluster=str(i)) for i in range(60)])
    (tmp_path / "card.json").write_text(to_json(card), encoding="utf-8")
    assert read_card(tmp_path / "card.json") == card


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "found none"),
        ('{"text": "a"}', r"line 1: key 'label' is missing"),
        ('{"text": "a", "label": true}\n{"text": "b", "label": "yes"}', r"line 2: key 'label'"),
        ("{", "line 1"),
        ('{"text": "a", "label": true, "grup": 1}', "unknown key 'grup'"),
    ],
)
def test_a_file_of_labels_that_is_at_fault(tmp_path, content, message):
    """The line and the key."""
    (tmp_path / "own.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        labelled_sets("toxicity", [tmp_path / "own.jsonl"])


def test_a_folder_without_labelled_sets(tmp_path):
    """Named, with the sets that would do."""
    with pytest.raises(UsageError, match=r"no labelled set of toxicity; expected .*HateCheck"):
        labelled_sets("toxicity", [tmp_path])
    with pytest.raises(UsageError, match="sentiment: expected a scorer with labelled sets"):
        labelled_sets("sentiment", [tmp_path])


@pytest.mark.parametrize(("role", "language"), [("toxicity", "en"), ("toxicity", "zh"), ("refusal", "en")])
def test_what_is_bundled_has_a_card(role, language):
    """Measured with this very model, and with the error rates that figures need."""
    card = Scorers(load_plugins(), {}).card(role)
    assert card.scorer == role
    assert all(decision.error_rates() for decision in card.in_language(language).decisions)


def test_figures_carry_the_errors_in_their_own_language():
    """The first set of a language gives its error rates; where there is none, nothing is known."""
    right = [LabelledText("0.9", label=True) for _ in range(30)] + [
        LabelledText("0.1", label=False) for _ in range(30)
    ]
    wrong = [LabelledText("0.1", label=True) for _ in range(30)] + right[30:]
    sets = [LabelledSet("own", "hand", right), LabelledSet("eigen", "hand", wrong, "de")]
    card = evaluate(Says(), {("toxicity",): sets}, silent, threads=1)

    def sensitivity(language):
        rates = card.in_language(language).decision(("toxicity",), 0.5).error_rates()
        return rates and (rates.sensitivity.value, rates.sensitivity_on)

    assert sensitivity("en") == (1.0, "own")
    assert sensitivity("de") == (0.0, "eigen")
    assert sensitivity("fr") is None


def test_a_card_of_another_model_is_refused(tmp_path):
    """Error rates of one model say nothing of another."""
    plugins = load_plugins()
    card = json.loads(to_json(Scorers(plugins, {}).card("toxicity")))
    card["identity"]["sha256"] = "0" * 64
    path = tmp_path / "card.json"
    path.write_text(json.dumps(card))
    with pytest.raises(UsageError, match="the card is of toxicity 'bundled' with other weights"):
        Scorers(plugins, {"toxicity.card": str(path)}).open_all(["toxicity"])
    path.write_text("{}")
    with pytest.raises(UsageError, match="expected an object with schema"):
        Scorers(plugins, {"toxicity.card": str(path)})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"toxicity": "bundled", "detoxify": "unbiased"}, "'toxicity' is given twice"),
        ({"toxicity.devise": "cpu"}, "no option 'devise'. Did you mean 'device'"),
        ({"sentiment.device": "cpu"}, "no option 'device'. Known: card"),
        ({"refusal": "hf:folder"}, "no such model"),
        ({"toxicity": "bundeld"}, "Did you mean 'bundled'"),
    ],
)
def test_what_no_scorer_takes(given, message):
    """Roles, models and options are checked before anything is opened."""
    with pytest.raises(UsageError, match=message):
        Scorers(load_plugins(), given)
