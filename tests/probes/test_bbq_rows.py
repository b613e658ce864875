"""Rows of BBQ: the stereotyped answer of each, and errors of invalid files."""

from __future__ import annotations

import re

import pytest
from bbq_files import FOUR, people, row, write
from gptaudit.probes.bbq_rows import read_items

from gptaudit.errors import DataError


def biased(folder):
    """Return the stereotyped answer of each row."""
    return [item.biased for item in read_items(folder)]


class TestTargets:
    """The stereotyped answer, derived without the authors' metadata."""

    @pytest.mark.parametrize(
        ("first", "second", "groups", "changes", "answer"),
        [
            (("a boy", "nonOld"), ("a man", "old"), ["old"], {}, 2),
            (("a boy", "nonOld"), ("a man", "old"), ["nonOld"], {}, 0),
            (("woman", "woman"), ("man", "man"), ["F"], {"category": "Gender_identity"}, 0),
            (("Ann", "F"), ("Bob", "M"), ["M"], {"category": "Gender_identity"}, 2),
            (("a neighbour", "nonTrans"), ("x", "trans"), ["Transgender women", "trans"], {}, 2),
            (("a nurse", "lowSES"), ("a judge", "highSES"), ["low SES"], {"category": "SES"}, 0),
            (("Ann", "F-White"), ("Bea", "F-Black"), ["Black", "African American"], {}, 2),
            (
                ("African", "African"),
                ("African American", "African American"),
                ["Black", "African American"],
                {},
                2,
            ),
            (("Irish", "Europe"), ("Italian", "Europe"), ["Irish"], {"category": "Nationality"}, 0),
            (("Irish", "Europe"), ("Kenyan", "Africa"), ["africa"], {"category": "Nationality"}, None),
            (("Orthodox", "Orthodox"), ("Mormon", "Mormon"), ["Mormon", "Orthodox"], {}, None),
            (("Sikh", "Sikh"), ("Hindu", "Hindu"), ["Mormon"], {}, None),
            (("x", "F-Black"), ("y", "M-Black"), ["Black"], {"category": "Race_x_gender"}, None),
        ],
    )
    @pytest.mark.parametrize("polarity", ["neg", "nonneg"])
    def test_groups(self, tmp_path, first, second, groups, changes, answer, polarity):
        """It is the only person of a stereotyped group or, if the question is not negative, the other person."""
        write(tmp_path, [people(first, second, groups, question_polarity=polarity, **changes)])
        other = None if answer is None else 2 - answer

        assert biased(tmp_path) == [answer if polarity == "neg" else other]


class TestMetadata:
    """`additional_metadata.csv` takes precedence if it is present."""

    def test_it_says_the_target_whatever_the_polarity(self, tmp_path):
        """`target_loc` is the stereotyped answer; a row without one, or without a line, has none."""
        listed = ['"Age","1",0,2,"label"', '"Age","1",1,NA,"label"', '"Age","1",3,0,"label"']

        assert biased(write(tmp_path, FOUR, listed)) == [2, None, None, 0]

    def test_it_says_who_is_told_apart_by_name(self, tmp_path):
        """`label_type` makes a category of its own; a row of two dimensions also has a target."""
        both = people(("x", "F-Black"), ("y", "M-Black"), ["Black"], category="Race_x_gender")
        (item,) = read_items(write(tmp_path, [both], ['"Race_x_gender","1",0,2,"name"']))

        assert (item.by_name, item.biased) == (True, 2)

    @pytest.mark.parametrize(
        ("listed", "said"),
        [
            ('"Age","1",0,3,"label"', "line 2: column 'target_loc': expected 0, 1, 2 or NA, found '3'"),
            ('"Age","1",0,1,"label"', "target_loc: expected a person, found 1"),
        ],
    )
    def test_what_it_cannot_say(self, tmp_path, listed, said):
        """A target that is not a person is an error."""
        with pytest.raises(DataError, match=re.escape(said)):
            biased(write(tmp_path, FOUR, [listed]))


class TestBadFiles:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            (row(1, label=3), "key 'label': Input should be 0, 1 or 2; found 3"),
            (row(1, label=0), "key 'label': expected 1 ('unknown') in an ambiguous context, found 0"),
            (
                row(1, context_condition="none"),
                "key 'context_condition': Input should be 'ambig' or 'disambig'",
            ),
            (row(1, question_polarity=""), "key 'question_polarity'"),
            (row(1, answer_info={"ans0": ["x", "old"]}), "key 'answer_info.ans1' is missing"),
            (row(0), "example_id 0 of Age appears twice"),
            ({k: v for k, v in row(1).items() if k != "question"}, "key 'question' is missing"),
            (people(("x", "old"), ("y", "unknown"), ["old"], example_id=1), "found 2"),
        ],
    )
    def test_rows(self, tmp_path, changed, said):
        """Errors name file, line and key."""
        folder = write(tmp_path, [row(0), changed])

        with pytest.raises(DataError, match=re.escape(said)) as error:
            biased(folder)
        assert str(error.value).startswith(f"{folder / 'bbq' / 'data' / 'Age.jsonl'}, line 2: ")

    def test_encoding(self, tmp_path):
        """A file in another encoding is an error with its line."""
        write(tmp_path, [row(0)])
        path = tmp_path / "bbq" / "data" / "Age.jsonl"
        path.write_bytes(path.read_bytes() + '{"context": "Caf\xe9"}\n'.encode("latin-1"))

        with pytest.raises(DataError, match=r"line 2: expected UTF-8, found byte 0xe9"):
            biased(tmp_path)
