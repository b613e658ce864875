"""
Toxicity scorer with Detoxify checkpoints, loaded safely and offline (Hanu and Unitary, Detoxify, 2020).

Detoxify itself unpickles its checkpoints, which can run any code in them, and downloads files. Here a checkpoint is
read with `weights_only=True`, its architecture must be one of the published ones, and nothing is downloaded; then
Detoxify's own `predict` computes the scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptaudit.causal_lm.folder_files import digest
from gptaudit.errors import ScorerError, no_panic
from gptaudit.scorers.classifier import (
    MAX_TOKENS,
    Classifier,
    ClassifierOptions,
    ClassifierScorer,
    on_device,
)

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedTokenizerBase

    from gptaudit.protocols.scorer import Scores

PUBLISHED = ("original", "unbiased", "multilingual", "original-small", "unbiased-small")
ARCHITECTURES = frozenset(
    f"{family}ForSequenceClassification" for family in ("Albert", "Bert", "Roberta", "XLMRoberta")
)
RENAMED = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}
"""Older class names in checkpoints -> labels."""
BUNDLED = Path(__file__).parent / "bundled"
CHECKPOINT = "toxicity.ckpt"
WINDOW_WORDS = 40
"""Words of a window of the bundled checkpoint, which was trained on texts of this length."""
SUFFIX = ".ckpt"
CONFIGURATION = ("config.json", "tokenizer_config.json")
"""The files that decide what is computed with the weights, and how much of a text at once."""


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a Detoxify checkpoint file."""

    architecture: str
    config: str  # a folder or a Hugging Face model id
    outputs: int
    classes: tuple[str, ...]
    state_dict: Mapping[str, Any]
    sha256: str


def open_detoxify(model: str = "bundled", options: ClassifierOptions | None = None) -> ClassifierScorer:
    """
    Open the bundled checkpoint, a published one that is already on this machine, or one of the user's own.

    Args:
        model: `bundled`, a name of `PUBLISHED`, or the path of a `.ckpt` file, whose configuration and tokenizer may
            lie beside it.
        options: the device and the size of a batch.

    Raises:
        ScorerError: the name is unknown, or the checkpoint or its configuration cannot be used.
    """
    if model == "bundled":
        return open_checkpoint(BUNDLED / CHECKPOINT, "bundled", options, window_words=WINDOW_WORDS)
    if model in PUBLISHED:
        return open_checkpoint(published_path(model), model, options)
    if model.endswith(SUFFIX):
        return open_checkpoint(Path(model), Path(model).name, options)
    names = ", ".join(("bundled", *PUBLISHED))
    msg = f"expected one of the Detoxify models {names}, or the path of a checkpoint {SUFFIX}; got {model!r}"
    raise ScorerError(msg)


def open_checkpoint(
    path: Path, model: str, options: ClassifierOptions | None = None, *, window_words: int | None = None
) -> ClassifierScorer:
    """
    Open a checkpoint in Detoxify's format; `model` is its name in the results.

    Its configuration and tokenizer lie beside it, or are those that it names, in the local Hugging Face cache.

    Raises:
        ScorerError: the checkpoint is unsafe, damaged or incomplete, or its configuration is missing.
    """
    from detoxify import Detoxify

    options = options or ClassifierOptions()
    checkpoint = read_checkpoint(path)
    beside = (path.parent / "config.json").is_file()
    network, tokenizer, configured = build(
        checkpoint, path, str(path.parent) if beside else checkpoint.config
    )
    detoxify = Detoxify.__new__(Detoxify)  # its __init__ unpickles
    detoxify.model = on_device(network, options.device)
    detoxify.tokenizer = tokenizer
    detoxify.device = options.device
    detoxify.class_names = list(checkpoint.classes)

    def rate(texts: Sequence[str]) -> list[Scores]:
        columns = detoxify.predict(texts)
        if len(texts) == 1:  # then it gives bare numbers
            return [columns]
        return [{label: columns[label][row] for label in columns} for row in range(len(texts))]

    identity = {
        "model": model,
        "sha256": checkpoint.sha256,
        "tokenizer_sha256": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        "config_sha256": configured.removeprefix("sha256:"),
        "version": f"detoxify {version('detoxify')}",
    }
    return ClassifierScorer(
        "toxicity",
        Classifier(checkpoint.classes, tokenizer, rate),
        identity,
        window_words=window_words,
        batch_tokens=options.batch_tokens,
    )


def published_path(model: str) -> Path:
    """Return the path where torch.hub keeps a published checkpoint; raise `ScorerError` if it is not there."""
    import torch
    from detoxify.detoxify import MODEL_URLS

    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / MODEL_URLS[model].rsplit("/", 1)[-1]
    if not path.is_file():
        msg = (
            f"the Detoxify model {model!r} needs the file {path.name}, which is not in {path.parent}; "
            f"put it there (from {MODEL_URLS[model]}), or use the model 'bundled'"
        )
        raise ScorerError(msg)
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """
    Read a checkpoint in Detoxify's format without running any code in it.

    Raises:
        ScorerError: it is damaged, contains more than tensors and plain values, or names an unknown architecture.
    """
    import torch

    try:
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a file that is no checkpoint, the unpickler raises errors of any type
        msg = f"{path}: cannot be loaded: expected weights only; the file is damaged, or holds code"
        raise ScorerError(msg) from error
    try:
        arch, classes = raw["config"]["arch"]["args"], raw["config"]["dataset"]["args"]["classes"]
        checkpoint = Checkpoint(
            architecture=arch["model_name"],
            config=str(arch["model_type"]),
            outputs=int(arch["num_classes"]),
            classes=tuple(RENAMED.get(name, name) for name in classes),
            state_dict=dict(raw["state_dict"]),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        keys = "config.arch.args, config.dataset.args.classes and state_dict"
        msg = f"{path}: expected Detoxify's keys {keys}; {error!r}"
        raise ScorerError(msg) from error
    if checkpoint.architecture not in ARCHITECTURES:
        names = ", ".join(sorted(ARCHITECTURES))
        msg = f"{path}: expected one of the architectures {names}; got {checkpoint.architecture!r}"
        raise ScorerError(msg)
    return checkpoint


def configuration_folder(config: str) -> Path:
    """
    Return the folder of a configuration: `config` itself, or the cached folder of this Hugging Face model id.

    The cache is searched by path, because huggingface_hub sends information about the user's environment to its server
    even when asked for local files only.

    Raises:
        FileNotFoundError: the cache does not have it.
        ValueError: `config` is neither a folder nor a model id.
    """
    from huggingface_hub import try_to_load_from_cache

    if Path(config).is_dir():
        return Path(config)
    found = try_to_load_from_cache(config, "config.json")
    if not isinstance(found, str):  # None, or a mark that the model is known to have no such file
        raise FileNotFoundError(config)
    return Path(found).parent


def build(checkpoint: Checkpoint, path: Path, config: str) -> tuple[Module, PreTrainedTokenizerBase, str]:
    """Return the network with the checkpoint's weights in float32, its tokenizer, and the hash of its configuration.

    Only local files are read.
    """
    import torch
    import transformers

    network_class: Any = getattr(transformers, checkpoint.architecture)
    try:
        folder = configuration_folder(config)
        settings = network_class.config_class.from_pretrained(
            folder, num_labels=checkpoint.outputs, local_files_only=True
        )
        with no_panic():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        msg = (
            f"{path.name} needs the configuration and tokenizer of {config!r}, which are not in the local "
            f"Hugging Face cache; put them there, or use the model 'bundled'"
        )
        raise ScorerError(msg) from error
    tokenizer.model_max_length = min(tokenizer.model_max_length, settings.max_position_embeddings, MAX_TOKENS)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn at random, then replaced
        network = network_class(settings)
    try:
        loaded = network.load_state_dict(checkpoint.state_dict, strict=False)
    except RuntimeError as error:
        msg = f"{path}: its weights do not fit the configuration {config!r}: {error}"
        raise ScorerError(msg) from error
    # an additional position_ids buffer, as in old checkpoints, does no harm; a missing weight would stay random
    if loaded.missing_keys:
        msg = f"{path}: incomplete: it lacks the weights {', '.join(loaded.missing_keys[:5])}"
        raise ScorerError(msg)
    settings_files = {name: folder / name for name in CONFIGURATION if (folder / name).is_file()}
    return network.eval(), tokenizer, digest(settings_files, "")
