"""The page of `gptaudit view`: what it serves, to whom, how fast, and that no text of an audit acts in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from http.client import HTTPConnection

import pytest
from browser import evaluated, needs_chromium
from case_store import HOSTILE, stored_cases
from gptaudit.reports.viewer import listening
from html_page import Page
from view_server import served


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with served(stored_cases(tmp_path_factory.mktemp("run")), HOSTILE) as port:
        yield port


@pytest.fixture
def ask(port):
    def ask(path, method="GET", **headers):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(), answer.headers
        connection.close()
        return found

    return ask


class TestWhoIsAnswered:
    @pytest.mark.parametrize("path", ["/", "/view.js", "/filters", "/cases", "/case?number=0", "/cases.csv"])
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"Origin": "http://127.0.0.1:PORT"}, 200),
            ({"Host": "localhost:PORT", "Sec_Fetch_Site": "same-origin"}, 200),
            ({"Host": "evil.test"}, 403),
            ({"Host": "evil.test:PORT"}, 403),
            ({"Host": "127.0.0.1"}, 403),
            ({"Origin": "http://evil.test"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://localhost:PORT"}, 403),
            ({"Sec_Fetch_Site": "cross-site"}, 403),
            ({"Sec_Fetch_Site": "same-site"}, 403),
        ],
    )
    def test_only_its_own_address(self, ask, port, path, headers, status):
        """Another site, also one that resolves to this machine, gets nothing."""
        assert ask(path, **{k: v.replace("PORT", str(port)) for k, v in headers.items()})[0] == status

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
    def test_nothing_can_be_changed(self, ask, method):
        """There is only reading."""
        assert ask("/cases", method)[0] == 405

    @pytest.mark.parametrize("path", ["/", "/cases", "/nothing", "/case?number=99", "/case?number=x"])
    def test_every_answer_has_the_policy(self, ask, path):
        """No answer, an error neither, may run a foreign script or be framed."""
        policy = ask(path)[2]["Content-Security-Policy"]

        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy

    @pytest.mark.parametrize(
        ("path", "status"),
        [("/nothing", 404), ("/../view.py", 404), ("/case?number=99", 404), ("/case?number=-1", 400)],
    )
    def test_what_is_not_there(self, ask, path, status):
        """Unknown paths and cases are errors of the request."""
        assert ask(path)[0] == status


def test_the_filters_are_those_of_the_terminal(ask):
    """A list is of the cases that match; a table has all their texts."""
    assert '"total": 4' in ask("/cases")[1]
    assert '"total": 1' in ask("/cases?outcome=unscored&probe=first&group=gender%3Dmale&text=CANNOT")[1]
    assert '"total": 0' in ask("/cases?text=nothing")[1]
    assert '"total": 2' in ask("/cases?score=rate&least=0.5")[1]
    assert '"total": 1' in ask("/cases?score=rate&most=0.5&least=-1")[1]
    assert ask("/cases?score=rate&least=half")[0] == 400
    status, table, headers = ask("/cases.csv?outcome=refused")
    assert status == 200
    assert headers["Content-Disposition"] == "attachment; filename=cases.csv"
    assert (
        table.splitlines()[1]
        == 'first,refused,refused,gender=male,,"generate, refused",Who is it?,I cannot say,'
    )
    assert '"output": " HELLO there"' in ask("/case?number=0")[1]


def test_a_reader_of_chinese_is_told_in_chinese(tmp_path):
    """Page, filters, outcomes and labels; what is asked for and the table of texts are as in any language."""
    with served(stored_cases(tmp_path), HOSTILE, "zh") as port:
        found = {}
        for path in ("/", "/filters", "/cases", "/case?number=1", "/cases.csv?outcome=refused"):
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path)
            found[path] = connection.getresponse().read().decode()
            connection.close()

    page, filters = Page(found["/"]), json.loads(found["/filters"])
    assert page.of("html")[0]["lang"] == "zh-Hans"
    assert not re.findall(r"[A-Za-z]{4,}", page.text("p", "label", "a", "output", "option", "button"))
    assert HOSTILE.split("\x1b")[0] in page.text("code")
    assert filters["words"]["more"] == "{n} 个用例"
    assert ["refused", "被服务器拒绝或扣留 (1)"] in filters["outcome"]
    assert json.loads(found["/cases"])["cases"][1]["ended"] == "被服务器拒绝或扣留"
    assert json.loads(found["/case?number=1"])["texts"][0]["output"] == "I cannot say"
    assert "first,refused,refused,gender=male" in found["/cases.csv?outcome=refused"]


OPEN_ALL = """
for (const folded of document.querySelectorAll("details")) folded.open = true;
await new Promise((done) => setTimeout(done, 2000));
return {
  text: document.body.innerText,
  scripts: [...document.querySelectorAll("script")].map((one) => one.src),
  inside: [...document.querySelectorAll("#cases *")].map((one) => one.tagName).filter((tag) => tag === "IMG"),
  marks: [...document.querySelectorAll("mark")].map((one) => one.textContent),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth};
"""


@needs_chromium
@pytest.mark.slow
def test_no_text_of_an_audit_acts_in_the_page(port, tmp_path):
    """Hostile ids, groups, names and texts are texts of the page, opened too; nothing fails, runs or is refused."""
    found, errors = evaluated(f"http://127.0.0.1:{port}/", OPEN_ALL, tmp_path)

    assert errors == []
    assert found["scripts"] == [f"http://127.0.0.1:{port}/{name}.js" for name in ("cases", "view")]
    assert found["inside"] == []
    assert "4 cases" in found["text"]
    assert "HELLO there" in found["text"]
    assert "⟨U+001B⟩[2J" in found["text"]
    assert {unicodedata.category(c) for c in found["text"] if c != "\n"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )
    assert found["wide"] <= 0


def test_a_taken_port_is_named(gptaudit, tmp_path):
    """The error names the port and the remedy."""
    with listening(0) as taken:
        ran = gptaudit("view", stored_cases(tmp_path), "--port", taken.getsockname()[1])

    assert ran.code == 2
    assert "cannot be used: Address already in use. Choose another, or --port 0" in ran.err


def test_the_program_serves_until_it_is_interrupted(tmp_path):
    """It prints its address, answers there, and ends at an interruption."""
    command = [sys.executable, "-m", "gptaudit", "view", str(stored_cases(tmp_path)), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        address = re.search(r"http://127\.0\.0\.1:(\d+)/", program.stdout.readline())
        connection = HTTPConnection("127.0.0.1", int(address[1]), timeout=20)
        connection.request("GET", "/cases")
        assert connection.getresponse().status == 200
        connection.close()
        program.send_signal(2)
        assert program.wait(20) == 0
