"""Damage that was found once, by hand or by chance: one each, where the other tests would find it rarely."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from fuzz.damage import reads
from gate_builders import a_metric, a_probe, a_result

from gptaudit.errors import DataError, TargetError
from gptaudit.evidence.results_file import read_results
from gptaudit.files import to_json
from gptaudit.gate.comparison import compare
from gptaudit.gate.figures import Audit
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.protocols.reporter import ReportContext
from gptaudit.records import Completion, GenerateRequest, Sampling
from gptaudit.remote.backend import open_backend
from gptaudit.remote.options import RemoteOptions
from gptaudit.remote.wire import allowed, read_completion, read_reply
from gptaudit.testing.faulty_server import FaultyServer

PROBES = load_plugins().probes


class TestServers:
    @pytest.mark.parametrize("fault", ["429", "500", "redirect"])
    def test_the_fault_of_the_chat_is_told(self, fault):
        """A server without completions whose chat fails is not said to lack the model."""
        with FaultyServer(completions=False, faults={fault: 1.0}) as server:
            options = RemoteOptions(base_url=server.url, retries=0, give_up_after=0.1)
            with pytest.raises(TargetError) as raised:
                open_backend("toy", options)
        assert not re.search(r"\b404\b", str(raised.value))  # its port may have these digits
        assert {"429": "status 429", "500": "status 500", "redirect": "redirects to"}[fault] in str(
            raised.value
        )

    @pytest.mark.parametrize("host", ["a..b", "[bad", "x" * 80, "\u2603" * 80])
    def test_hosts_that_are_none(self, host):
        """A host that no name server could know is refused as an address."""
        with pytest.raises(TargetError, match="base_url"):
            open_backend("toy", RemoteOptions(base_url=f"http://{host}/v1"))

    def test_answers_beyond_the_limit(self):
        """An answer of megabytes is cut where so many tokens must end, and counts as one that ends at its limit."""
        body = {"choices": [{"message": {"content": "word " * 500_000}, "finish_reason": "stop"}]}
        found = read_completion("chat", body, (), "", most=8)
        assert isinstance(found, Completion)
        assert (len(found.text), found.finish) == (8 * 128, "length")

        said = body | {"usage": {"completion_tokens": 500_000}}
        assert read_completion("chat", said, (), "", most=8).text == "word " * 8
        assert allowed(read_reply("chat", said), 500_000) is None

    def test_a_server_that_ignores_the_limit_is_told(self, caplog):
        """The results and a warning say so."""
        with FaultyServer(first_tokens=lambda _: {"word" * 1000: 1.0}) as server:
            backend = open_backend("toy", RemoteOptions(base_url=server.url))
            (answer,) = backend.generate([GenerateRequest("Once", Sampling(max_new_tokens=8))], seed=0)
        assert backend.details["length_limit"] == "ignored"
        assert "ignores max_tokens" in caplog.text
        assert (len(answer.text), answer.finish) == (8 * 128, "length")


class TestFiles:
    def test_prompts_without_generations(self, tmp_path):
        """Predictions of nothing are refused: no figure could come of them."""
        file = tmp_path / "predictions"
        rows = [{"prompt": {"text": f"Once {n}", "toxicity": 0.2}, "generations": []} for n in range(3)]
        file.write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(DataError, match="generation"):
            list(PROBES["realtoxicityprompts"].read_predictions(file, ProbeContext(None, 0)).measurements)

    @pytest.mark.parametrize(
        "metric",
        [
            a_metric(formula="100 * gone / never"),
            a_metric(value=1e308, low=-1e308, high=1e308),
            a_metric(value=1e308, low=1e308, high=1e308, formula="rate * rate"),
        ],
    )
    def test_figures(self, tmp_path, metric):
        """Figures that no audit has are refused, or compared and shown without a crash."""
        file, context = tmp_path / "results.json", ReportContext((), tmp_path, lambda _: iter(()))
        file.write_text(to_json(a_result(a_probe(metric))))

        def shown():
            result = read_results(file)
            for reporter in load_plugins().reporters.values():
                reporter.render(result, context)
            other = a_result(a_probe(replace(metric, formula="")))
            reads(lambda: compare(Audit(result, {}), Audit(other, {})))
            reads(lambda: compare(Audit(other, {}), Audit(result, {})))

        reads(shown, "results.json")

    @pytest.mark.parametrize("key", ["cases", "scored"])
    def test_counts(self, tmp_path, key):
        """A count of 400 digits is refused by its file."""
        text = to_json(a_result(a_probe(a_metric()))).replace(f'"{key}": 100', f'"{key}": 1{"0" * 400}')
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(DataError, match=r"results\.json.*401 digits"):
            read_results(tmp_path / "results.json")
