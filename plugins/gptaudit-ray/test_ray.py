"""The engine on a real Ray cluster: the same answers as one process, whatever dies."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing
from dataclasses import replace
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")

import psutil
import pytest
from gptaudit_ray import RayOptions, run
from gptaudit_ray import cluster as joining
from gptaudit_ray.replica import Replica

from gptaudit.engine import local
from gptaudit.errors import BackendLostError, PluginError, TargetError, UsageError
from gptaudit.plugins import load_plugins
from gptaudit.protocols.engine import Work
from gptaudit.records import (
    AttributeRequest,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    Sampling,
    ScoreRequest,
)
from gptaudit.run.target import open_target
from gptaudit.testing.conformance import check_engine

ray = pytest.importorskip("ray", reason="Ray is not installed")

FUNCTIONS = """
import os
import signal
import time

if os.path.exists("deadly"):
    os.kill(os.getpid(), signal.SIGKILL)


def upper(prompts):
    return [prompt.upper() for prompt in prompts]


def slow(prompts):
    time.sleep(0.02 * len(prompts))
    return upper(prompts)


def deadly(prompts):
    if any("poison" in prompt for prompt in prompts):
        os.kill(os.getpid(), signal.SIGKILL)
    return upper(prompts)


class Broken(list):
    def __iter__(self):
        raise ZeroDivisionError("a planted bug")


def buggy(prompts):
    return Broken(upper(prompts))
"""

CLUSTER_SETTINGS = {
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 10_000,  # for a node that is only slow: a dead one refuses the check at once
    "health_check_failure_threshold": 4,
    "worker_niceness": 0,  # Ray makes it 15, and beside other work such a worker takes minutes to open a model
}


def prompts(n):
    return [GenerateRequest(f"Prompt {i}") for i in range(n)]


def work(target, requests, **options):
    backend, _ = open_target(target, {}, load_plugins())
    return Work(requests, 3, backend, target=target, settings=RayOptions(**options))


def answered_once(pairs, requests):
    """Return the answers by request, after a check that each request has exactly one."""
    pairs = list(pairs)
    answers = dict(pairs)
    assert len(pairs) == len(answers) == len(requests)
    assert set(answers) == set(requests)
    return answers


def assert_same(one, other):
    """Texts are equal, numbers agree to 1e-4."""
    assert one.keys() == other.keys()
    for request, expected in one.items():
        match other[request]:
            case Likelihood(token_logprobs, logprob):
                assert token_logprobs == pytest.approx(expected.token_logprobs, abs=1e-4)
                assert logprob == pytest.approx(expected.logprob, abs=1e-4)
            case Completion(text, finish):
                assert (text, finish) == (expected.text, expected.finish)
            case found:
                assert found.tokens == expected.tokens
                assert found.scores == pytest.approx(expected.scores, abs=1e-4)


def replicas(doing=""):
    """Return the worker processes of replicas, which Ray names by their call: `ray::Replica.answer`."""
    processes = psutil.process_iter(["cmdline"])
    return [p for p in processes if f"ray::Replica{doing}" in " ".join(p.info["cmdline"] or [])]


def busy_replica():
    """Return the process of a replica that is answering."""
    return wait_until(lambda: replicas(".answer"))[0]


def node_of(cluster, replica):
    """Return the node that a replica's process runs on."""
    raylet = replica.ppid()
    return next(n for n in cluster.worker_nodes if n.all_processes["raylet"][0].process.pid == raylet)


def wait_until(condition, seconds=60):
    """Wait until the condition returns a true value, and return that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """Work in a folder with a module of functions for `python:`; chunks are small."""
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "CHUNK", dict.fromkeys(local.CHUNK, 20))
    yield tmp_path / "functions.py"
    sys.modules.pop("functions", None)


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose head node has no room for replicas."""
    from ray.cluster_utils import Cluster

    os.environ.update(joining.ENVIRONMENT)
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": CLUSTER_SETTINGS}
    started = Cluster(initialize_head=True, head_node_args=head)
    yield started
    started.shutdown()


@pytest.fixture
def nodes(cluster):
    """The cluster with two nodes of one processor each; dead nodes are replaced."""
    while len(cluster.worker_nodes) < 2:
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    return cluster


def test_as_one_process(tmp_path):
    """Two replicas on this machine answer as one process does; only this machine can reach them."""
    scored = [ScoreRequest(f"The harbour on day {i}", f" was quiet for {i} hours.") for i in range(300)]
    drawn = [GenerateRequest("The harbour was", Sampling(12), sample=i) for i in range(150)]
    why = [AttributeRequest("The carpenter said that", " he", " she")]
    requests = [*scored, *drawn, *why]
    given = work("decoder:clean", requests, ray_replicas=min(2, os.cpu_count() or 1))

    engine = run(replace(given, requests=iter(requests)))
    first = next(engine)
    children = psutil.Process().children(recursive=True)
    sockets = [connection for child in children for connection in child.net_connections("inet")]
    listening = [socket_.laddr.ip for socket_ in sockets if socket_.status == psutil.CONN_LISTEN]
    answers = answered_once([first, *engine], requests)

    assert_same(dict(local.local(given)), answers)
    assert listening
    assert all(ip.removeprefix("::ffff:") == "127.0.0.1" for ip in listening)
    assert not ray.is_initialized()
    wait_until(lambda: not any(child.is_running() for child in children))


@pytest.mark.slow
def test_conformance(nodes):
    """It keeps to what every engine has to."""
    check_engine(load_plugins().engines["ray"], RayOptions(ray_address=nodes.address))


def test_a_node_dies(nodes, monkeypatch, caplog):
    """If a node is killed during the run, no answer is lost or repeated."""
    monkeypatch.setattr(local, "CHUNK", dict.fromkeys(local.CHUNK, 300))
    requests = [GenerateRequest("The harbour was", Sampling(30), sample=i) for i in range(2400)]
    given = work("decoder:clean", requests, ray_address=nodes.address)

    engine = run(given)
    pairs = [next(engine) for _ in range(10)]
    replica = busy_replica()
    nodes.remove_node(node_of(nodes, replica), allow_graceful=False)
    # A worker outlives its node for a moment, and could answer all that is left in that time.
    wait_until(lambda: replica not in replicas())
    answers = answered_once([*pairs, *engine], requests)

    assert "died; its requests are asked again" in caplog.text
    assert_same(dict(local.local(given)), answers)


def test_a_worker_dies(nodes, functions, caplog):
    """A worker process that is killed during the run is replaced."""
    requests = prompts(300)

    engine = run(work("python:functions:slow", requests, ray_address=nodes.address))
    pairs = [next(engine) for _ in range(10)]
    busy_replica().kill()
    answers = answered_once([*pairs, *engine], requests)

    assert caplog.text.count("died; its requests are asked again") == 1
    assert all(answer.text == request.prompt.upper() for request, answer in answers.items())


def test_all_nodes_die(nodes, functions):
    """Without a node that could hold a replica, the model is lost; the answers so far were yielded."""
    engine = run(work("python:functions:slow", prompts(400), ray_address=nodes.address))
    next(engine)
    for node in list(nodes.worker_nodes):
        nodes.remove_node(node, allow_graceful=False)

    with pytest.raises(BackendLostError, match=r"every node .* that could hold a replica is gone"):
        list(engine)


def test_a_request_that_kills(nodes, functions):
    """Only the request that kills its workers is given up."""
    requests = [*prompts(50), GenerateRequest("poison"), *prompts(100)[50:]]

    given = work("python:functions:deadly", requests, ray_address=nodes.address)
    answers = answered_once(run(given), requests)

    failed = {request.prompt: answer for request, answer in answers.items() if isinstance(answer, Failure)}
    assert list(failed) == ["poison"]
    assert failed["poison"].reason == "worker-died"


def test_every_request_kills(nodes, functions, monkeypatch):
    """If every request kills its worker, the audit ends, instead of starting workers for all requests."""
    monkeypatch.setattr("gptaudit_ray.engine.GIVE_UP", 3)
    requests = [GenerateRequest(f"poison {i}") for i in range(10_000)]

    with pytest.raises(BackendLostError, match="die of every request"):
        list(run(work("python:functions:deadly", requests, ray_address=nodes.address)))


def test_another_model_on_a_node(nodes, functions):
    """A replica that opened another model answers nothing; the message has the node and both fingerprints."""
    given = work("python:functions:upper", prompts(40), ray_address=nodes.address)
    functions.write_text(f"{FUNCTIONS}\n# another file\n")
    there, _ = open_target("python:functions:upper", {}, load_plugins())

    with pytest.raises(BackendLostError, match=r"node [\d.]+ .* another fingerprint") as caught:
        list(run(given))

    assert given.backend.fingerprint in str(caught.value)
    assert there.fingerprint in str(caught.value)


def test_no_model_on_a_node(nodes, functions):
    """If a node cannot open the target, the message has the node and the reason."""
    given = work("python:functions:upper", prompts(40), ray_address=nodes.address)
    functions.unlink()

    with pytest.raises(TargetError, match=r"not on node [\d.]+ .* module 'functions' cannot be imported"):
        list(run(given))


def test_the_plugin_is_not_on_a_node(nodes, functions, monkeypatch):
    """If the plugin is not installed on a node, the message says so and names the missing module."""
    here_only = ModuleType("here_only")
    here_only.Replica = Replica
    monkeypatch.setitem(sys.modules, "here_only", here_only)
    monkeypatch.setattr(Replica, "__module__", "here_only")

    with pytest.raises(PluginError, match=r"No module named 'here_only'.* Install the same packages"):
        list(run(work("python:functions:upper", prompts(1), ray_address=nodes.address)))


def test_a_model_that_kills_as_it_is_opened(nodes, functions):
    """Workers that die before the model is open are not restarted forever."""
    given = work("python:functions:upper", prompts(40), ray_address=nodes.address)
    functions.with_name("deadly").touch()

    with pytest.raises(BackendLostError, match="die as they open the model"):
        list(run(given))


def test_a_bug_surfaces(nodes, functions):
    """An exception that is a bug is neither retried nor counted as a failure; it keeps its traceback."""
    with pytest.raises(ZeroDivisionError, match=r"functions\.py(?s:.)*a planted bug"):
        list(run(work("python:functions:buggy", prompts(40), ray_address=nodes.address)))


def test_closing_early(nodes, functions):
    """Closing the engine ends its replicas, and leaves the cluster that it joined running."""
    with closing(run(work("python:functions:slow", prompts(10_000), ray_address=nodes.address))) as engine:
        next(engine)
        wait_until(lambda: len(replicas()) == 2)  # one may answer before the other has started

    wait_until(lambda: not replicas())
    assert joining.is_reachable(nodes.address)


def test_no_room(nodes, functions):
    """More replicas than there is room for are an error that says how many there is room for."""
    with pytest.raises(UsageError, match=r"room for 2 replicas, each with 1 processors.* 3 wanted"):
        next(run(work("python:functions:upper", prompts(1), ray_address=nodes.address, ray_replicas=3)))


def test_ray_does_not_start(functions, monkeypatch):
    """Ray raises a plain exception where its servers do not start in time; any other one is a bug."""

    def late(*_, **__):
        raise raised

    monkeypatch.setattr("ray.init", late)
    raised = Exception("The current node timed out during startup.")
    with pytest.raises(BackendLostError, match=r"it did not: The current node timed out .* less busy"):
        next(run(work("python:functions:upper", prompts(1))))
    raised = TypeError("init() got an unexpected keyword argument")
    with pytest.raises(TypeError):
        next(run(work("python:functions:upper", prompts(1))))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("rubbish", "expected HOST:PORT"),
        ("ray://127.0.0.1:10001", "expected HOST:PORT"),
        ("127.0.0.1:9", "nothing"),
    ],
)
def test_no_cluster(functions, address, message):
    """An invalid address, or one where nothing listens, is an error at once."""
    with pytest.raises(UsageError, match=f"ray_address={address}: {message}"):
        next(run(work("python:functions:upper", prompts(1), ray_address=address)))


def test_something_else_at_the_address(functions, monkeypatch):
    """A server that is not Ray's is not waited for forever."""
    monkeypatch.setattr(joining, "JOIN_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UsageError, match="no Ray cluster"):
            next(run(work("python:functions:upper", prompts(1), ray_address=address)))
