"""An audit as OpenTelemetry metrics: gauges whose attributes name probe, metric and group."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import MeterProvider as Meters
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

from gptaudit_tracking.summary import Summary


def send(summary: Summary) -> None:
    """Export the audit once; the endpoint, headers and time limit are OpenTelemetry's own variables."""
    reader = InMemoryMetricReader()
    record(summary, MeterProvider([reader]))
    # Not by a periodic reader, whose flush says that all went well where the collector could not be reached.
    if OTLPMetricExporter().export(reader.get_metrics_data()) is not MetricExportResult.SUCCESS:
        msg = "the collector did not take the metrics; OpenTelemetry's own message says why"
        raise ConnectionError(msg)


def record(summary: Summary, provider: Meters) -> None:
    """Set the gauges `gptaudit.figure`, `.low` and `.high`, and `gptaudit.audit`, 1 with every fact as an attribute.

    A figure's attributes are the target's name and fingerprint, the probe, the metric, its unit, and the group by its
    axis.
    """
    meter = provider.get_meter("gptaudit")
    target = {key: summary.facts[key] for key in ("gptaudit.target", "gptaudit.fingerprint")}
    meter.create_gauge("gptaudit.audit").set(1, {**summary.facts, **summary.rules})
    gauges = {end: meter.create_gauge(f"gptaudit.figure{end}") for end in ("", ".low", ".high")}
    for figure in summary.figures:
        where = {"probe": figure.probe, "metric": figure.metric, "unit": figure.unit}
        attributes = target | where | {f"slice.{axis}": group for axis, group in figure.slice.items()}
        for end, value in (("", figure.value), (".low", figure.low), (".high", figure.high)):
            if value is not None:
                gauges[end].set(value, attributes)
