"""Byte-level BPE tokenizer: it works on bytes, so it encodes every text without an unknown token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from gptaudit.decoder import register
from gptaudit.decoder.folders import TOKENIZER_FILES
from gptaudit.errors import UsageError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

END_OF_TEXT = "<|endoftext|>"
"""Precedes and follows every document: start and end token are the same, as in GPT-2."""
PAD = "<|pad|>"
"""Not `END_OF_TEXT`, since code that masks padding would mask the ends of texts too."""


def train_tokenizer(documents: Iterable[str], *, vocab_size: int, context: int) -> PreTrainedTokenizerFast:
    """Learn the merges (Sennrich et al. 2016, on bytes as in GPT-2) from the documents.

    The vocabulary holds 256 bytes, two special tokens, and as many merges as `vocab_size` has room for and the
    documents support. The tokenizer adds `END_OF_TEXT` before every text, as in training.

    ```python
    tokenizer = train_tokenizer(["a rose is a rose"], vocab_size=300, context=64)
    tokenizer.decode(tokenizer("é €").input_ids)   # "<|endoftext|>é €"
    ```
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END_OF_TEXT, PAD],
        show_progress=False,
    )
    bpe.train_from_iterator(documents, trainer)
    start = (END_OF_TEXT, bpe.token_to_id(END_OF_TEXT))
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", pair=f"{END_OF_TEXT} $A {END_OF_TEXT} $B", special_tokens=[start]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PAD,
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: Path, *, context: int) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder in the format of `transformers`.

    Raises:
        UsageError: it is missing, damaged, not of the `tokenizers` library, or has no end-of-text token.
    """
    from transformers import AutoTokenizer

    register()  # a decoder folder names its model type
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise _unfit(folder, f"the folder is missing, or contains none of {', '.join(TOKENIZER_FILES)}")
    try:
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - the loaders raise all kinds of errors for a bad file
        raise _unfit(folder, f"cannot be loaded ({first_line(error)})") from None
    if not found.is_fast:
        raise _unfit(folder, "is not a tokenizer of the tokenizers library")
    if found.eos_token_id is None:
        raise _unfit(folder, "has no end-of-text token (eos_token)")
    found.model_max_length = context
    loaded: PreTrainedTokenizerBase = found
    return loaded


def _unfit(folder: Path, why: str) -> UsageError:
    return UsageError(
        f"tokenizer {folder}: {why}; give a folder with a tokenizer.json, as `decoder train` writes"
    )
