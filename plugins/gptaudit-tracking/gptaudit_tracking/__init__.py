"""Send a finished audit to the trackers that the environment names, and to no other.

| variable | tracker |
|---|---|
| `MLFLOW_TRACKING_URI` | MLflow |
| `WANDB_PROJECT` | Weights & Biases |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | OpenTelemetry, as metrics over OTLP and HTTP |
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from gptaudit import AuditResult, PluginError, hookimpl
from gptaudit_tracking.summary import summary

TRACKERS = {
    "MLFLOW_TRACKING_URI": "mlflow",
    "WANDB_PROJECT": "wandb",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "opentelemetry",
}
"""Variable that asks for a tracker -> its library, which is also the name of the extra that installs it."""


@hookimpl
def gptaudit_run_finished(result: AuditResult, folder: Path) -> None:
    """Send the audit to each tracker that is asked for; what fails is a fault of this plugin, and the audit goes on."""
    found = summary(result, folder)
    failed = []
    for variable, library in TRACKERS.items():
        if not os.environ.get(variable):
            continue
        try:
            tracker = import_module(f"gptaudit_tracking.to_{library}")
            tracker.send(found)
        except ImportError as error:
            install = f"pip install 'gptaudit-tracking[{library}]'"
            failed.append(
                f"{variable} is set, and {library} cannot be loaded ({error}): {install}, or unset it"
            )
        except Exception as error:  # noqa: BLE001 - the libraries raise what they like; the next tracker is still told
            failed.append(f"{library} was not told: {type(error).__name__}: {error}")
    if failed:
        raise PluginError("; ".join(failed))
