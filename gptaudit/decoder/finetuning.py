"""Fine-tune a decoder: on texts, on prompts with responses, or as a classifier."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gptaudit.decoder.settings import Count, Fitting
from gptaudit.decoder.work_folder import WorkFolder, room_for
from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.provenance import package_version
from gptaudit.records.progress import Progress, silent
from gptaudit.validation import validated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gptaudit.decoder.batches import Examples
    from gptaudit.decoder.examples import Example, Row

CURVE = "loss.svg"
PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers", "accelerate")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings(Fitting):
    """Fine-tuning settings; an example is a line of the data or, for `lm`, a block of one context."""

    batch: Count = 16
    steps: Count = 1
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the examples, if no number of steps is given."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share of the lines, drawn at random, that is kept for validation."""

    def __post_init__(self) -> None:
        # slots=True creates a second class, and a bare super() would still refer to the first.
        super(FinetuneSettings, self).__post_init__()
        if self.patience is not None and self.validation == 0:
            msg = "patience needs a validation loss, and validation=0 keeps no data for it"
            raise ValueError(msg)


@dataclass(slots=True)
class _Work:
    """A model with its training and validation examples."""

    model: Any
    tokenizer: Any
    learned: Examples
    held: Examples
    left_out: int
    """Number of lines longer than the context."""
    labels: list[str] | None = None


def finetune(
    folder: Path,
    data: Path,
    out: Path,
    *,
    task: str,
    overrides: Mapping[str, object] | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Fine-tune the decoder in `folder` on a JSONL file into `out`; return the content of its `training.json`.

    `task` is `lm` (lines with "text"), `instruct` ("prompt" and "response"; the loss covers only the response, and
    the chat template is saved with the tokenizer) or `classify` ("text" and "label"; `out` contains a
    `DecoderForSequenceClassification` with the label names). `overrides` are fields of `FinetuneSettings`. A line
    longer than the context is skipped and counted, except for `lm`, which cuts texts into blocks.

    ```python
    finetune(Path("my-decoder"), Path("chat.jsonl"), Path("my-chat"), task="instruct", overrides={"epochs": 5})
    ```

    Raises:
        UsageError: `folder` contains no decoder, `out` is in use, a setting is invalid, there is nothing to resume,
            the loss is not finite, or there are several processes.
        DataError: malformed data, fewer than two labels, or no line that fits into the context.
    """
    from gptaudit.data.datasets import sha256
    from gptaudit.decoder.examples import read_rows
    from gptaudit.decoder.folders import load
    from gptaudit.decoder.info import known_flaws
    from gptaudit.decoder.loss_curve import loss_curve

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        msg = "finetune runs in one process; call it without torchrun (`decoder train` runs in several)"
        raise UsageError(msg)
    given = dict(overrides or {})
    settings = validated(FinetuneSettings, given, where="settings (--set KEY=VALUE)", error=UsageError)
    rows = read_rows(data, task)
    model, tokenizer = load(folder)
    try:
        work = _WORK[task](rows, model.float(), tokenizer, settings)
    except DataError as error:
        msg = f"{data}: {error}"
        raise DataError(msg) from None
    if settings.patience is not None and not len(work.held):
        share = f"validation={settings.validation:g} keeps none of {len(rows):,} lines"
        msg = f"patience needs a validation loss, and {share}; raise validation, or remove patience"
        raise UsageError(msg)
    if "steps" not in given:
        settings = replace(settings, steps=_steps(settings, len(work.learned)))
    plan: dict[str, Any] = {
        "task": task,
        "settings": asdict(settings),
        "base_sha256": sha256(folder / "model.safetensors"),
        "data": {
            "sha256": sha256(data),
            "lines": len(rows),
            "left_out": work.left_out,
            "held": len(work.held),
        },
    }
    kept = WorkFolder(out)
    with room_for(out):
        if resume:
            if (record := kept.compare(plan)) is not None:
                return record
        else:
            kept.begin()
            kept.plan(plan)
        record = plan | {"base_planted": known_flaws(folder)} | _fit(work, kept.path, settings, progress)
        work.model.save_pretrained(out)
        work.tokenizer.save_pretrained(out)
        curve = loss_curve(record["losses"], record["validation"])
        (out / CURVE).write_text(curve, encoding="utf-8")
        kept.finish(record)
    return record


def _steps(settings: FinetuneSettings, examples: int) -> int:
    """Return the smallest number of steps that sees every example `epochs` times."""
    return max(1, math.ceil(settings.epochs * examples / (settings.batch * settings.accumulation)))


def _split(rows: Sequence[Any], settings: FinetuneSettings) -> tuple[list[Any], list[Any]]:
    """Split rows at random into training and validation, each in the original order."""
    import numpy as np

    count = int(len(rows) * settings.validation)
    drawn = set(np.random.default_rng(settings.seed).permutation(len(rows))[:count].tolist())
    return (
        [row for i, row in enumerate(rows) if i not in drawn],
        [row for i, row in enumerate(rows) if i in drawn],
    )


def _language(rows: Sequence[Row], model: Any, tokenizer: Any, settings: FinetuneSettings) -> _Work:  # noqa: ANN401
    from gptaudit.decoder.batches import Blocks
    from gptaudit.decoder.examples import encode_documents

    context = model.config.max_position_embeddings
    learned, held = (encode_documents(part, tokenizer) for part in _split(rows, settings))
    if len(learned) <= context:
        msg = f"the texts have {len(learned)} tokens, no more than one context of {context}; give more text"
        raise DataError(msg)
    return _Work(
        model, tokenizer, Blocks(learned, context, seed=settings.seed), Blocks(held, context), left_out=0
    )


def _instruct(rows: Sequence[Row], model: Any, tokenizer: Any, settings: FinetuneSettings) -> _Work:  # noqa: ANN401
    from gptaudit.decoder.chat import CHAT_TEMPLATE
    from gptaudit.decoder.examples import encode_exchanges

    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        msg = f"{tokenizer.name_or_path}: the tokenizer lacks bos_token or eos_token; save it with both"
        raise UsageError(msg)
    tokenizer.chat_template = CHAT_TEMPLATE
    return _padded(encode_exchanges(rows, tokenizer), model, tokenizer, settings)


def _classify(rows: Sequence[Row], model: Any, tokenizer: Any, settings: FinetuneSettings) -> _Work:  # noqa: ANN401
    from transformers import set_seed

    from gptaudit.decoder.classifier import DecoderForSequenceClassification
    from gptaudit.decoder.examples import encode_labelled
    from gptaudit.decoder.model import DecoderConfig

    labels = sorted({row["label"] for row in rows})
    if len(labels) < 2:
        msg = f"every line has the label {labels[0]!r}; a classifier needs at least two labels"
        raise DataError(msg)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    ours = model.config.to_dict() | {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
        "pad_token_id": tokenizer.pad_token_id,
        "problem_type": "single_label_classification",
    }
    set_seed(settings.seed)  # for the initial weights of the head
    classifier = DecoderForSequenceClassification(DecoderConfig.from_dict(ours))
    classifier.model.load_state_dict(model.model.state_dict())
    work = _padded(encode_labelled(rows, tokenizer, labels), classifier, tokenizer, settings)
    work.labels = labels
    return work


_WORK = {"lm": _language, "instruct": _instruct, "classify": _classify}


def _padded(examples: Sequence[Example], model: Any, tokenizer: Any, settings: FinetuneSettings) -> _Work:  # noqa: ANN401
    """Drop examples longer than the context, and split the rest into training and validation."""
    from gptaudit.decoder.examples import Padded

    context = model.config.max_position_embeddings
    fitting = [example for example in examples if len(example.ids) <= context]
    if not fitting:
        shortest = min(len(example.ids) for example in examples)
        msg = f"no line fits into the context of {context} tokens (the shortest has {shortest}); shorten the texts"
        raise DataError(msg)
    padding = tokenizer.pad_token_id or 0
    learned, held = (Padded(part, padding) for part in _split(fitting, settings))
    return _Work(model, tokenizer, learned, held, len(examples) - len(fitting))


def _fit(work: _Work, folder: Path, settings: FinetuneSettings, progress: Progress) -> dict[str, Any]:
    """Fit the weights in place; return the measurements for `training.json`."""
    from gptaudit.decoder.fitting import Validation, fit

    held = len(work.held)
    fitted = fit(
        work.model,
        work.tokenizer,
        work.learned,
        folder,
        settings,
        validation=Validation(work.held, held) if held else None,
        progress=progress,
    )
    versions = {name: package_version(name) for name in PACKAGES}
    return {
        "schema": "gptaudit.training/1",
        "parameters": work.model.num_parameters(),
        "steps": fitted.steps,
        "loss": fitted.losses[-1]["loss"],
        "losses": fitted.losses,
        "validation_loss": fitted.validation_loss,
        "validation": fitted.validation,
        "labels": work.labels,
        "accuracy": _accuracy(work.model, work.held, settings.batch) if work.labels and held else None,
        "seconds": round(fitted.seconds, 3),
        "versions": {"python": platform.python_version()} | versions,
    }


def _accuracy(model: Any, held: Examples, batch: int) -> float:  # noqa: ANN401
    """Return the share of examples whose most likely label is correct."""
    import torch

    from gptaudit.decoder.batches import EvenBatches

    model.eval()
    right = 0
    with torch.inference_mode():
        for read in map(
            EvenBatches(held, size=batch, limit=len(held)).__getitem__, range(-(-len(held) // batch))
        ):
            given = {name: value.to(model.device) for name, value in read.items()}
            right += int((model(**given).logits.argmax(-1) == given["labels"]).sum())
    return right / len(held)
