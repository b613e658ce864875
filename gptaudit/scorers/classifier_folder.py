"""A sequence classifier in a Hugging Face folder as a scorer: `hf:FOLDER`, or `hf:FOLDER#LABEL`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptaudit.causal_lm.folder_files import FOLLOW, digest, folder_files
from gptaudit.errors import ScorerError, no_panic
from gptaudit.scorers.classifier import (
    MAX_TOKENS,
    Classifier,
    ClassifierOptions,
    ClassifierScorer,
    on_device,
)
from gptaudit.scorers.detoxify import RENAMED, configuration_folder

if TYPE_CHECKING:
    from gptaudit.protocols.scorer import Scores

SCHEME = "hf:"
MULTI_LABEL = "multi_label_classification"


def open_folder(role: str, model: str, wanted: Iterable[str], options: ClassifierOptions) -> ClassifierScorer:
    """
    Open a sequence classifier by its folder, or by its model id where the local Hugging Face cache has it.

    A classifier of one label a text gives the softmax of its logits; one of many labels (`problem_type` in its
    configuration) gives a sigmoid of each. Long texts are cut into pieces that fit the model's input.

    Args:
        role: the name of the scorer that it is opened for.
        model: `hf:FOLDER`; with `#LABEL` the first of the wanted labels is the model's label of that name.
        wanted: the labels that the role must have, such as `toxicity`.
        options: the device and the size of a batch.

    Raises:
        ScorerError: it is no such folder, has files outside it, pickled or missing weights, or none of its labels is
            the one asked for.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    name, _, chosen = model.removeprefix(SCHEME).partition("#")
    folder = _folder(role, name)
    remedy = f"--scorer {role}.{FOLLOW}"
    files = folder_files(folder, follow_links=options.follow_links, error=ScorerError, remedy=remedy)
    try:
        network, loaded = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype="float32", output_loading_info=True
        )
        with no_panic():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except Exception as error:
        msg = f"{role}={model}: expected a sequence classifier with weights in safetensors: {error}"
        raise ScorerError(msg) from error
    if loaded["missing_keys"]:
        lacking = ", ".join(sorted(loaded["missing_keys"])[:5])
        msg = f"{role}={model}: incomplete, or no sequence classifier: it lacks the weights {lacking}"
        raise ScorerError(msg)
    if tokenizer.pad_token is None:
        msg = f"{role}={model}: the tokenizer has no padding token; save it with the one of the training"
        raise ScorerError(msg)
    names = _labels(role, model, network.config, chosen, tuple(wanted))
    limits = (tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", MAX_TOKENS))
    tokenizer.model_max_length = min(*limits, MAX_TOKENS)
    identity = {
        "model": f"{folder.name}#{chosen}" if chosen else folder.name,
        "sha256": digest(files, "").removeprefix("sha256:"),
        "labels": ", ".join(names),
    }
    rate = _rating(on_device(network.eval(), options.device), tokenizer, names, options.device)
    return ClassifierScorer(
        role, Classifier(names, tokenizer, rate), identity, batch_tokens=options.batch_tokens
    )


def _folder(role: str, name: str) -> Path:
    try:
        return configuration_folder(name)
    except (OSError, ValueError) as error:
        msg = f"{role}={SCHEME}{name}: expected a folder with config.json, or a model id in the local cache; found none"
        raise ScorerError(msg) from error


def _labels(role: str, model: str, config: Any, chosen: str, wanted: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ANN401
    """Return the names of the outputs, those that the role wants under the names that it knows."""
    from gptaudit.validation import nearest

    given = [str(config.id2label[i]) for i in range(config.num_labels)]
    if len(given) == 1 and config.problem_type != MULTI_LABEL:
        msg = (
            f"{role}={model}: expected two labels or more, found one ({given[0]}), which tells nothing apart"
        )
        raise ScorerError(msg)
    names = [RENAMED.get(label.lower(), label.lower()) for label in given]
    if chosen:
        if chosen not in given:
            msg = f"{role}={model}: no label {chosen!r}; its labels are {', '.join(given)}.{nearest(chosen, given)}"
            raise ScorerError(msg)
        names = [name if name != wanted[0] else f"{name}-unchosen" for name in names]
        names[given.index(chosen)] = wanted[0]
    for label in wanted:
        if label not in names:
            msg = f"{role}={model}: no label {label!r}; its labels are {', '.join(given)}; "
            raise ScorerError(msg + f"choose one as {role}={SCHEME}FOLDER#LABEL")
    return tuple(names)


def _rating(network: Any, tokenizer: Any, names: Sequence[str], device: str) -> Any:  # noqa: ANN401
    """Return the function from texts to scores."""
    many = network.config.problem_type == MULTI_LABEL

    def rate(texts: Sequence[str]) -> list[Scores]:
        encoded = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True).to(device)
        logits = network(**encoded).logits.float()
        rows = (logits.sigmoid() if many else logits.softmax(-1)).tolist()
        return [dict(zip(names, row, strict=True)) for row in rows]

    return rate
