"""`gptaudit data` against a server on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gptaudit import DataFile, DataSet
from gptaudit.data.datasets import DATA_SETS

GOOD = b"a,b\n1,2\n" * 40_000
OTHER = b"c\n3\n"


class Handler(BaseHTTPRequestHandler):
    """Serves good files, and every fault of a download."""

    def do_GET(self):
        match self.path:
            case "/good.csv" | "/other.csv":
                self._send(GOOD if self.path == "/good.csv" else OTHER)
            case "/unmeasured.csv":
                self._send(GOOD, length=None)
            case "/cut.csv":
                self._send(GOOD[:100_000], length=len(GOOD))
            case "/moved.csv":
                self._redirect("/good.csv")
            case "/to-http.csv":
                self._redirect("http://data.example/good.csv")
            case "/silent.csv":
                self._send(b"", length=10)
                time.sleep(0.6)
            case _:
                self.send_error(404)

    def _send(self, body, length=-1):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    """The address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture
def publish(monkeypatch, server):
    """Return a function that makes `small`, with files of the server, the only known data set."""

    def publish(*names, digest=None, base=server):
        def published(name):
            if digest is not None:
                return digest
            return hashlib.sha256(OTHER if name == "other.csv" else GOOD).hexdigest()

        files = tuple(DataFile(f"small/data/{name}", f"{base}/{name}", published(name)) for name in names)
        small = DataSet("small", "https://data.example/small", "CC0-1.0", "Nobody (2020). Small.", 7, files)
        monkeypatch.setattr("gptaudit.data.datasets.DATA_SETS", {"small": small})
        return small

    return publish


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestFetch:
    def test_files_come_into_their_published_layout(self, gptaudit, publish, tmp_path):
        """Both files are as published; host, folder and citation are printed."""
        publish("good.csv", "other.csv")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert ran.code == 0, ran.err
        assert (tmp_path / "small" / "data" / "good.csv").read_bytes() == GOOD
        assert (tmp_path / "small" / "data" / "other.csv").read_bytes() == OTHER
        assert left_in(tmp_path) == ["small/data/good.csv", "small/data/other.csv"]
        assert "Downloading from 127.0.0.1" in ran.err
        assert "CC0-1.0. Please cite: Nobody (2020). Small." in ran.out
        assert gptaudit("data", "verify", "small", "--data", tmp_path).code == 0

    @pytest.mark.parametrize("name", ["unmeasured.csv", "moved.csv"])
    def test_a_server_may_send_no_length_or_point_elsewhere(self, gptaudit, publish, tmp_path, name):
        """A body of unknown length and a redirect are both downloaded."""
        publish(name)

        assert gptaudit("data", "fetch", "small", "--data", tmp_path).code == 0
        assert (tmp_path / "small" / "data" / name).read_bytes() == GOOD

    def test_a_file_of_another_content_is_refused(self, gptaudit, publish, tmp_path):
        """A download with the wrong hash is deleted and does not get the file's name."""
        publish("good.csv", digest="0" * 64)
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert ran.code == 2
        assert f"not the published file: expected sha256 {'0' * 64}" in ran.err
        assert hashlib.sha256(GOOD).hexdigest() in ran.err
        assert left_in(tmp_path) == []

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("gone.csv", "the server answers 404 Not Found"),
            ("cut.csv", "the connection broke off after 100000 of 320000 bytes"),
            ("to-http.csv", "http://data.example/good.csv: expected an https URL"),
            ("silent.csv", "nothing came for"),
        ],
    )
    def test_what_goes_wrong_is_one_sentence(self, gptaudit, publish, tmp_path, monkeypatch, name, said):
        """A missing file, a cut body, a redirect to http and a silent server each give one sentence, and no file."""
        monkeypatch.setattr("gptaudit.data.downloads.SECONDS", 0.3)
        publish(name)
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert ran.code == 2
        assert said in ran.err
        assert ran.err.count("\n") == 2, "the announcement and one sentence"
        assert left_in(tmp_path) == []

    def test_nobody_listens(self, gptaudit, publish, tmp_path):
        """A refused connection is one sentence."""
        publish("good.csv", base="http://127.0.0.1:9")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert (ran.code, "cannot be reached: Connection refused" in ran.err) == (2, True)

    def test_only_servers_that_prove_who_they_are(self, gptaudit, publish, tmp_path):
        """Plain http is refused for any machine but this one, before a connection is made."""
        publish("good.csv", base="http://data.example")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert (ran.code, "expected an https URL" in ran.err) == (2, True)

    def test_a_file_that_differs_is_kept_unless_told(self, gptaudit, publish, tmp_path):
        """Without --force nothing is replaced or fetched; with it the published file replaces the other."""
        publish("good.csv", "other.csv")
        mine = tmp_path / "small" / "data" / "good.csv"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")
        refused = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert refused.code == 2
        assert f"{mine}: not the published file" in refused.err
        assert "--force" in refused.err
        assert (mine.read_bytes(), left_in(tmp_path)) == (b"mine", ["small/data/good.csv"])
        assert gptaudit("data", "fetch", "small", "--data", tmp_path, "--force").code == 0
        assert mine.read_bytes() == GOOD

    def test_a_forced_download_that_fails_leaves_the_old_file(self, gptaudit, publish, tmp_path):
        """The old file is replaced only by a complete new one."""
        publish("cut.csv")
        mine = tmp_path / "small" / "data" / "cut.csv"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")

        assert gptaudit("data", "fetch", "small", "--data", tmp_path, "--force").code == 2
        assert (mine.read_bytes(), left_in(tmp_path)) == (b"mine", ["small/data/cut.csv"])

    def test_what_cannot_be_checked_is_not_fetched(self, gptaudit, publish, tmp_path):
        """A file without a known hash must be downloaded by hand; then it is `unchecked` and not fetched."""
        publish("good.csv", digest="")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert (ran.code, left_in(tmp_path)) == (2, [])
        assert (
            f"its hash is not known, so a download could not be checked; download it yourself and save it as {tmp_path}"
            in ran.err
        )
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "good.csv").write_bytes(GOOD)
        assert "small: unchecked" in gptaudit("data", "verify", "small", "--data", tmp_path).out
        assert gptaudit("data", "fetch", "small", "--data", tmp_path).code == 0

    def test_what_is_there_is_not_fetched_again(self, gptaudit, publish, tmp_path):
        """A second call contacts no server."""
        publish("good.csv")
        gptaudit("data", "fetch", "small", "--data", tmp_path)
        publish("good.csv", base="http://127.0.0.1:9")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path)

        assert (ran.code, ran.err) == (0, "")
        assert "already" in ran.out

    def test_a_terminal_shows_how_much_has_come(self, gptaudit, publish, tmp_path, monkeypatch):
        """On a terminal, the size so far and the whole size are shown beside the file's name."""
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        publish("good.csv")

        assert (
            "small/data/good.csv: 0.3 of 0.3 MB" in gptaudit("data", "fetch", "small", "--data", tmp_path).err
        )

    def test_a_folder_that_cannot_be_written(self, gptaudit, publish, tmp_path):
        """A file in the way of the folder is named in one sentence."""
        publish("good.csv")
        (tmp_path / "taken").write_text("")
        ran = gptaudit("data", "fetch", "small", "--data", tmp_path / "taken")

        assert (ran.code, f"{tmp_path / 'taken'}: cannot be written" in ran.err) == (2, True)

    @pytest.mark.parametrize("call", [("fetch", "small"), ("verify",)])
    def test_no_folder_named(self, gptaudit, publish, call):
        """There is no default folder; the error says how to name one."""
        publish("good.csv")
        ran = gptaudit("data", *call)

        assert (ran.code, "--data DIR or GPTAUDIT_DATA" in ran.err) == (2, True)

    @pytest.mark.parametrize("call", ["fetch", "verify"])
    def test_an_unknown_name(self, gptaudit, publish, tmp_path, call):
        """The nearest known name is suggested."""
        publish("good.csv")
        ran = gptaudit("data", call, "smal", "--data", tmp_path)

        assert (ran.code, "Did you mean 'small'?" in ran.err) == (2, True)


class TestVerify:
    def test_each_file_that_is_missing_or_differs_is_named(self, gptaudit, publish, tmp_path):
        """Of a changed, a missing and a correct file, the first two are named, and how to download them."""
        publish("good.csv", "other.csv", "gone.csv")
        folder = tmp_path / "small" / "data"
        folder.mkdir(parents=True)
        (folder / "good.csv").write_bytes(GOOD + b"\n")
        (folder / "other.csv").write_bytes(OTHER)
        ran = gptaudit("data", "verify", "--data", tmp_path)

        assert ran.code == 2
        assert f"{folder / 'good.csv'}: differs" in ran.out
        assert f"{folder / 'gone.csv'}: missing" in ran.out
        assert "other.csv" not in ran.out
        assert f"gptaudit data fetch small --data {tmp_path}" in ran.err

    def test_a_file_may_lie_in_the_data_sets_own_folder(self, gptaudit, publish, tmp_path):
        """A file in `small/` is found as well as one in its published folder."""
        publish("good.csv")
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "good.csv").write_bytes(GOOD)

        assert gptaudit("data", "verify", "small", "--data", tmp_path).code == 0

    def test_published_folders(self, gptaudit, data):
        """The published files verify."""
        ran = gptaudit("data", "verify", "crows-pairs", "winobias", "winogender", "--data", data)

        assert ran.code == 0, ran.out + ran.err


class TestList:
    def test_json(self, gptaudit, publish, tmp_path):
        """The JSON has licence, source, files, hashes, sizes and states."""
        small = publish("good.csv", "other.csv")
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "other.csv").write_bytes(OTHER)
        (found,) = json.loads(gptaudit("data", "list", "--json", "--data", tmp_path).out)

        assert (found["name"], found["licence"], found["rows"]) == ("small", "CC0-1.0", 7)
        assert found["state"] == "1 of 2 files missing"
        assert [(f["state"], f["bytes"]) for f in found["files"]] == [
            ("missing", None),
            ("as published", len(OTHER)),
        ]
        assert [(f["path"], f["url"], f["sha256"]) for f in found["files"]] == [
            (f.path, f.url, f.sha256) for f in small.files
        ]

    def test_text_without_a_folder(self, gptaudit):
        """Every data set is shown with its licence and source, even without a folder."""
        ran = gptaudit("data", "list")

        assert ran.code == 0
        for data_set in DATA_SETS.values():
            assert f"{data_set.name}\n" in ran.out
            assert data_set.source in ran.out
        assert "58,492 rows in 12 files, CC BY 4.0" in ran.out
        assert "1,508 rows in 1 file, CC BY-SA 4.0" in ran.out


def test_every_data_set_that_a_probe_names_is_known():
    """Each `data_set` of a built-in probe can be listed, fetched and verified."""
    from gptaudit.plugins import load_plugins

    assert {p.data_set for p in load_plugins().probes.values() if p.data_set} <= set(DATA_SETS)
