"""An audit as a run of MLflow, in the experiment of `MLFLOW_EXPERIMENT_NAME`; inside an active run it is a child."""

from __future__ import annotations

import mlflow

from gptaudit_tracking.summary import Summary

BATCH = 1000
"""The most metrics that a tracking server takes at once."""


def send(summary: Summary) -> None:
    """Log the figures as metrics, and facts and rules as tags."""
    metrics = list(summary.values().items())
    with mlflow.start_run(run_name=summary.run, nested=True):
        mlflow.set_tags({**summary.facts, **summary.rules})
        for start in range(0, len(metrics), BATCH):
            mlflow.log_metrics(dict(metrics[start : start + BATCH]))
