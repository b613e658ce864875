"""Each tracker is asked what it was told, by its own reader."""

from __future__ import annotations

import dataclasses
import json
import struct
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from gptaudit_tracking import TRACKERS, gptaudit_run_finished
from gptaudit_tracking.summary import summary

import gptaudit
from gptaudit import PluginError

POLICY = """
schema = "gptaudit.policy/1"
[[rule]]
metric = "gender-trait.association"
max = 2.0
"""


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """An audit with one rule and two probes, one of them with groups."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "policy.toml").write_text(POLICY)
    return gptaudit.audit(
        "decoder:clean",
        probes=["gender-trait", "religion"],
        policy=folder / "policy.toml",
        limit=40,
        output=folder / "night",
    )


@pytest.fixture(autouse=True)
def no_trackers(monkeypatch):
    """The tests name the trackers, and not the environment that they run in."""
    for variable in TRACKERS:
        monkeypatch.delenv(variable, raising=False)


def told(audit):
    """Call the hook as the end of an audit does."""
    gptaudit_run_finished(audit.result, audit.folder)


def test_values(audit):
    """Every measured figure is there once, by its name, with the ends of its interval."""
    found = summary(audit.result, audit.folder)
    values = found.values()

    metrics = [m for p in audit.result.probes for m in p.metrics]
    assert len(values) == sum(number is not None for m in metrics for number in (m.value, m.low, m.high)) > 50
    association = audit.figure("gender-trait.association")
    assert values["gender-trait/association"] == association.value
    assert values["gender-trait/association.low"] == association.low
    assert any(name.startswith("religion/association.contrast.") for name in values)
    assert found.facts["gptaudit.verdict"] == audit.verdict
    assert found.facts["gptaudit.policy"] == "policy.toml"
    assert list(found.rules) == ["gptaudit.rule.1"]


def test_unmeasured_figures_are_counted(audit):
    """A figure without a value is not sent as a number, and the facts say that it is missing."""
    probe = audit.result.probes[0]
    lost = dataclasses.replace(probe.metrics[0], value=None, low=None, high=None, why="no case was scored")
    result = dataclasses.replace(
        audit.result, probes=(dataclasses.replace(probe, metrics=(lost, *probe.metrics[1:])),)
    )
    found = summary(result, audit.folder)

    assert found.facts["gptaudit.figures_unmeasured"] == "1"
    assert f"{probe.id}/{lost.name}" not in found.values()


def test_names_that_would_be_one(audit):
    """Two groups whose names differ only in what trackers do not take are refused: one would overwrite the other."""
    probe = audit.result.probes[0]
    groups = [dataclasses.replace(probe.metrics[0], slice={"axis": group}) for group in ("a+b", "a*b")]
    result = dataclasses.replace(audit.result, probes=(dataclasses.replace(probe, metrics=tuple(groups)),))
    with pytest.raises(PluginError, match=f"{probe.id}/{probe.metrics[0].name}.axis.a_b"):
        summary(result, audit.folder)


def test_nothing_is_sent_unasked(audit, monkeypatch):
    """Without a variable no library of a tracker is even loaded."""
    monkeypatch.setattr("gptaudit_tracking.import_module", lambda name: pytest.fail(f"{name} was loaded"))
    told(audit)


def test_mlflow(audit, monkeypatch, tmp_path):
    """MLflow's own client reads back every number and the verdict."""
    mlflow = pytest.importorskip("mlflow")
    store = (tmp_path / "store").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    told(audit)

    (run,) = mlflow.MlflowClient(store).search_runs(["0"])
    assert run.info.run_name == "night"
    assert run.data.metrics == pytest.approx(summary(audit.result, audit.folder).values())
    assert run.data.tags["gptaudit.verdict"] == audit.verdict
    assert run.data.tags["gptaudit.rule.1"].startswith(audit.verdict)


def test_opentelemetry(audit):
    """The gauges hold every number, with what it belongs to."""
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    from gptaudit_tracking.to_opentelemetry import record
    from opentelemetry.sdk.metrics import MeterProvider

    reader = export.InMemoryMetricReader()
    found = summary(audit.result, audit.folder)
    record(found, MeterProvider([reader]))

    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
    gauges = {metric.name: list(metric.data.data_points) for metric in scopes[0].metrics}
    assert set(gauges) == {"gptaudit.audit", "gptaudit.figure", "gptaudit.figure.low", "gptaudit.figure.high"}
    assert gauges["gptaudit.audit"][0].attributes["gptaudit.verdict"] == audit.verdict
    sent = sorted(point.value for name in gauges if name != "gptaudit.audit" for point in gauges[name])
    assert sent == pytest.approx(sorted(found.values().values()))
    point = next(
        p
        for p in gauges["gptaudit.figure"]
        if p.attributes["metric"] == "association" and len(p.attributes) == 5
    )
    assert point.attributes["gptaudit.fingerprint"] == audit.result.target.fingerprint


def test_a_collector_that_cannot_be_reached(audit, monkeypatch):
    """What was not sent is a fault that names the tracker."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with pytest.raises(PluginError, match="opentelemetry was not told: ConnectionError"):
        told(audit)


def test_a_collector(audit, monkeypatch):
    """A collector gets every number over HTTP, in OpenTelemetry's own format."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    got = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        told(audit)
        server.shutdown()

    request = ExportMetricsServiceRequest()
    request.ParseFromString(got[0])
    points = {
        metric.name: len(metric.gauge.data_points)
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
    }
    figures = summary(audit.result, audit.folder).figures
    assert points["gptaudit.figure"] == len(figures)
    assert points["gptaudit.audit"] == 1


def test_wandb(audit, monkeypatch, tmp_path):
    """A run that is kept offline holds every number."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_PROJECT", "audits")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    told(audit)
    wandb.teardown()  # its service may still be writing

    (log,) = tmp_path.rglob("*.wandb")
    assert recorded(log) == pytest.approx(summary(audit.result, audit.folder).values())


def recorded(log):
    """Return the run's summary from a log of Weights & Biases."""
    from wandb.proto.wandb_internal_pb2 import Record

    values = {}
    for content in leveldb_records(log.read_bytes(), header=7):
        record = Record()
        record.ParseFromString(content)
        for item in record.summary.update:
            values[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return {name: value for name, value in values.items() if not name.startswith("_")}


def leveldb_records(data, header):
    """Yield the records of a log in LevelDB's format: blocks of 32 KiB, parts with checksum, length and kind."""
    at, parts = header, []
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in {1, 4}:  # whole, or the last part
            yield b"".join(parts)
            parts = []


@pytest.mark.parametrize("library", TRACKERS.values())
def test_a_library_that_is_missing(audit, monkeypatch, library):
    """The fault names the variable and what to install; the other trackers are still told."""
    import gptaudit_tracking

    reached = []

    class Tracker:
        send = staticmethod(lambda found: reached.append(found.run))

    def load(name):
        if name.endswith(library):
            raise ImportError(name)
        return Tracker

    monkeypatch.setattr(gptaudit_tracking, "import_module", load)
    for variable in TRACKERS:
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(PluginError, match=rf"pip install 'gptaudit-tracking\[{library}\]'"):
        told(audit)
    assert reached == ["night", "night"]
