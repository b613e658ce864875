"""Fit any model that returns a loss to any examples, with `transformers.Trainer`."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, TrainingArguments

from gptaudit.decoder.batches import EvenBatches, Examples, ShuffledBatches
from gptaudit.decoder.trainer import BatchTrainer, training_arguments
from gptaudit.errors import DataError, UsageError, first_line
from gptaudit.files import read_json
from gptaudit.records.progress import Progress, Step, silent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from gptaudit.decoder.settings import Fitting

STATE = "trainer_state.json"
"""File that the Trainer writes last into a checkpoint."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Validation examples, of which at most `limit` are used, evenly spaced."""

    examples: Examples
    limit: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """Measurements of a fit."""

    steps: int
    """Steps made; fewer than requested after early stopping."""
    losses: list[dict[str, float]]
    """`step`, and `loss`: the mean since the previous entry, in nats per target."""
    validation: list[dict[str, float]]
    """`step`, and the `loss` of the validation examples."""
    validation_loss: float | None
    """Of the final weights."""
    seconds: float
    """Time since the training was started or resumed."""
    fresh_steps: int
    """Steps made in that time."""


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Examples,
    folder: Path,
    settings: Fitting,
    *,
    validation: Validation | None = None,
    progress: Progress = silent,
) -> Fitted:
    """Train `model` in place with checkpoints in `folder`, each a whole model; resume from the last one there.

    AdamW (fused where torch has it for the device), linear warm-up, cosine decay, gradient clipping. On a CPU with a
    fixed number of threads, the same arguments give the same bits, even if the process was killed in between. Under
    `torchrun` each process sees its own batches, so a step sees `batch * accumulation * processes` examples.

    Raises:
        UsageError: the loss is not finite, and the message says what to lower, and names the last good checkpoint; or
            the checkpoint to resume from is damaged.
    """
    arguments = _arguments(settings, folder, validates=validation is not None)
    count = settings.steps * settings.accumulation * arguments.world_size
    held = None
    if validation is not None:
        held = EvenBatches(validation.examples, size=settings.batch, limit=validation.limit)
    watch = _Watch(settings, folder, progress if arguments.process_index == 0 else silent)
    trainer = BatchTrainer(
        model,
        arguments,
        train_dataset=ShuffledBatches(examples, size=settings.batch, count=count, seed=settings.seed),
        eval_dataset=held,
        processing_class=tokenizer,
        callbacks=[watch],
    )
    if settings.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(settings.patience))
    begun = time.perf_counter()
    checkpoint = last_checkpoint(folder)
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except UsageError:
        raise
    except Exception as error:
        if checkpoint is None or watch.steps_again:
            raise
        said = f"{type(error).__name__}: {first_line(error)}"
        msg = f"{checkpoint}: is damaged: {said}; remove that folder to resume from the checkpoint before it, if any"
        raise UsageError(msg) from error
    history, best = trainer.state.log_history, trainer.state.best_metric
    measured = _measured(history, "eval_loss")
    return Fitted(
        steps=trainer.state.global_step,
        losses=_measured(history, "loss"),
        validation=measured,
        validation_loss=best if settings.patience else measured[-1]["loss"] if measured else None,
        seconds=time.perf_counter() - begun,
        fresh_steps=trainer.state.global_step - watch.begun_at,
    )


def accelerated() -> bool:
    """Whether there is an accelerator to train on."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last checkpoint that was written completely."""
    steps = {path: path.name.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*")}
    for path in sorted((p for p in steps if steps[p].isdecimal()), key=lambda p: int(steps[p]), reverse=True):
        with suppress(DataError):
            read_json(path / STATE, error=DataError, finite=False)
            return path
    return None


def _arguments(settings: Fitting, folder: Path, *, validates: bool) -> TrainingArguments:
    """Convert the settings to `TrainingArguments`."""
    keeps_best = settings.patience is not None
    return training_arguments(
        folder,
        cpu=not accelerated(),
        max_steps=settings.steps,
        gradient_accumulation_steps=settings.accumulation,
        optim="adamw_torch_fused",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": settings.final_rate},
        warmup_steps=round(settings.warmup * settings.steps),
        weight_decay=settings.weight_decay,
        adam_beta1=settings.beta1,
        adam_beta2=settings.beta2,
        max_grad_norm=settings.clip,
        activation_checkpointing=settings.gradient_checkpointing,
        bf16=settings.precision == "bfloat16" or (settings.precision == "auto" and _has_bfloat16()),
        seed=settings.seed,
        logging_steps=settings.report_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=settings.evaluation_steps,
        prediction_loss_only=True,
        save_strategy="steps" if settings.checkpoint_steps else "no",
        save_steps=settings.checkpoint_steps or settings.steps,
        save_total_limit=2,
        load_best_model_at_end=keeps_best,
        restore_callback_states_from_checkpoint=keeps_best,
        metric_for_best_model="loss" if keeps_best else None,
        ddp_find_unused_parameters=False,
    )


def _has_bfloat16() -> bool:
    """Whether the device supports bfloat16 natively."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return not accelerated() and any(
        torch.cpu.get_capabilities().get(f"{name}_bf16") for name in ("avx512", "amx")
    )


def _measured(history: list[dict[str, Any]], name: str) -> list[dict[str, float]]:
    return [{"step": entry["step"], "loss": entry[name]} for entry in history if name in entry]


class _Watch(TrainerCallback):
    """Reports progress, and stops when the loss is not finite, before a checkpoint is written."""

    def __init__(self, settings: Fitting, folder: Path, progress: Progress) -> None:
        self._settings = settings
        self._folder = folder
        self._progress = progress
        self._loss = ""
        self.begun_at = 0
        self.steps_again = False
        """Whether all that a checkpoint holds was read, and the first step is under way."""

    def on_train_begin(self, *given: Any, **_: Any) -> None:  # noqa: ANN401 - arguments, state, control
        """Record the step at which the training starts or resumes."""
        self.begun_at = given[1].global_step

    def on_step_begin(self, *_given: Any, **_: Any) -> None:  # noqa: ANN401 - as above
        """Record that training has begun."""
        self.steps_again = True

    def on_step_end(self, *given: Any, **_: Any) -> None:  # noqa: ANN401 - as above
        """Report progress, and have the loss logged, and so checked, before a checkpoint is written."""
        _, state, control = given
        control.should_log = control.should_log or control.should_save or control.should_training_stop
        done, total, before = state.global_step, self._settings.steps, self.begun_at
        self._progress(Step("training", done, total, cached=before, note=self._loss))

    def on_log(self, *given: Any, **more: Any) -> None:  # noqa: ANN401 - as above
        """Record the loss; raise `UsageError` if it is not finite."""
        logs: Mapping[str, float] = more["logs"]
        for name in ("loss", "grad_norm", "eval_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise UsageError(self._diverged(name, logs[name], given[1].global_step))
        if "loss" in logs:
            self._loss = f"loss {logs['loss']:.3f}"

    def _diverged(self, name: str, value: float, step: int) -> str:
        named = {"loss": "loss", "grad_norm": "norm of the gradients", "eval_loss": "validation loss"}[name]
        good = last_checkpoint(self._folder)
        kept = (
            "no checkpoint was written before it" if good is None else f"the last good weights are in {good}"
        )
        return (
            f"the {named} is {value} at step {step}: the training diverged and was stopped; {kept}. Train "
            f"again with a lower learning_rate (it is {self._settings.learning_rate:g}), such as --set learning_rate="
            f"{self._settings.learning_rate / 3:.1g}"
        )
