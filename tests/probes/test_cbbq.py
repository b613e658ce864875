"""CBBQ: stereotyped answers, shares against values computed by hand, and the published files."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import pytest

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.testing import ScriptedBackend, run_probe

NAMES = ("{{NAME1}}", "{{NAME2}}")


@pytest.fixture(scope="module")
def cbbq():
    return load_plugins().probes["cbbq"]


def row(number=1, **changes):
    """Return a row in the published layout, by default an ambiguous, negative question about the Vel and the Tor."""
    return {
        "example_id": number,
        "question_index": "1",
        "question_polarity": "neg",
        "context_condition": "ambiguous",
        "category": "region",
        "subcategory": "",
        "bias_targeted_groups": "Vel",
        "source": "",
        "context": "A Vel and a Tor met.",
        "question": "Who is late?",
        "ans0": "The Vel",
        "ans1": "The Tor",
        "ans2": "Not known",
        "label": "2",
        **changes,
    }


def disambiguated(number=1, **changes):
    return row(number, **{"context_condition": "disambiguous", "label": "1"} | changes)


OPPOSITE = {"question_polarity": "non_neg", "question": "Who is early?"}
TEMPLATES = [disambiguated(), disambiguated(**OPPOSITE, label="0")]
"""The stereotype: a Vel is late, a Tor is early."""
ROWS = [row(1), row(2, **OPPOSITE), disambiguated(1), disambiguated(2, **OPPOSITE, label="0")]


def write(folder, rows, templates=TEMPLATES, category="region", encoding="utf-8"):
    """Write rows and templates to the files of a category."""
    place = folder / "zh-cbbq" / category
    for condition in {r["context_condition"] for r in rows}:
        _write(place / condition / f"{condition}.csv", rows, condition, encoding)
    for polarity, name in (("neg", "neg"), ("non_neg", "nonneg")):
        chosen = [t for t in templates if t["question_polarity"] == polarity]
        _write(place / "disambiguous" / f"templates_generate_{name}.csv", chosen, "disambiguous", encoding)
    return folder


def _write(path, rows, condition, encoding):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(row()))
        writer.writeheader()
        writer.writerows(r for r in rows if r["context_condition"] == condition)


def biased(probe, folder):
    return {case.id: case.content["biased"] for case in probe.cases(ProbeContext(folder, 0))}


def answering(choose):
    """Return a backend for which the answer that `choose` names is the most likely one."""
    return ScriptedBackend(score=lambda context, answer: -1.0 if answer == choose(context) else -9.0)


def whole(result):
    return {m.name: m.value for m in result.metrics if not m.slice}


def late(context):
    return "Who is late?" in context


class TestScores:
    @pytest.mark.parametrize(
        ("choose", "expected"),
        [
            (lambda c: "The Vel" if late(c) else "The Tor", (0.0, 0.0, 1.0, 1.0, 1.0)),
            (lambda c: "The Tor" if late(c) else "The Vel", (0.0, 1.0, 0.0, 0.0, 0.0)),
            (lambda _: "Not known", (1.0, 0.0, 0.0, None, None)),
            (lambda _: "The Vel", (0.0, 0.5, 0.5, 0.5, 0.5)),
        ],
    )
    def test_models_whose_answers_are_known(self, cbbq, tmp_path, choose, expected):
        """Shares follow the formulas of the paper: with the stereotype, against it, always unknown, always the Vel."""
        result = run_probe(cbbq, answering(choose), data=write(tmp_path, ROWS))

        names = (
            "accuracy_ambiguous",
            "accuracy_disambiguated",
            "bias_ambiguous",
            "bias_disambiguated",
            "bias",
        )
        assert whole(result) == dict(zip(names, expected, strict=True))

    def test_unknown_counts_in_the_ambiguous_share_alone(self, cbbq, tmp_path):
        """One of two answers follows the stereotype and one is unknown, in both contexts: 1/2, 1/1, and 0.4/2 + 0.6."""
        result = run_probe(
            cbbq,
            answering(lambda c: "The Vel" if late(c) else "Not known"),
            data=write(tmp_path, ROWS),
        )

        assert whole(result)["bias_ambiguous"] == 0.5
        assert whole(result)["bias_disambiguated"] == 1.0
        assert whole(result)["bias"] == pytest.approx(0.8)

    def test_predictions_made_elsewhere(self, cbbq, tmp_path):
        """Predictions name category and context of a row, since the ids of both files start at 1."""
        write(tmp_path, ROWS)
        file = tmp_path / "answers.jsonl"
        file.write_text(json.dumps({"category": "region/disambiguous", "example_id": 1, "answer": 1}))
        found = cbbq.read_predictions(file, ProbeContext(tmp_path, 0))

        scored = [m for m in found.measurements if m.unscored is None]
        assert [(m.case, m.values["disambiguated_right"]) for m in scored] == [("region/disambiguous/1", 1.0)]
        assert found.metrics == cbbq.metrics


class TestStereotypedAnswer:
    def test_is_the_one_that_disambiguated_contexts_contradict(self, cbbq, tmp_path):
        """If the context says that the Tor was late, the stereotyped answer is the Vel."""
        assert biased(cbbq, write(tmp_path, ROWS)) == {
            "region/ambiguous/1": 0,
            "region/ambiguous/2": 1,
            "region/disambiguous/1": 0,
            "region/disambiguous/2": 1,
        }

    def test_the_same_question_goes_before_the_index(self, cbbq, tmp_path):
        """An ambiguous row with a wrong polarity takes the answer of the template with the same question."""
        assert biased(cbbq, write(tmp_path, [row(1, question="Who is early?")])) == {"region/ambiguous/1": 1}

    def test_another_wording_is_found_by_its_index(self, cbbq, tmp_path):
        """A row whose question is worded differently takes the answer of the template with its index and polarity."""
        assert biased(cbbq, write(tmp_path, [row(1, question="Which one is late?")])) == {
            "region/ambiguous/1": 0
        }

    def test_without_a_template_nothing_is_asked(self, cbbq, tmp_path):
        """A row without a template is counted, has no requests and is unscored."""
        folder = write(tmp_path, [*ROWS, row(9, question="Who is tall?", question_index="7")])
        result = run_probe(cbbq, answering(lambda _: "Not known"), data=folder)

        assert (result.cases, dict(result.unscored)) == (5, {"no-target": 1})

    def test_the_mislabelled_category(self, cbbq, tmp_path):
        """Its labels are swapped, and its polarity is not used."""
        rows = [*ROWS, row(3, question="Which one is late?")]
        cases = {
            case.id.split("/", 1)[1]: case.content
            for case in cbbq.cases(
                ProbeContext(write(tmp_path, rows, category="educational_qualification"), 0)
            )
        }

        assert [cases[f"disambiguous/{i}"]["right"] for i in (1, 2)] == [0, 1]
        assert [cases[f"ambiguous/{i}"]["biased"] for i in (1, 2, 3)] == [1, 0, None]


class TestBadFiles:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"label": "1"}, "line 2: column 'label': expected 2 for the context ambiguous, found 1"),
            ({"label": "x"}, "line 2: key 'label'"),
            ({"question_polarity": "bad"}, "line 2: key 'question_polarity'"),
            ({"example_id": "one"}, "line 2: key 'example_id'"),
        ],
    )
    def test_a_bad_value_is_named(self, cbbq, tmp_path, changes, said):
        """Errors name file, line and column."""
        rows = [row(1, **changes)]
        folder = write(tmp_path, [r | {"context_condition": "ambiguous"} for r in rows])

        with pytest.raises(DataError, match=re.escape(said)):
            list(cbbq.cases(ProbeContext(folder, 0)))

    def test_a_row_in_the_wrong_file(self, cbbq, tmp_path):
        """A disambiguated row in the file of ambiguous ones is an error."""
        folder = write(tmp_path, [row(1)])
        path = folder / "zh-cbbq" / "region" / "ambiguous" / "ambiguous.csv"
        path.write_text(path.read_text().replace(",ambiguous,", ",disambiguous,").replace(",2\n", ",1\n"))

        with pytest.raises(DataError, match="belongs in another file"):
            list(cbbq.cases(ProbeContext(folder, 0)))

    def test_a_row_twice(self, cbbq, tmp_path):
        """A repeated id within a file is an error."""
        with pytest.raises(DataError, match="line 3: example_id 1 appears twice"):
            list(cbbq.cases(ProbeContext(write(tmp_path, [row(1), row(1)]), 0)))

    def test_a_template_without_a_right_person(self, cbbq, tmp_path):
        """The label of a disambiguated template must be a person."""
        with pytest.raises(
            DataError, match=r"templates_generate_neg.csv, line 2: column 'label': expected 0 or 1"
        ):
            list(cbbq.cases(ProbeContext(write(tmp_path, ROWS, [disambiguated(label="2")]), 0)))

    def test_another_encoding(self, cbbq, tmp_path):
        """A file in GBK is an error that names the remedy."""
        folder = write(tmp_path, [row(1, context="他们见面了。")], encoding="gbk")

        with pytest.raises(DataError, match="save it as UTF-8"):
            list(cbbq.cases(ProbeContext(folder, 0)))

    def test_rows_without_templates(self, cbbq, tmp_path):
        """The error names the missing file, and how to get it."""
        folder = write(tmp_path, [row(1)])
        (folder / "zh-cbbq" / "region" / "disambiguous" / "templates_generate_neg.csv").unlink()

        with pytest.raises(DataError, match=r"templates_generate_neg.csv: not found.*data fetch cbbq"):
            list(cbbq.cases(ProbeContext(folder, 0)))


class TestPublishedFiles:
    def test_every_row_is_read(self, cbbq, data):
        """All rows are read; nearly all have a target, and all disambiguated ones do."""
        cases = list(cbbq.cases(ProbeContext(data, 0)))
        expected = Counter()
        for path in (data / "zh-cbbq").glob("*/*/*.csv"):
            if not path.name.startswith("templates"):
                with path.open(encoding="utf-8-sig", newline="") as file:
                    expected[path.parent.parent.name] += sum(1 for _ in csv.DictReader(file))
        unknown = [case for case in cases if case.content["biased"] is None]

        assert Counter(case.slices["category"] for case in cases) == expected
        assert len(unknown) < 0.005 * len(cases)
        assert all(case.content["ambiguous"] for case in unknown)

    def test_the_mislabelled_category_says_what_its_contexts_say(self, cbbq, data):
        """Employers in these contexts prefer the graduate of the lesser school, so the published labels are wrong."""
        cases = [
            case
            for case in cbbq.cases(ProbeContext(data, 0))
            if case.id.startswith("educational_qualification/disambiguous")
            and "可能性更小" in case.requests[0].context
        ]

        assert len(cases) > 40
        assert not any(
            re.search("低|非全日制", case.requests[case.content["right"]].continuation) for case in cases
        )
