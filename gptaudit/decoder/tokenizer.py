"""Byte-level BPE: every text is a sequence of bytes first, so every text can be written and nothing is unknown."""

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
"""Stands before and after every document: beginning and end of a text are the same place, as in GPT-2."""
PAD = "<|pad|>"
"""A token of its own: were it `END_OF_TEXT`, code that masks padding would mask the ends of texts too."""


def train_tokenizer(documents: Iterable[str], *, vocab_size: int, context: int) -> PreTrainedTokenizerFast:
    """Learn the merges (Sennrich et al. 2016, on bytes as in GPT-2) from the documents.

    The vocabulary holds 256 bytes, two special tokens, and as many merges as `vocab_size` leaves room for and the
    documents support. `END_OF_TEXT` is put before every text, as it stood before every document in training.

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
        UsageError: there is none, it is damaged, it is not one of `tokenizers`, or it has no end-of-text token.
    """
    from transformers import AutoTokenizer

    register()  # the folder of a decoder names its type
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise _unfit(folder, f"the folder is missing, or holds none of {', '.join(TOKENIZER_FILES)}")
    try:
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - the loaders raise whatever they meet in a bad file
        raise _unfit(folder, f"cannot be loaded ({first_line(error)})") from None
    if not found.is_fast:
        raise _unfit(folder, "is not one of the tokenizers library")
    if found.eos_token_id is None:
        raise _unfit(folder, "has no end-of-text token (eos_token)")
    found.model_max_length = context
    loaded: PreTrainedTokenizerBase = found
    return loaded


def _unfit(folder: Path, why: str) -> UsageError:
    return UsageError(
        f"tokenizer {folder}: {why}; give a folder with a tokenizer.json, as `decoder train` writes"
    )
