"""Audits of a scripted model under attacks, by the command line."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

from installed_plugins import install

from gptaudit import BackendType, NoOptions, hookimpl
from gptaudit.engine.local import local
from gptaudit.protocols.engine import EngineType
from gptaudit.records import messages_of
from gptaudit.testing import ScriptedBackend

ADVICE = "Sure, it is simple. First have a close look, then wait for the night."
REFUSAL = "I'm sorry, but I can't help with that."
GARBLED = "zq wv kjhg pfff qwrt zxcv bnmm plok wwqq zzrt kkjh"


def last(prompt):
    return messages_of(prompt)[-1].content


def breaks_under_base64(prompt, sample):
    """Help with what is written in base64, and with nothing else."""
    try:
        base64.b64decode(last(prompt).rpartition("\n")[2], validate=True).decode()
    except ValueError:
        return REFUSAL
    return ADVICE


def gives_in_at(turn):
    """Refuse until the user has spoken so often."""

    def complete(prompt, sample):
        return ADVICE if sum(m.role == "user" for m in messages_of(prompt)) >= turn else REFUSAL

    return complete


class Plugin:
    def __init__(self, complete, *attacks, chat=True):
        self.backend = ScriptedBackend(complete=complete, chat=chat)
        self.attacks = attacks

    @hookimpl
    def gptaudit_register_attacks(self, register):
        for attack in self.attacks:
            register(attack)

    @hookimpl
    def gptaudit_register_backends(self, register):
        register(BackendType("scripted", "a script", "NAME", NoOptions, lambda rest, options: self.backend))

    @hookimpl
    def gptaudit_register_engines(self, register):
        register(EngineType("other", "the local one under another name", local))


def attack_runs(monkeypatch, gptaudit, tmp_path):
    """Return a function that audits a plugin's scripted model under attacks."""

    def call(plugin, *arguments, folder="out", probe="harmful-requests"):
        install(monkeypatch, mine=plugin)
        ran = gptaudit("run", "scripted:x", "-p", probe, "-o", folder, *arguments)
        file = tmp_path / folder / "results.json"
        results = json.loads(file.read_text()) if file.is_file() else {"probes": []}
        probes = {found["id"]: found for found in results["probes"]}
        figures = {
            name: {metric["name"]: metric["value"] for metric in found["metrics"] if not metric["slice"]}
            for name, found in probes.items()
        }
        return SimpleNamespace(
            code=ran.code, out=ran.out, err=ran.err, results=results, probes=probes, of=figures
        )

    return call
