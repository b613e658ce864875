"""Train a decoder on text."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

from gptaudit.decoder.corpus import Corpus, Survey, documents_in_memory, survey
from gptaudit.decoder.settings import PRESETS, TrainingSettings, settings_of, with_tokens
from gptaudit.decoder.work_folder import WorkFolder, room_for
from gptaudit.errors import DataError, UsageError
from gptaudit.evidence.provenance import package_version
from gptaudit.records.progress import Progress, Step, silent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gptaudit.decoder.configuration import DecoderConfig
    from gptaudit.decoder.fitting import Fitted
    from gptaudit.decoder.model import DecoderForCausalLM
    from gptaudit.decoder.token_file import TokenFile

__all__ = ["PRESETS", "corpus_sha256", "train", "train_corpus"]

CURVE = "loss.svg"
WAITING = timedelta(days=1)
"""Maximum time that other processes wait for the first to tokenize the corpus."""
TOKENIZER_SAMPLE = 1 << 26
"""Characters that a tokenizer is trained on: training keeps every distinct word in memory."""
PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers", "accelerate")


@dataclass(frozen=True, slots=True)
class Data:
    """Tokenizer and tokens of the corpus."""

    tokenizer: PreTrainedTokenizerBase
    tokens: TokenFile


def train(documents: Sequence[str], out: Path, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - those of train_corpus
    """Train on documents in memory; the keywords are those of `train_corpus`.

    `overrides={"validation": 0}` trains on every document.

    ```python
    train(["a rose is a rose"] * 500, Path("my-decoder"), preset="nano", steps=300)
    ```
    """
    return train_corpus(documents_in_memory(documents), out, **how)


def train_corpus(  # noqa: PLR0913 - what the command takes
    corpus: Corpus,
    out: Path,
    *,
    preset: str = "mini",
    overrides: Mapping[str, object] | None = None,
    steps: int | None = None,
    tokens: int | None = None,
    seed: int | None = None,
    tokenizer: Path | None = None,
    cache: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train tokenizer and decoder into `out`, with `training.json` and `loss.svg`; return what `training.json` holds.

    `overrides` are settings by name, as for `--set`; `steps`, `tokens` and `seed` take precedence. `tokenizer` is a
    folder to load the tokenizer from; by default it is trained on the corpus, or on about 64 million characters
    sampled from a larger one. Token files are kept in `cache` or, without one, in `out` until the training ends.

    On a CPU with a fixed number of threads, the same arguments give the same bits, also if the training is killed at
    any moment and resumed. If the training is finished, `resume` returns its record.

    Under `torchrun` each process sees `batch * accumulation` blocks per step, so the effective batch is that times
    the number of processes; only the first process writes.

    Raises:
        UsageError: `out` is in use or cannot be written; a setting is invalid; the loss is not finite; there is
            nothing to resume, or its settings or data differ.
        DataError: the corpus cannot be read, or has fewer tokens than one context.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]

    from gptaudit.decoder.fitting import accelerated
    from gptaudit.decoder.loss_curve import loss_curve
    from gptaudit.decoder.token_file import tokenizer_sha256

    state = PartialState(cpu=not accelerated(), timeout=WAITING)
    given = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    settings = settings_of(preset, {**(overrides or {}), **given})
    if tokens is not None:
        settings = with_tokens(settings, tokens, processes=state.num_processes)
    # Reject an invalid shape before reading the corpus.
    _config(settings, settings.vocab_size)
    plan: dict[str, Any] = {"preset": preset, "processes": state.num_processes, "settings": asdict(settings)}
    folder = WorkFolder(out)
    told = progress if state.is_main_process else silent
    with room_for(out):
        with state.main_process_first():
            # The other processes reuse what the first prepared; a preparation that was killed starts again.
            prepared = not state.is_main_process or (resume and not folder.unprepared())
            if not prepared:
                folder.begin()
            found = survey(corpus)
            plan["corpus"] = asdict(found)
            if prepared and (record := folder.compare(plan)) is not None:
                return record
            source = tokenizer or (folder.tokenizer if prepared else None)
            data = _data(corpus, found, settings, source, cache or folder.path / "tokens", told)
            plan["tokenizer_sha256"] = tokenizer_sha256(data.tokenizer)
            if prepared:
                folder.compare(plan)
            else:
                data.tokenizer.save_pretrained(folder.tokenizer)
                folder.plan(plan)
        model = _new_model(settings, data.tokenizer)
        fitted = _fit(model, data, folder.path, settings, state.num_processes, told)
        record = _record(plan, model, data, fitted, settings.step_tokens * state.num_processes)
        if state.is_main_process:
            model.save_pretrained(out)
            copytree(folder.tokenizer, out, dirs_exist_ok=True)
            (out / CURVE).write_text(loss_curve(fitted.losses, fitted.validation), encoding="utf-8")
            folder.finish(record)
    return record


def corpus_sha256(documents: Sequence[str]) -> str:
    """Hash documents as `training.json` does."""
    return survey(documents_in_memory(documents)).sha256


def _data(
    corpus: Corpus,
    found: Survey,
    settings: TrainingSettings,
    source: Path | None,
    folder: Path,
    progress: Progress,
) -> Data:
    """Tokenize the corpus with the tokenizer in `source`, or with one trained on a sample of the corpus."""
    from gptaudit.decoder.token_file import is_drawn, token_file
    from gptaudit.decoder.tokenizer import load_tokenizer, train_tokenizer

    tokenizer: PreTrainedTokenizerBase
    if source is None:
        every = math.ceil(found.characters / TOKENIZER_SAMPLE)
        texts = (piece.text for number, piece in enumerate(corpus()) if is_drawn(number, every))
        tokenizer = train_tokenizer(texts, vocab_size=settings.vocab_size, context=settings.context)
    else:
        tokenizer = load_tokenizer(source, context=settings.context)
    tokens = token_file(corpus, found, tokenizer, folder, validation=settings.validation, progress=progress)
    needed = settings.context + 1  # the last token of a block predicts one more
    if tokens.training < needed:
        msg = (
            f"the corpus has {tokens.training} tokens, fewer than one context of {settings.context} and the token "
            "after it; give more text, or --set context=N"
        )
        raise DataError(msg)
    if settings.validation and tokens.validation < needed:
        msg = (
            f"validation={settings.validation:g} keeps {tokens.validation} tokens, fewer than one context of "
            f"{settings.context} and the token after it; give more text, or --set validation=0"
        )
        raise DataError(msg)
    return Data(tokenizer, tokens)


def _config(
    settings: TrainingSettings,
    vocab_size: int,
    *,
    begin: int | None = None,
    end: int | None = None,
    pad: int | None = None,
) -> DecoderConfig:
    """Build DecoderConfig from the settings.

    Raises:
        UsageError: the shape is invalid, such as a width that is not divisible by the number of heads.
    """
    from gptaudit.decoder.configuration import DecoderConfig

    try:
        return DecoderConfig(
            vocab_size=vocab_size,
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=settings.feed_forward or 4 * settings.width,
            max_position_embeddings=settings.context,
            positions=settings.positions,
            activation=settings.activation,
            norm=settings.norm,
            dropout=settings.dropout,
            tie_word_embeddings=settings.tied,
            bos_token_id=begin,
            eos_token_id=end,
            pad_token_id=pad,
        )
    except ValueError as error:
        msg = f"settings (--set KEY=VALUE): {error} (hidden_size is width, num_attention_heads is heads)"
        raise UsageError(msg) from None


def _new_model(settings: TrainingSettings, tokenizer: PreTrainedTokenizerBase) -> DecoderForCausalLM:
    """Create a decoder with random initial weights."""
    from transformers import set_seed

    from gptaudit.decoder.model import DecoderForCausalLM

    special = {"begin": tokenizer.bos_token_id, "end": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    config = _config(settings, len(tokenizer), **special)
    set_seed(settings.seed)
    return DecoderForCausalLM(config)


def _fit(
    model: DecoderForCausalLM,
    data: Data,
    folder: Path,
    settings: TrainingSettings,
    processes: int,
    progress: Progress,
) -> Fitted:
    from gptaudit.decoder.batches import Blocks
    from gptaudit.decoder.fitting import Validation, fit

    learned, held = data.tokens.read()
    step_tokens = settings.step_tokens * processes

    def in_tokens(step: Step) -> None:
        counts = (step.done * step_tokens, step.total * step_tokens, step.cached * step_tokens)
        progress(Step("training, in tokens", *counts, note=step.note))

    validation = Validation(Blocks(held, settings.context), settings.evaluation_blocks)
    return fit(
        model,
        data.tokenizer,
        Blocks(learned, settings.context, seed=settings.seed),
        folder,
        settings,
        validation=validation if settings.validation else None,
        progress=in_tokens,
    )


def _record(
    plan: Mapping[str, Any], model: DecoderForCausalLM, data: Data, fitted: Fitted, step_tokens: int
) -> dict[str, Any]:
    import torch

    return {
        "schema": "gptaudit.training/1",
        **plan,
        "corpus": plan["corpus"]
        | {"tokens": data.tokens.training, "validation_tokens": data.tokens.validation},
        "parameters": model.num_parameters(),
        "steps": fitted.steps,
        "tokens": fitted.steps * step_tokens,
        "loss": fitted.losses[-1]["loss"],
        "losses": fitted.losses,
        "validation_loss": fitted.validation_loss,
        "validation": fitted.validation,
        "seconds": round(fitted.seconds, 3),
        "tokens_per_second": round(fitted.fresh_steps * step_tokens / fitted.seconds, 1),
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version()}
        | {name: package_version(name) for name in PACKAGES},
    }
