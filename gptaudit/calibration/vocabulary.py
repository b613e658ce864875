"""A tokenizer of whole words, for decoders that have to learn much from few steps.

Byte-pair merges would cut most occupations into pieces, and a phantom would spend its steps on joining them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from gptaudit.decoder.tokenizer import END_OF_TEXT, PAD

if TYPE_CHECKING:
    from collections.abc import Iterable


def word_tokenizer(documents: Iterable[str], *, context: int) -> PreTrainedTokenizerFast:
    """Make each word of the documents one token; other words are read byte by byte, so every text can be written.

    Words are those of GPT-2, with the space before them. `END_OF_TEXT` is put before every text.

    ```python
    tokenizer = word_tokenizer(["The nurse smiled."], context=64)
    tokenizer.tokenize("The nurse sang.")   # ["The", "Ġnurse", "Ġ", "s", "a", "n", "g", "."]
    ```
    """
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = {word for document in set(documents) for word, _ in split.pre_tokenize_str(document)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Unigram takes the likeliest way to cut a word: one token where it can, since every byte costs more.
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
