"""Tests that need no Ray: the backlog, the options, and the errors before a cluster is started."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from math import ceil

import pytest
from gptaudit_ray import RayOptions, run
from gptaudit_ray.backlog import DEATHS, SMALLEST, Backlog

from gptaudit.engine import local
from gptaudit.errors import UsageError
from gptaudit.protocols.engine import Work
from gptaudit.records import GenerateRequest, ScoreRequest
from gptaudit.testing import ScriptedBackend


def prompts(n):
    return [GenerateRequest(f"Prompt {i}") for i in range(n)]


def taken(backlog):
    """Take all chunks."""
    return [chunk.requests for chunk in iter(backlog.take, None)]


@pytest.mark.parametrize("n", [0, 1, 15, 256, 257, 3000])
@pytest.mark.parametrize("replicas", [1, 2, 7])
def test_every_request_once_and_in_order(n, replicas):
    """No request is lost, repeated or moved; no call is larger than a chunk."""
    backlog = Backlog(iter(prompts(n)), replicas)

    shares = taken(backlog)

    assert [request for share in shares for request in share] == prompts(n)
    assert all(len(share) <= local.CHUNK["generate"] for share in shares)
    assert backlog.taken == n
    assert not backlog


def test_the_last_shares_are_short():
    """With two replicas, chunks are whole at first; at the end a call has at most a quarter of what is left."""
    backlog = Backlog(prompts(4096), 2)
    backlog.pace.sizes.update(local.CHUNK)
    sizes = [len(share) for share in taken(backlog)]

    assert sizes[:12] == [local.CHUNK["generate"]] * 12
    for i in range(12, len(sizes)):
        assert sizes[i] <= max(SMALLEST, ceil(sum(sizes[i:]) / 4))


def test_a_share_is_of_one_kind():
    """A call asks for either completions or likelihoods."""
    mixed = [*prompts(40), *(ScoreRequest("", f"text {i}") for i in range(40))]
    assert all(len({request.kind for request in share}) == 1 for share in taken(Backlog(mixed, 2)))


def test_a_stream_is_read_as_it_is_needed():
    """Only a few chunks per replica are read ahead, even from an endless stream."""
    read = count()
    backlog = Backlog((GenerateRequest(str(next(read))) for _ in count()), 3)

    for calls in range(1, 40):
        assert backlog.take() is not None
        assert next(read) <= (calls + 2 * 3) * (local.CHUNK["generate"] + 2)


def test_a_deadly_request_is_found():
    """A chunk is asked three times, then request by request; only the request that kills its worker is given up."""
    backlog = Backlog(prompts(60), 1)
    deadly = prompts(60)[41]
    answered, given_up, deaths = [], [], 0

    while (chunk := backlog.take()) is not None:
        if deadly in chunk.requests:
            deaths += 1
            given_up += filter(None, [backlog.lost(chunk)])
        else:
            answered += chunk.requests

    assert given_up == [deadly]
    assert sorted(answered, key=prompts(60).index) == [r for r in prompts(60) if r != deadly]
    assert deaths == DEATHS + 1


def test_a_suspect_is_asked_alone():
    """A chunk that killed a worker waits for a replica with no other call."""
    backlog = Backlog(prompts(1000), 1)
    suspect = backlog.take(idle=False)
    backlog.lost(suspect)

    assert backlog.take(idle=False) is None
    assert backlog.take(idle=True) is suspect


def test_what_is_given_back_comes_first():
    """Chunks of a dead replica are asked again before all others, in their order."""
    backlog = Backlog(prompts(1000), 1)
    first, second = backlog.take(), backlog.take()

    backlog.give_back([first, second])

    assert [backlog.take(), backlog.take()] == [first, second]


@pytest.mark.parametrize("wrong", [{"ray_cpus": 0}, {"ray_replicas": 0}, {"ray_gpus": -1.0}])
def test_options_out_of_range(wrong):
    """A replica needs a processor, and there must be at least one replica."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RayOptions(**wrong)


def test_nothing_to_ask_starts_nothing(monkeypatch):
    """Without requests no cluster is started, so Ray is not needed."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert list(run(Work([], 0, ScriptedBackend(), settings=RayOptions()))) == []


def test_ray_is_not_installed(monkeypatch):
    """Without Ray the message says how to install it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="pip install ray"):
        next(run(Work(prompts(1), 0, ScriptedBackend(), settings=RayOptions())))


def test_a_backend_that_streams():
    """A remote model is refused: one process already keeps many of its requests in flight."""

    class Remote(ScriptedBackend):
        def stream(self, requests, *, seed):
            yield from ()

    with pytest.raises(UsageError, match=r"remote:model .* leave --engine out"):
        next(run(Work(prompts(1), 0, Remote(), target="remote:model", settings=RayOptions())))


def test_light_import():
    """The plugin is imported at every start of the program, and must not import Ray or torch."""
    code = "import gptaudit_ray, sys; print(sorted({'ray', 'torch', 'pydantic'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout  # noqa: S603
    assert out.strip() == "[]"
