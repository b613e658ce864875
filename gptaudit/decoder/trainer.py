"""`transformers.Trainer` set up for every training in gptaudit: no progress bars, no reports to other services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel


def training_arguments(folder: Path, *, cpu: bool, **settings: Any) -> TrainingArguments:  # noqa: ANN401
    """Build the arguments of a quiet training into `folder`, on the CPU or on an accelerator.

    `settings` are the remaining fields of `TrainingArguments`.
    """
    return TrainingArguments(
        output_dir=str(folder),
        remove_unused_columns=False,  # the model takes every key of the examples
        report_to="none",
        log_level="error",
        disable_tqdm=True,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        **settings,
    )


class BatchTrainer(Trainer):
    """A silent Trainer for data sets whose items are whole batches, read in order.

    Sampling and collating example by example would take as long as the step of a small model.
    """

    def __init__(self, model: PreTrainedModel, arguments: TrainingArguments, **more: Any) -> None:  # noqa: ANN401
        logging.disable_progress_bar()  # shown for each file that is written
        arguments.per_device_train_batch_size = arguments.per_device_eval_batch_size = 1  # item = batch
        super().__init__(model, arguments, data_collator=_single, **more)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, _: object = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]  # it has a length

    def floating_point_ops(self, _: object) -> int:
        """Return 0: the Trainer would visit every weight at each step for a figure that nothing here uses."""
        return 0


def _single(items: list[dict[str, Any]]) -> dict[str, Any]:
    (item,) = items
    return item
