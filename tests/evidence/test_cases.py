"""Every case of a finished audit is found, by what it is and by what was said."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from case_store import HOSTILE, stored_cases

from gptaudit.errors import DataError
from gptaudit.evidence.cases import CaseFilter, CaseIndex, StoredCases
from gptaudit.records import Exchange


@pytest.fixture
def folder(tmp_path):
    return stored_cases(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["nurse", "refused", "bare", HOSTILE]),
        ({"probe": "first"}, ["nurse", "refused", "bare"]),
        ({"outcome": "scored"}, ["nurse", "bare", HOSTILE]),
        ({"outcome": "unscored"}, ["refused"]),
        ({"outcome": "refused"}, ["refused"]),
        ({"outcome": "empty"}, []),
        ({"group": "female"}, ["nurse"]),
        ({"group": "gender=male"}, ["refused"]),
        ({"group": "age=male"}, []),
        ({"text": "hello"}, ["nurse"]),
        ({"text": "NURSE"}, ["nurse"]),
        ({"text": "a fool"}, ["bare"]),
        ({"text": "i CANNOT"}, ["refused"]),
        ({"text": "the cook"}, [HOSTILE]),
        ({"text": "%"}, []),
        ({"probe": "first", "outcome": "scored", "text": "fool"}, ["bare"]),
    ],
)
def test_each_filter_keeps_what_matches(folder, wanted, found):
    """A case is found by its probe, outcome, group and texts, together; read one by one or from the index."""
    cases = StoredCases(folder)
    index = CaseIndex(cases)

    assert [f.key.case for f in cases.find(CaseFilter(**wanted))] == found
    assert [index.keys[number].case for number in index.find(CaseFilter(**wanted))] == found


def test_a_case_without_measured_texts_shows_its_requests_and_answers(folder):
    """What was refused, failed or was only scored can be read too, with the reason."""
    cases = StoredCases(folder)
    texts = {found.key.case: found.exchanges for found in cases.find(CaseFilter(probe="first"))}

    assert texts["refused"] == (Exchange("generate, refused", "Who is it?", "I cannot say"),)
    assert texts["bare"] == (Exchange("score", "A fool", "", {"log-likelihood": -1.0}),)
    assert [cases.read(key).exchanges for key in CaseIndex(cases).keys][:3] == list(texts.values())


def test_a_folder_without_evidence_is_named(tmp_path):
    """The error names the file."""
    with pytest.raises(DataError, match=r"evidence\.sqlite: not found"):
        StoredCases(tmp_path)


class TestCommand:
    def test_every_case_is_printed(self, gptaudit, folder):
        """Without a filter all cases are printed with their texts, and counted on standard error."""
        ran = gptaudit("evidence", folder)

        assert ran.code == 0, ran.err
        assert "first  nurse  scored  gender=female  rate 1" in ran.out
        assert "  [sample 1] toxicity 0.250\n    The Nurse said\n  answer:\n     HELLO there\n" in ran.out
        assert ran.err == "4 cases\n"

    def test_json_is_an_object_a_line(self, gptaudit, folder):
        """Each line is a case with all that was stored."""
        lines = gptaudit("evidence", folder, "--json", "--grep", "nurse").out.splitlines()

        assert [json.loads(line) for line in lines] == [
            {
                "probe": "first",
                "case": "nurse",
                "outcome": "scored",
                "groups": {"gender": "female"},
                "values": {"rate": 1.0},
                "texts": [
                    {
                        "label": "sample 1",
                        "prompt": "The Nurse said",
                        "output": " HELLO there",
                        "scores": {"toxicity": 0.25},
                    }
                ],
                "note": "one of 1",
            }
        ]

    def test_a_table_opens_in_a_spreadsheet(self, gptaudit, folder):
        """There is a row for each text, and no cell is a formula."""
        head, *rows = csv.reader(io.StringIO(gptaudit("evidence", folder, "--csv").out))

        assert head[:3] == ["probe", "case", "outcome"]
        assert [row[0] for row in rows] == ["first", "first", "first", "second", "second"]
        assert all(len(row) == len(head) for row in rows)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
        assert rows[3][6].startswith("'=cmd")

    @pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
    def test_no_text_controls_the_terminal(self, gptaudit, folder, form):
        """Hostile ids, groups, names, texts and notes are printed without control characters."""
        out = gptaudit("evidence", folder, *form).out

        assert {unicodedata.category(c) for c in out if c != "\n"}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})

    def test_no_text_looks_like_another_case(self, gptaudit, folder):
        """Of the lines that do not begin with a space, each is a case."""
        lines = gptaudit("evidence", folder).out.splitlines()

        assert [line.split()[0] for line in lines if line and not line.startswith(" ")] == ["first"] * 3 + [
            "second"
        ]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [(["--probe", "frist"], "Did you mean 'first'?"), (["--json=1"], "does not take a value")],
    )
    def test_bad_arguments_are_named(self, gptaudit, folder, arguments, said):
        """They exit 2 with the remedy."""
        ran = gptaudit("evidence", folder, *arguments)

        assert ran.code == 2
        assert said in ran.err
