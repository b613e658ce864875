"""Model folders: load one, with errors that name the problem, or create an empty one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gptaudit.decoder import register
from gptaudit.errors import UsageError, first_line, no_panic
from gptaudit.files import read_object

if TYPE_CHECKING:
    from pathlib import Path

DECODER = "gptaudit-decoder"
"""`model_type` in a decoder's config.json."""

CLASSIFIER = "DecoderForSequenceClassification"

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")

REMEDIES = {
    DECODER: "give a folder that `gptaudit decoder train`, `finetune` or `import` wrote",
    "gpt2": "give a folder that `GPT2LMHeadModel.save_pretrained` wrote, with its tokenizer",
}


def read_config(folder: Path, model_type: str = DECODER) -> dict[str, Any]:
    """Read config.json of a folder that must contain a model of the given type.

    Raises:
        UsageError: the folder is missing or contains something else; the message says what to give.
    """
    remedy = REMEDIES[model_type]
    if not folder.is_dir():
        msg = f"{folder}: no such folder; {remedy}"
        raise UsageError(msg)
    path = folder / "config.json"
    if not path.is_file():
        msg = f"{folder}: not a model folder, as config.json is missing; {remedy}"
        raise UsageError(msg)
    config = read_object(path, error=UsageError, remedy=remedy, finite=False)
    found = config.get("model_type")
    if found != model_type:
        msg = f"{path}: expected model_type {model_type!r}, found {found!r}; {remedy}"
        raise UsageError(msg)
    return config


def load(folder: Path, model_type: str = DECODER) -> tuple[Any, Any]:
    """Load a causal language model and its tokenizer, without running code from the folder.

    Raises:
        UsageError: a file is missing or damaged, or the weights do not fit the configuration.
    """
    config = read_config(folder, model_type)
    remedy = REMEDIES[model_type]
    if CLASSIFIER in str(config.get("architectures")):
        msg = f"{folder}: contains a classifier, which has no vocabulary head; give the decoder it was fine-tuned from"
        raise UsageError(msg)
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        msg = f"{folder}: the tokenizer is missing (tokenizer.json); {remedy}"
        raise UsageError(msg)

    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    register()
    loader: Any = AutoModelForCausalLM
    try:
        with no_panic():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, info = loader.from_pretrained(
            folder,
            local_files_only=True,
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below
        )
    except Exception as error:  # noqa: BLE001 - the loaders of transformers raise all kinds of errors for a bad file
        msg = f"{folder}: cannot be opened: {type(error).__name__}: {first_line(error)}; {remedy}"
        raise UsageError(msg) from None
    # transformers initialises missing weights at random.
    unfit = [*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])]
    if unfit:
        first = f"{len(unfit)} are missing or of another shape, such as {min(unfit)}"
        msg = f"{folder}: the weights do not fit config.json: {first}; {remedy}"
        raise UsageError(msg)
    return model, tokenizer


def make_folder(out: Path) -> None:
    """Create a folder, or accept an empty one.

    Raises:
        UsageError: it cannot be created or written, or is not empty.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        occupied = any(out.iterdir())
    except OSError as error:
        msg = f"output folder {out}: cannot be created or read ({error.strerror}); choose another with --out"
        raise UsageError(msg) from error
    if occupied:
        msg = f"output folder {out}: is not empty; choose a new or empty folder with --out"
        raise UsageError(msg)
    if not os.access(out, os.W_OK):
        msg = f"output folder {out}: cannot be written; choose another with --out"
        raise UsageError(msg)
