"""What a plan says that an audit reads, before anything is asked."""

from __future__ import annotations

import re

import pytest
from installed_plugins import install

from gptaudit import BackendType, NoOptions, hookimpl
from gptaudit.errors import BackendError
from gptaudit.testing import ScriptedBackend


class Counting(ScriptedBackend):
    """Reads 1,000 tokens for each request, however long it is; or cannot tell."""

    can_tell = True

    def tokens_read(self, requests):
        if not self.can_tell:
            msg = "the model raised ValueError"
            raise BackendError(msg)
        return [1000] * len(requests)


@pytest.fixture
def planned(monkeypatch, gptaudit):
    """Return how to plan an audit of a backend; the call returns (requests, tokens read)."""

    class Plugin:
        @hookimpl
        def gptaudit_register_backends(self, register):
            register(
                BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: self.backend)
            )

    def call(backend):
        plugin = Plugin()
        plugin.backend = backend
        install(monkeypatch, mine=plugin)
        ran = gptaudit("run", "scripted:x", "-p", "harmful-requests", "--dry-run")
        found = re.search(r"([\d,]+) requests: about ([\d,]+) tokens", ran.out)
        return tuple(int(number.replace(",", "")) for number in found.groups())

    return call


def test_a_backend_that_counts(planned):
    """The tokens are as many as the backend says of a sample, and estimated where it does not say."""

    def complete(prompt, sample):
        raise AssertionError(prompt)

    counting, silent = Counting(complete=complete, chat=True), Counting(complete=complete, chat=True)
    silent.can_tell = False
    estimated = planned(ScriptedBackend(complete=complete, chat=True))

    assert estimated[0] > 50
    requests, read = planned(counting)
    assert (requests, read / requests) == (estimated[0], pytest.approx(1000, rel=0.05))
    assert planned(silent) == estimated
