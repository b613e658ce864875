"""An audit that is killed many times has the same results as one that is not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from gptaudit.evidence.store import Store

AUDIT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from gptaudit import Case, GenerateRequest, MetricSpec, Probe, Scored, hookimpl
    from gptaudit.run.audit import run_audit
    from gptaudit.run.settings import Settings
    from gptaudit.protocols.backend import BackendType
    from gptaudit.protocols.options import NoOptions
    from gptaudit.evidence.plan import request_key
    from gptaudit.plugins import load_plugins
    from gptaudit.testing import ScriptedBackend

    folder, log = Path(sys.argv[1]), open(sys.argv[2], "a", buffering=1)

    class Letters(Probe):
        id, title, suite, needs = "letters", "Letters", "test", frozenset({"generate"})
        metrics = (MetricSpec("length", 0.0, "lower", "letters"),)
        def cases(self, context):
            return (Case(str(i), str(i % 30), (GenerateRequest(f"{i}: " + "a" * (i % 7)),)) for i in range(5000))
        def measure(self, answered):
            return Scored({"length": len(answered.completions[0].text)})

    def complete(prompt, sample):
        print(request_key(GenerateRequest(prompt), 0), file=log)
        time.sleep(0.001)
        return prompt * 2

    class Plugin:
        @hookimpl
        def gptaudit_register_probes(self, register): register(Letters())
        @hookimpl
        def gptaudit_register_backends(self, register):
            backend = ScriptedBackend(complete=complete)
            register(BackendType("slow", "slow", "X", NoOptions, lambda rest, options: backend))

    plugins = load_plugins()
    plugins.manager.register(Plugin())
    print("asking", flush=True)
    run_audit(Settings("slow:x", folder, probes=("letters",)), plugins)
""")


def started(folder, log):
    """Start the audit and wait until its imports are done."""
    process = subprocess.Popen([sys.executable, "-c", AUDIT, folder, log], stdout=subprocess.PIPE)
    with process.stdout:
        assert process.stdout.readline() == b"asking\n"
    return process


def kept(folder):
    """Return the keys of the answers in a store."""
    store = Store(folder)
    try:
        return {key for (key,) in store._db.rows("SELECT key FROM answers WHERE NOT failed")}
    finally:
        store.close()


def probes(folder):
    return json.loads((folder / "results.json").read_text())["probes"]


@pytest.mark.slow
def test_twenty_kills(tmp_path):
    """After SIGKILL at 20 random moments the results are equal, and no stored answer is asked again."""
    started(tmp_path / "peace", tmp_path / "peace.log").wait()
    generator = random.Random(0)
    folder, survivors = tmp_path / "war", []
    for number in range(20):
        before = kept(folder) if folder.exists() else set()
        log = tmp_path / f"{number}.log"
        process = started(folder, log)
        time.sleep(generator.uniform(0.3, 1.2))
        process.kill()
        assert process.wait() in (-signal.SIGKILL, 0)
        asked = set(log.read_text().split())
        assert not asked & before
        after = kept(folder)
        assert before <= after <= before | asked
        survivors.append(len(after))
    started(folder, tmp_path / "last.log").wait()

    assert survivors[-1] > 0
    assert len(set(survivors)) > 5  # the kills did hit the asking
    assert probes(folder) == probes(tmp_path / "peace")
    assert probes(folder)[0]["scored"] == 5000
