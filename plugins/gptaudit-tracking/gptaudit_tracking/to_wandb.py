"""An audit as a run of Weights & Biases, in the project of `WANDB_PROJECT`."""

from __future__ import annotations

import wandb

from gptaudit_tracking.summary import Summary


def send(summary: Summary) -> None:
    """Write the figures into the run's summary, and facts and rules into its configuration."""
    facts = {**summary.facts, **summary.rules}
    settings = wandb.Settings(silent=True, console="off")
    with wandb.init(
        name=summary.run, config=facts, job_type="audit", reinit="create_new", settings=settings
    ) as run:
        run.summary.update(summary.values())
