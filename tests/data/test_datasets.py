"""Public data sets: what is known of them, where their files lie, and how rows are read."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

import pytest

from gptaudit.data.datasets import (
    BBQ,
    CROWS_PAIRS,
    DATA_SETS,
    DataFile,
    DataNotGivenError,
    DataSet,
    csv_rows,
    describe,
    faults,
    find,
    present,
    read_csv,
    read_json_lines,
    sha256,
)
from gptaudit.errors import DataError

ONE, TWO = (
    DataFile(
        f"two/data/{name}.csv", f"https://data.example/{name}.csv", hashlib.sha256(name.encode()).hexdigest()
    )
    for name in ("one", "two")
)
BOTH = DataSet("two", "https://data.example", "CC0-1.0", "Nobody (2020). Two.", 2, (ONE, TWO))


def place(folder, path, content):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)


class TestRegistry:
    def test_every_entry_can_be_fetched_and_cited(self):
        """Each file has an https URL, at a fixed commit where it has a hash, and a place in the folder."""
        for name, data_set in DATA_SETS.items():
            assert (data_set.name, bool(data_set.files)) == (name, True)
            assert all((data_set.licence, data_set.citation, data_set.rows > 0))
            assert data_set.source.startswith("https://")
            for file in data_set.files:
                assert urlsplit(file.url).scheme == "https"
                assert re.fullmatch(r"[0-9a-f]{64}", file.sha256) or not file.sha256
                assert re.search(r"/[0-9a-f]{40}/", file.url) or not file.sha256
                assert ".." not in file.path
        files = [file for data_set in DATA_SETS.values() for file in data_set.files]

        assert len({file.path for file in files}) == len({file.url for file in files}) == len(files)

    def test_the_hashes_are_those_of_the_published_files(self, data):
        """No file of the public folder differs from what is known of it, but for CBBQ's, a sample of the rows."""
        whole = [data_set for name, data_set in DATA_SETS.items() if name != "cbbq"]
        found = {f.path: fault for data_set in whole for f, fault in faults(data_set, data).items()}

        assert "differs" not in found.values(), found
        assert not faults(CROWS_PAIRS, data)
        assert sum(1 for file in present(BBQ, data)) >= 6


class TestFiles:
    def test_published_place_before_the_data_sets_own_folder(self, tmp_path):
        """A file may lie flat in the folder of its data set; the published place comes first."""
        place(tmp_path, "two/one.csv", "one")
        place(tmp_path, "two/two.csv", "changed")
        place(tmp_path, "two/data/two.csv", "two")

        assert present(BOTH, tmp_path) == {
            ONE: tmp_path / "two" / "one.csv",
            TWO: tmp_path / "two" / "data" / "two.csv",
        }
        assert faults(BOTH, tmp_path) == {}
        assert find(BOTH, tmp_path, TWO.path) == tmp_path / "two" / "data" / "two.csv"

    def test_faults(self, tmp_path):
        """Another content and no content are told apart."""
        place(tmp_path, ONE.path, "one\n")

        assert faults(BOTH, tmp_path) == {ONE: "differs", TWO: "missing"}
        assert faults(BOTH, None) == {ONE: "missing", TWO: "missing"}

    def test_a_file_without_a_known_hash(self, tmp_path):
        """It is neither right nor wrong."""
        file = DataFile("two/three.csv", "https://data.example/three.csv", "")
        three = DataSet("two", "https://data.example", "CC0-1.0", "Nobody (2020). Two.", 2, (file,))
        place(tmp_path, file.path, "three")

        assert faults(three, tmp_path) == {file: "unchecked"}
        assert describe(three, tmp_path, 2).name == "two"

    def test_what_is_missing_says_how_to_get_it(self, tmp_path):
        """Without a folder the option is named, and without a file the command that fetches it."""
        with pytest.raises(DataNotGivenError, match="--data DIR or GPTAUDIT_DATA"):
            find(BOTH, None)
        with pytest.raises(DataNotGivenError, match=re.escape(f"gptaudit data fetch two --data {tmp_path}")):
            find(BOTH, tmp_path)

    def test_several_files_are_known_by_the_hash_of_their_listing(self, tmp_path):
        """The hash is that of what `sha256sum` prints; a missing and a changed file are named."""
        place(tmp_path, ONE.path, "one")
        place(tmp_path, TWO.path, "two")
        listing = f"{ONE.sha256}  {ONE.path}\n{TWO.sha256}  {TWO.path}\n"

        assert describe(BOTH, tmp_path, 2).sha256 == hashlib.sha256(listing.encode()).hexdigest()
        assert (describe(BOTH, tmp_path, 2).name, describe(BOTH, tmp_path, 2).altered) == ("two", "")
        assert (describe(BOTH, tmp_path, 2).published, describe(BOTH, tmp_path, 1).lost) == (BOTH.rows, 1)
        place(tmp_path, ONE.path, "other")
        assert describe(BOTH, tmp_path, 2).altered == f"differs from the published file: {ONE.path}"
        (tmp_path / ONE.path).unlink()
        assert describe(BOTH, tmp_path, 2).altered == f"without {ONE.path}"
        assert describe(BOTH, tmp_path, 1).lost == 0  # whole files left out are no rows lost

    def test_one_file_is_known_by_its_own_hash(self, tmp_path):
        """A reader can check the hash of a single file with `sha256sum`."""
        place(tmp_path, CROWS_PAIRS.files[0].path, "a")

        assert describe(CROWS_PAIRS, tmp_path, 1).sha256 == sha256(tmp_path / CROWS_PAIRS.files[0].path)


class TestReading:
    def test_json_lines(self, tmp_path):
        """Values come with their line; a mark at the start and empty lines are passed over."""
        (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n[2]\n')

        assert list(read_json_lines(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, [2])]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b'{"a": 1}\n{"a": }\n', "line 2, column 7: expected JSON"),
            (b'{"a": 1}\n"\xff"\n', "line 2: expected UTF-8, found byte 0xff"),
        ],
    )
    def test_bad_lines(self, tmp_path, content, said):
        """The line is named, and what came before it was read: the file is not read whole first."""
        (tmp_path / "a.jsonl").write_bytes(content)
        lines = read_json_lines(tmp_path / "a.jsonl")

        assert next(lines) == (1, {"a": 1})
        with pytest.raises(DataError, match=re.escape(said)):
            next(lines)

    def test_no_file(self, tmp_path):
        """A file that is not there is an error that names it."""
        with pytest.raises(DataError, match=r"a\.jsonl: cannot be read"):
            list(read_json_lines(tmp_path / "a.jsonl"))

    def test_csv_without_rows(self, tmp_path):
        """A header alone has no rows, which is an error where rows are wanted."""
        (tmp_path / "a.csv").write_text("x,y\n")

        assert list(csv_rows(tmp_path / "a.csv", ("x",))) == []
        with pytest.raises(DataError, match="expected rows after the header"):
            read_csv(tmp_path / "a.csv", ("x",))
