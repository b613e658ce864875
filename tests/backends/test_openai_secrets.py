"""Keys and passwords: used where they belong, shown nowhere."""

from __future__ import annotations

import json

import pytest

from gptaudit.backends.openai import open_openai
from gptaudit.errors import TargetError, UsageError
from gptaudit.evidence.provenance import without_secret_arguments
from gptaudit.plugins import load_plugins
from gptaudit.records import Completion, Failure, GenerateRequest
from gptaudit.remote.address import Address, find_addresses
from gptaudit.remote.http import Client
from gptaudit.remote.options import RemoteOptions
from gptaudit.run.target import open_target
from gptaudit.testing.faulty_server import FaultyServer

KEY = "sk-a-key-for-tests-0123456789"
QUICK = {"backoff": 0.01, "max_wait": 0.1, "read_timeout": 0.5, "give_up_after": 1.0}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


def opened(server, model=None, **options):
    return open_openai(model or server.model, RemoteOptions(**{**QUICK, "base_url": server.url, **options}))


def refusal(server=None, error=TargetError, model="toy", **options):
    options = {**QUICK, "base_url": server.url if server else "", **options}
    with pytest.raises(error) as raised:
        open_openai(model, RemoteOptions(**options))
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_key_from_a_file(server, tmp_path, monkeypatch):
    """A key file is read, before the environment's key."""
    server.api_key = KEY
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other-key")

    assert opened(server, api_key_file=str(tmp_path / "key")).capabilities


def test_login_from_the_environment(server, monkeypatch):
    """User name and password of OPENAI_BASE_URL are used, and shown nowhere."""
    login = server.url.replace("http://", "http://someone:pass%20word@")
    monkeypatch.setenv("OPENAI_BASE_URL", login)
    backend = open_openai("toy", RemoteOptions(**QUICK))

    assert backend.details["base_url"] == server.url
    assert "word" not in repr(vars(backend))
    server.api_key = KEY
    assert "word" not in (message := refusal())
    assert "c29tZW9uZTpwYXNzIHdvcmQ=" not in message  # base64 of someone:pass word


def test_login_on_the_command_line(server):
    """A password on the command line is refused and not repeated."""
    message = refusal(base_url="http://someone:password@host/v1")

    assert "are not allowed on the command line" in message
    assert "someone" not in message
    assert "password@" not in message


@pytest.mark.parametrize("name", ["api_key", "api-key", "key"])
def test_there_is_no_option_for_a_key(name):
    """A key on the command line is refused, not repeated, and the remedy is named."""
    with pytest.raises(UsageError) as raised:
        open_target("openai:toy", {name: KEY}, load_plugins())

    assert KEY not in str(raised.value)
    assert "api_key_file" in str(raised.value)


@pytest.mark.parametrize("key", ["two words", "schlüssel-quay", "line\nbreak-quay"])
def test_keys_that_cannot_be_sent(server, monkeypatch, key):
    """What no header can hold is refused and not repeated."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    message = refusal(server)

    assert "OPENAI_API_KEY: expected a key of printable ASCII" in message
    assert key not in message


def test_a_server_that_repeats_the_key(server, monkeypatch):
    """What a server sends back is shown without the key."""
    server.api_key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}x")
    message = refusal(server)

    assert "got Bearer ***" in message
    assert KEY not in message


def test_the_environment_s_proxy(server, monkeypatch):
    """A proxy is used only where it is asked for."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert opened(server).capabilities
    assert "no connection to the proxy" in refusal(base_url="http://proxied.invalid/v1", trust_env=True)


@pytest.mark.parametrize("value", ["line\nbreak-quay", "schlüssel-quay"])
def test_headers_that_cannot_be_sent(server, value):
    """What no header can hold is refused by its name, and not repeated."""
    with pytest.raises(UsageError) as raised:
        open_target("openai:toy", {"base_url": server.url, "header.X-Team": value}, load_plugins())

    assert "header.X-Team: expected a header's name" in str(raised.value)
    assert "quay" not in str(raised.value)


def test_headers_are_hidden(server):
    """A header's value is in no options, no details and no attribute, whatever its name."""
    options = {"base_url": server.url, "header.X-Team": "red-quay", "body.user": "blue"}
    server.takes = frozenset({"user"})
    backend, info = open_target("openai:toy", options, load_plugins())

    assert info.options["header"] == {"X-Team": "***"}
    assert info.options["body"] == {"user": "blue"}
    assert "quay" not in repr(info) + repr(vars(backend)) + repr(RemoteOptions(header={"a": "red-quay"}))


def test_a_server_that_repeats_a_header(server):
    """A header in place of the key is used, and what a server repeats of it is shown without it."""
    server.api_key = KEY

    assert opened(server, header={"authorization": f"Bearer {KEY}"}).capabilities
    message = refusal(server, header={"Authorization": f"Token {KEY}x"})
    assert "the server refuses the key" in message
    assert "got ***" in message


@pytest.mark.parametrize("cookie", [KEY, f"session={KEY}", f"a=1; session={KEY}, b"])
def test_a_server_that_repeats_a_part_of_a_header(cookie):
    """The words of a header's value are secrets too, since a server may repeat one of them alone."""
    [address] = find_addresses(RemoteOptions(base_url="http://here", header={"Cookie": cookie}), {})

    assert KEY not in address.redact(f"you are {KEY}: {cookie}")


def test_short_headers_are_words_of_answers(server):
    """A value such as `true` hides no word of an answer."""
    [address] = find_addresses(RemoteOptions(base_url=server.url, header={"X-Beta": "true"}), {})

    assert address.cleaned({"a": "That is true."}) == {"a": "That is true."}


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("header.X-Team=red", "header.X-Team=***"),
        ("-bheader.X-Team=red=blue", "-bheader.X-Team=***"),
        ("body.api_key=red", "body.api_key=***"),
        ("body.effort=low", "body.effort=low"),
        ("fold_system=true", "fold_system=true"),
    ],
)
def test_headers_on_the_command_line(argument, shown):
    """The command in the results has the names of headers, and not their values."""
    assert without_secret_arguments(["run", "-b", argument]) == ("run", "-b", shown)


@pytest.mark.parametrize("escape", [str, lambda text: "".join(f"\\u{ord(c):04x}" for c in text)])
def test_a_key_that_comes_back_is_starred_however_it_is_written(escape):
    """JSON may write any character as its code; what is read from it holds no secret and no half character."""
    address = Address("http://here", secrets=(KEY,))
    key = escape(KEY)
    body = json.loads('{"a": ["KEY", {"KEY": "b \\ud800"}], "n": 1}'.replace("KEY", key))

    assert address.cleaned(body) == {"a": ["***", {"***": "b \ufffd"}], "n": 1}


def test_an_answer_of_another_model_is_no_answer(server, monkeypatch):
    """A server that changes its model in mid-run is noticed; what it says then is counted as a failure."""
    backend = opened(server)
    post = Client.post

    async def swapped(self, path, body, tokens):
        return {**await post(self, path, body, tokens), "model": "another"}

    before = backend.generate([GenerateRequest("one")], seed=0)
    monkeypatch.setattr(Client, "post", swapped)
    (after,) = backend.generate([GenerateRequest("two")], seed=0)

    assert isinstance(before[0], Completion)
    assert after == Failure("other-model", "expected an answer of toy, got one of another")
