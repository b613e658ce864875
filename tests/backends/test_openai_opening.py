"""Opening a server: what it can do is found out, and what is wrong with it is said in one sentence."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from gptaudit.backends.openai import open_openai
from gptaudit.errors import ExitCode, TargetError, TargetFailedError, UsageError
from gptaudit.plugins import load_plugins
from gptaudit.records import Completion, GenerateRequest, Message, Sampling, ScoreRequest
from gptaudit.remote.options import RemoteOptions
from gptaudit.remote.wire import NEUTRAL
from gptaudit.run.target import open_target
from gptaudit.testing import toy_model
from gptaudit.testing.faulty_server import HEEDED, FaultyServer, error

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


class TestAbilities:
    def test_a_server_that_can_do_all(self, server):
        """What works is found out with few requests."""
        backend = opened(server)

        assert backend.capabilities == {"generate", "chat", "score-after-context"}
        assert backend.samples_as_asked
        assert not backend.verified
        names = ("temperature", "seed", "top_k", "top_p", "stop", "n")
        assert {name: backend.details[name] for name in names} == dict.fromkeys(names, "heeded")
        assert backend.details["base_url"] == server.url
        assert server.requests.total() <= 14
        json.dumps(backend.details)

    @pytest.mark.parametrize("top_logprobs", [True, False])
    @pytest.mark.parametrize("start_token", ["", "<s>"])
    def test_log_probabilities_of_other_tokens(self, server, top_logprobs, start_token):
        """A server that gives each token the number of the next one is not asked for likelihoods, and says why."""
        server.start_token, server.top_logprobs = start_token, top_logprobs
        right = opened(server)
        server.logprobs_shift = 1
        wrong = opened(server)

        assert ("score" if start_token else "score-after-context") in right.capabilities
        assert not {"score", "score-after-context"} & wrong.capabilities
        assert "the numbers belong to other tokens" in wrong.details["log_probabilities"]

    def test_log_probabilities_that_do_not_fit_the_text(self, server, monkeypatch):
        """Numbers by which a greedily written text is unlikely at every place are none of this text."""
        monkeypatch.setattr(toy_model, "logprobs", lambda found, start="": [None, *[-4.0] * (len(found) - 1)])
        backend = opened(server)

        assert "0% of the tokens that were written greedily" in backend.details["log_probabilities"]
        assert not {"score", "score-after-context"} & backend.capabilities

    def test_values_without_effect_are_sent(self, server):
        """A server's own defaults do not change what is drawn: each request says that nothing is to be cut."""
        backend = opened(server)
        backend.generate(
            [GenerateRequest("p", Sampling(4)), GenerateRequest("p", Sampling(4, temperature=0))], seed=0
        )

        for body in server.bodies[-2:]:
            assert {name: body[name] for name in NEUTRAL} == NEUTRAL
        assert backend.details["own_defaults"] == []

    def test_values_that_the_server_refuses(self, server):
        """A server that does not know a field is asked without it, and the results say that its own default applies."""
        server.refuses = frozenset({"min_p", "repeat_penalty"})
        backend = opened(server)
        (answer,) = backend.generate([GenerateRequest("p", Sampling(4, top_k=3))], seed=0)

        assert isinstance(answer, Completion)
        assert backend.details["own_defaults"] == ["min_p", "repeat_penalty"]
        assert server.bodies[-1]["top_k"] == 3
        assert not server.refuses & server.bodies[-1].keys()

    def test_a_field_of_the_users(self, server):
        """What -b body.KEY sets is not overwritten."""
        server.takes = frozenset({"min_p"})
        backend = opened(server, body={"min_p": 0.2})
        backend.generate([GenerateRequest("p", Sampling(4))], seed=0)

        assert server.bodies[-1]["min_p"] == 0.2
        assert backend.details["own_defaults"] == ["min_p"]

    def test_a_model_that_the_server_does_not_list(self, server, caplog):
        """A server that answers to any name is not taken at its word."""
        server.listed = ("another",)
        opened(server)

        assert "the server does not list 'toy'" in caplog.text

    @pytest.mark.parametrize(("api", "told"), [("auto", True), ("chat", False), ("completions", False)])
    def test_which_endpoint_is_asked(self, server, caplog, api, told):
        """Where both would do and nobody chose, it is said that a base model needs the other."""
        opened(server, api=api)

        assert ("for a base model add -b api=completions" in caplog.text) == told

    def test_start_token_that_does_not_work(self, server, monkeypatch):
        """A start token is tried with a text that needs it, and refused where the server does not read it as one."""
        assert opened(server, bos="<s>").details["likelihood_without_context"] == "yes"
        echo = server._echo_logprobs

        def without_tag(echoed, written):
            answer = echo(echoed, written)
            return {**answer, "tokens": ["" if token == "<s>" else token for token in answer["tokens"]]}

        monkeypatch.setattr(server, "_echo_logprobs", without_tag)
        with pytest.raises(TargetError, match=r"bos='<s>' does not work \(no: wrong-schema.*leave it out"):
            opened(server, bos="<s>")

    @pytest.mark.parametrize("field", sorted(HEEDED - {"temperature"}))
    def test_what_is_ignored_is_found_out(self, server, field):
        """A field of sampling without effect is recorded, and all others stay as they are."""
        server.heeds = HEEDED - {field}
        backend = opened(server)

        assert backend.details[field] == "ignored"
        assert all(backend.details[other] == "heeded" for other in HEEDED - {field})
        assert backend.samples_as_asked

    def test_a_server_that_ignores_temperature(self, server):
        """Always drawing, or never, is not sampling as asked."""
        server.heeds = HEEDED - {"temperature"}
        drawing = opened(server)
        with FaultyServer(heeds=frozenset()) as other:
            unseeded = opened(other)

        assert drawing.details["temperature"] == unseeded.details["temperature"] == "ignored"
        assert not drawing.samples_as_asked
        assert not unseeded.samples_as_asked

    def test_a_server_that_never_draws(self, server, monkeypatch):
        """Answers that are always the same show that the temperature is ignored."""
        greedy = server._written
        monkeypatch.setattr(
            server,
            "_written",
            lambda prompt, most, how, n: greedy(prompt, most, {**how, "temperature": 0}, n),
        )
        backend = opened(server)

        assert backend.details["temperature"] == "ignored"
        assert backend.details["seed"] == "unknown"
        assert not backend.samples_as_asked

    @pytest.mark.parametrize("field", ["seed", "temperature", "max_tokens", "stop", "top_p", "n"])
    def test_what_is_refused_is_left_out(self, server, field):
        """A server that does not take a field is asked without it."""
        server.refuses = frozenset({field})
        backend = opened(server)

        [answer] = backend.generate([GenerateRequest("p", Sampling(stop=("zzz",)))], seed=0)

        assert isinstance(answer, Completion)
        assert backend.samples_as_asked == (field != "temperature")
        assert backend.details.get(field, "refused") == "refused"

    def test_top_k_that_is_not_heeded(self, server):
        """A request that a server would answer otherwise than asked is not sent to it."""
        server.refuses = frozenset({"top_k"})
        backend = opened(server)
        requests = [
            GenerateRequest("p", Sampling(top_k=k, temperature=t)) for k, t in ((0, 1), (5, 1), (5, 0))
        ]

        plain, restricted, greedy = backend.generate(requests, seed=0)

        assert backend.details["top_k"] == "refused"
        assert restricted.reason == "unsupported-sampling"
        assert isinstance(plain, Completion)
        assert isinstance(greedy, Completion)

    @pytest.mark.parametrize(
        ("lacking", "capabilities"),
        [
            ({"completions": False}, {"generate", "chat"}),
            ({"logprobs": False}, {"generate", "chat"}),
            ({"chat": False}, {"generate", "score-after-context"}),
            ({"start_token": "<s>"}, {"generate", "chat", "score"}),
            ({"listed": None}, {"generate", "chat", "score-after-context"}),
        ],
    )
    def test_capabilities(self, server, lacking, capabilities):
        """A capability is what was seen to work."""
        for name, value in lacking.items():
            setattr(server, name, value)

        assert opened(server).capabilities == capabilities

    def test_a_base_url_without_chat_can_be_asked_for(self, server):
        """`api` decides; the fingerprint tells the two apart."""
        chat, text = opened(server, api="chat"), opened(server, api="completions")

        assert "chat" in chat.capabilities
        assert "chat" not in text.capabilities
        assert chat.fingerprint != text.fingerprint == opened(server, api="completions").fingerprint

    def test_system_prompt(self, server):
        """A system prompt is sent with every chat, changes the fingerprint, and is refused where it has no effect."""
        backend = opened(server, system="Be brief.")

        assert backend.details["system_prompt"] == "heeded"
        assert backend.fingerprint != opened(server).fingerprint
        assert backend.generate([GenerateRequest("p")], seed=0) != opened(server).generate(
            [GenerateRequest("p")], seed=0
        )

    def test_a_folded_system_prompt(self, server):
        """A server that takes no system message gets its text in the user's, which changes the fingerprint."""
        server.takes_system = False
        backend = opened(server, system="Be brief.", fold_system=True)

        backend.generate([GenerateRequest("Well?")], seed=0)

        assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nWell?"}]
        own = GenerateRequest((Message("system", "Rhyme."), Message("user", "Well?")))
        assert isinstance(backend.generate([own], seed=0)[0], Completion)
        assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Rhyme.\n\nWell?"}]
        assert backend.details["system"] == "folded into the user's turn"
        assert backend.details["system_prompt"] == "heeded"
        assert "system" not in opened(server).details
        server.takes_system = True
        assert backend.fingerprint != opened(server, system="Be brief.").fingerprint

    @pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
    def test_a_server_that_thinks(self, server, field):
        """Where the first requests get thoughts alone, these show which fields are heeded."""
        server.thinks_in = field
        backend = opened(server)

        assert backend.samples_as_asked
        assert {backend.details[name] for name in HEEDED} == {"heeded"}
        [answer] = backend.generate([GenerateRequest("p")], seed=0)
        assert answer.reason == "unfinished-thought"

    def test_think_end(self, server):
        """The tag that ends a thought is the user's to say, and changes the fingerprint."""
        [whole] = opened(server).generate([GenerateRequest("p", Sampling(6, temperature=0))], seed=0)
        word = toy_model.tokens(whole.text)[2]
        backend = opened(server, think_end=word)

        [answer] = backend.generate([GenerateRequest("p", Sampling(6, temperature=0))], seed=0)

        assert answer.thought == whole.text.partition(word)[0].strip()
        assert answer.text == whole.text.partition(word)[2].lstrip()
        assert backend.fingerprint != opened(server).fingerprint

    def test_further_fields(self, server):
        """A field of the body stands in every request, and changes the fingerprint."""
        server.takes = frozenset({"effort"})
        options = {**{name: str(value) for name, value in QUICK.items()}, "base_url": server.url}
        backend, info = open_target("openai:toy", {**options, "body.effort": '{"level": 1}'}, load_plugins())

        backend.generate([GenerateRequest("p")], seed=0)
        backend.score([ScoreRequest("a", " b")])

        assert {json.dumps(body["effort"]) for body in server.bodies} == {'{"level": 1}'}
        assert info.options["body"] == {"effort": {"level": 1}}
        assert backend.fingerprint != opened(server).fingerprint
        assert backend.fingerprint != opened(server, body={"effort": {"level": 2}}).fingerprint

    def test_further_headers(self, server):
        """A header stands in every request, in place of the program's own, and leaves the fingerprint alone."""
        backend = opened(server, header={"X-Team": "red", "accept": "*/*"})

        assert {headers["X-Team"] for headers in server.headers} == {"red"}
        assert {tuple(headers.getall("Accept")) for headers in server.headers} == {("*/*",)}
        assert backend.fingerprint == opened(server).fingerprint

    def test_findings_survive_faults(self):
        """With 30 % faults the same is found out as without."""
        faults = dict.fromkeys(("500", "reset", "429", "not-json", "two-choices", "cut-body"), 0.05)
        with FaultyServer() as calm, FaultyServer(faults=faults, seed=1) as stormy:
            found = opened(calm, retries=8).details
            assert {**opened(stormy, retries=8).details, "base_url": found["base_url"]} == found
            assert stormy.met.total() > 0


def refusal(server=None, error=TargetError, model="toy", **options):
    options = {**QUICK, "base_url": server.url if server else "", **options}
    with pytest.raises(error) as raised:
        open_openai(model, RemoteOptions(**options))
    message = str(raised.value)
    assert "\n" not in message
    return message


class TestRefused:
    def test_no_server(self):
        """A port where nobody listens."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            message = refusal(base_url=url)

        assert message.startswith(f"{url}: no connection: Connection refused")

    def test_another_protocol(self):
        """A port where something else listens."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            threading.Thread(target=_greet, args=(listening,), daemon=True).start()
            message = refusal(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1")

        assert "the answer is not HTTP" in message

    def test_no_such_host(self):
        """A name that no one has."""
        assert "no such host: nowhere.invalid" in refusal(base_url="http://nowhere.invalid/v1")

    def test_tls_that_cannot_be_trusted(self, certificate):
        """A certificate of its own making, and TLS where there is none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        with FaultyServer(tls=context) as server:
            assert "TLS failed" in refusal(server)
        with FaultyServer() as server:
            assert "TLS failed" in refusal(base_url=server.url.replace("http:", "https:"))

    @pytest.mark.parametrize(("key", "what"), [("", "to answer without a key"), ("sk-other", "the key")])
    def test_key(self, server, monkeypatch, key, what):
        """A key that is wrong or missing."""
        server.api_key = KEY
        monkeypatch.setenv("OPENAI_API_KEY", key)
        message = refusal(server)

        assert f"refuses {what}: status 401" in message
        assert "OPENAI_API_KEY" in message
        assert "sk-other" not in message

    def test_unknown_model(self, server):
        """The models that there are, with the nearest."""
        server.listed = ("toy", "bear", "train")

        assert "has no model 'tov' (status 404" in (message := refusal(server, model="tov"))
        assert "Did you mean 'toy'?" in message
        assert "Known: bear, toy, train" in refusal(server, model="zzz")

    def test_a_page(self, server):
        """A web page in the place of JSON."""
        server.faults = {"html": 1.0}

        assert "found an HTML page. base_url usually ends in /v1" in refusal(server)

    def test_a_path_too_few(self, server):
        """A base URL without /v1."""
        message = refusal(base_url=server.url.removesuffix("/v1"))

        assert "status 404" in message
        assert "base_url usually ends in /v1" in message

    def test_redirect(self, server):
        """A redirect is not followed; where it leads is said without what it carries."""
        server.faults = {"redirect": 1.0}
        message = refusal(server)

        assert "redirects to http://elsewhere.invalid/v1. Give the final address" in message

    @pytest.mark.parametrize("fault", ["500", "reset", "hang", "429-retry-after"])
    def test_a_server_that_only_fails(self, server, fault):
        """What only fails is given up in time, and exits with 4: the call is not to blame."""
        server.faults = {fault: 1.0}
        begun = time.monotonic()
        message = refusal(server, error=TargetFailedError)

        assert time.monotonic() - begun < 4
        assert "expected an answer to a first request, got none" in message
        assert TargetFailedError.exit_code == ExitCode.INCOMPLETE

    def test_an_ignored_system_prompt(self, server, monkeypatch):
        """A system prompt without effect would audit another thing than asked."""
        whole = server._complete
        monkeypatch.setattr(
            server,
            "_complete",
            lambda body, chat: (
                whole({**body, "messages": body["messages"][-1:]}, chat=True)
                if chat
                else whole(body, chat=False)
            ),
        )

        assert "system prompt of -b system has no effect" in refusal(server, system="Be brief.")
        assert "ask with -b api=chat" in refusal(server, system="Be brief.", api="completions")

    @pytest.mark.parametrize("api", ["auto", "chat"])
    def test_no_system_message(self, server, api):
        """A server that takes no system message is quoted, and both remedies are named."""
        server.takes_system = False
        message = refusal(server, system="Be brief.", api=api)

        assert "the server takes no system message: status 400: This model knows no role but" in message
        assert "Leave system out, or give -b fold_system=true" in message
        assert TargetError.exit_code == ExitCode.USAGE

    @pytest.mark.parametrize(
        ("status", "said"),
        [(422, "roles must alternate"), (500, "System role not supported"), (200, "no such role: system")],
    )
    def test_no_system_message_with_another_status(self, server, monkeypatch, status, said):
        """Servers say it with any status, even with that of an answer."""
        whole = server._complete

        def answer(body, *, chat):
            system = any(message["role"] == "system" for message in body.get("messages", ()))
            return error(status, said) if system else whole(body, chat=chat)

        monkeypatch.setattr(server, "_complete", answer)

        assert f"takes no system message: {'an error with ' * (status == 200)}status {status}: {said}" in (
            refusal(server, system="Be brief.")
        )

    def test_another_fault_of_a_chat_with_a_system_message(self, server):
        """Where chats fail without it too, the system message is not to blame."""
        server.faults = {"422": 1.0}

        assert "system" not in refusal(server, system="Be brief.")

    @pytest.mark.parametrize("fault", ["200-no-credit", "200-503", "200-402"])
    def test_an_error_with_status_200(self, server, fault):
        """The server's words are shown, and what may pass is not the call's fault."""
        server.faults = {fault: 1.0}
        message = refusal(server, error=TargetFailedError if fault == "200-503" else TargetError)

        assert "injected" in message

    @pytest.mark.parametrize(
        "url",
        [
            "127.0.0.1:8000",
            "ftp://host/v1",
            "http://",
            "http://host:port/v1",
            "http://[x/v1",
        ],
    )
    def test_addresses(self, url):
        """What is no base URL is shown as it came."""
        message = refusal(base_url=url)

        assert repr(url) in message
        assert "http://HOST:PORT/v1" in message

    @pytest.mark.parametrize("part", ["?key=s3cret", "#s3cret", "?a=1&token=s3cret#x"])
    def test_a_query_may_hold_a_key_and_is_not_shown(self, part):
        """An address with more than a path is refused without what came after it."""
        message = refusal(base_url=f"http://host/v1{part}")

        assert "without a query" in message
        assert "s3cret" not in message

    def test_no_address(self):
        """Without an address nothing is sent anywhere."""
        assert "-b base_url=URL or OPENAI_BASE_URL" in refusal()

    @pytest.mark.parametrize("option", [{"concurrency": 0}, {"retries": -1}, {"read_timeout": 0}])
    def test_options(self, option):
        """Numbers that make no sense are named."""
        [(name, value)] = option.items()
        with pytest.raises(UsageError, match=f"{name} must be .* found {value}"):
            open_target("openai:toy", {name: str(value)}, load_plugins())

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("header", "has no option 'header'. Did you mean 'header.KEY'"),
            ("headers.X-Team", "has no option 'headers.X-Team'"),
            ("header.X Team", "header.X Team: expected a header's name, and a value of printable ASCII"),
            ("body.temperature", "body.temperature: each request sets this field as its probe needs it"),
        ],
    )
    def test_entries(self, server, key, said):
        """An entry that cannot be sent, or would change what a probe asks for, is refused by its name."""
        with pytest.raises(UsageError) as raised:
            open_target("openai:toy", {"base_url": server.url, key: "0.5"}, load_plugins())

        assert said in str(raised.value)
        assert "0.5" not in str(raised.value)


def _greet(listening):
    for _ in range(3):
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH_9\r\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine that no one vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    names = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    try:
        subprocess.run([*command, "-out", names[0], "-keyout", names[1]], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return names


def test_listing_loads_no_client():
    """The options are listed without what sends requests."""
    code = (
        "import sys\nfrom gptaudit.plugins import load_plugins\nassert 'openai' in load_plugins().backends\n"
        "print([m for m in ('aiohttp', 'tenacity', 'pydantic', 'asyncio') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
