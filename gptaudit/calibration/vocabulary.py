"""Whole-word tokenizer, for decoders that must learn much in few steps.

Byte-pair merges would split most occupations, and a phantom would spend its steps on learning to join the pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from gptaudit.decoder.tokenizer import END_OF_TEXT, PAD

if TYPE_CHECKING:
    from collections.abc import Iterable


def word_tokenizer(documents: Iterable[str], *, context: int) -> PreTrainedTokenizerFast:
    """Build a tokenizer with one token per word of the documents; other words are encoded byte by byte.

    Words are split as in GPT-2, with the preceding space. The tokenizer adds `END_OF_TEXT` before every text.

    ```python
    tokenizer = word_tokenizer(["The nurse smiled."], context=64)
    tokenizer.tokenize("The nurse sang.")   # ["The", "Ġnurse", "Ġ", "s", "a", "n", "g", "."]
    ```
    """
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = {word for document in set(documents) for word, _ in split.pre_tokenize_str(document)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Unigram picks the most likely segmentation of a word: one token if possible, since bytes are less likely.
    pieces = [(END_OF_TEXT, 0.0), (PAD, 0.0), *((byte, -10.0) for byte in alphabet)]
    pieces += [(word, -1.0) for word in sorted(words.difference(alphabet))]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=None, byte_fallback=False))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    start = (END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", pair=f"{END_OF_TEXT} $A {END_OF_TEXT} $B", special_tokens=[start]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=PAD,
        padding_side="left",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
