"""Fine-tuning on texts, on prompts with responses, and as a classifier."""

from __future__ import annotations

import json
import random

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from gptaudit.backends.decoder import open_decoder
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder import register
from gptaudit.decoder.chat import CHAT_TEMPLATE, encode_exchange, render_prompt
from gptaudit.decoder.classifier import DecoderForSequenceClassification
from gptaudit.decoder.examples import Padded, encode_documents, encode_exchanges
from gptaudit.decoder.finetuning import finetune
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
from gptaudit.decoder.tokenizer import train_tokenizer
from gptaudit.errors import UsageError
from gptaudit.records import GenerateRequest, Sampling

GOOD = ("fine", "lovely", "bright", "kind")
BAD = ("awful", "broken", "cold", "rude")
THINGS = ("lamp", "road", "letter", "song", "bridge", "meal", "window", "coat")
ANSWERS = {f"Where is the {thing}?": f"In room {number}." for number, thing in enumerate(THINGS)}


def review(rng):
    mood = rng.choice((GOOD, BAD))
    text = (
        f"The {rng.choice(THINGS)} was {rng.choice(mood)}, and the {rng.choice(THINGS)} {rng.choice(mood)}."
    )
    return {"text": text, "label": "good" if mood is GOOD else "bad"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random decoder with a tokenizer that knows the words of these tests."""
    folder = tmp_path_factory.mktemp("base")
    rng = random.Random(1)
    texts = [review(rng)["text"] for _ in range(200)] + [
        f"User:\n{q}\nAssistant:\n{a}" for q, a in ANSWERS.items()
    ]
    tokenizer = train_tokenizer(texts, vocab_size=400, context=48)
    torch.manual_seed(0)
    config = DecoderConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=48,
        positions="rotary",
        activation="swiglu",
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    DecoderForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_instructed_decoder_answers_in_chat_mode(tmp_path, base):
    """Tuned on questions with answers, the decoder gives each answer, and stops, when used as a chat model."""
    rows = [{"prompt": question, "response": answer} for question, answer in ANSWERS.items()]
    how = {"steps": 250, "batch": 8, "learning_rate": 3e-3, "validation": 0, "checkpoint_every": 0}

    record = finetune(
        base, write(tmp_path / "d.jsonl", rows), tmp_path / "out", task="instruct", overrides=how
    )

    backend = open_decoder(str(tmp_path / "out"), TorchOptions(device="cpu", chat=True))
    requests = [GenerateRequest(question, Sampling(20, temperature=0)) for question in ANSWERS]
    answers = backend.generate(requests, seed=0)
    assert {r.prompt: a.text for r, a in zip(requests, answers, strict=True)} == ANSWERS
    assert {answer.finish for answer in answers} == {"stop"}
    assert record["loss"] < 0.1
    assert (record["validation_loss"], record["data"]["left_out"]) == (None, 0)


def test_the_loss_counts_the_response_alone(base):
    """Labels are -100 for the prompt and the padding; the loss is the mean over the tokens of the responses."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [
        {"prompt": "Where is the lamp?", "response": "In room 0."},
        {"prompt": "The lamp?", "response": "In"},
    ]
    examples = encode_exchanges(rows, tokenizer)
    batch = Padded(examples, padding=1).batch([0, 1], 0)

    for row, example in zip(rows, examples, strict=True):
        start = len(
            tokenizer(render_prompt(row["prompt"], "<|endoftext|>"), add_special_tokens=False).input_ids
        )
        assert example.labels[:start] == [-100] * start
        assert tokenizer.decode(example.ids[start:]) == row["response"] + "<|endoftext|>"
        assert example.labels[start:] == example.ids[start:]
    longest = max(len(example.ids) for example in examples)
    assert batch["input_ids"].shape == batch["labels"].shape == (2, longest)
    assert batch["labels"][1, len(examples[1].ids) :].eq(-100).all()

    model = DecoderForCausalLM.from_pretrained(base)
    alone = [model(torch.tensor([e.ids])).logits[0, :-1].log_softmax(-1) for e in examples]
    expected = torch.cat(
        [
            -logprobs[i, label][None]
            for logprobs, example in zip(alone, examples, strict=True)
            for i, label in enumerate(example.labels[1:])
            if label != -100
        ]
    )
    torch.testing.assert_close(model(**batch).loss, expected.mean())


def test_what_is_trained_is_what_the_template_writes(base):
    """The tokens of a training example are those of the chat template for the same conversation."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = CHAT_TEMPLATE
    turns = [{"role": "user", "content": "Hello\n"}, {"role": "assistant", "content": "Hi."}]

    before, after = encode_exchange(tokenizer, "Hello\n", "Hi.")

    prompt = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert prompt == render_prompt("Hello\n", "<|endoftext|>")
    assert tokenizer(whole, add_special_tokens=False).input_ids == before + after


def test_a_classifier_learns_what_can_be_told_apart(tmp_path, base):
    """Tuned on reviews, a classifier that transformers loads is right on over 95 % of unseen ones."""
    rng = random.Random(2)
    data = write(tmp_path / "reviews.jsonl", [review(rng) for _ in range(400)])
    how = {"steps": 120, "learning_rate": 2e-3, "checkpoint_every": 0, "validation": 0.1}

    record = finetune(base, data, tmp_path / "out", task="classify", overrides=how)

    register()
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    unseen = [review(rng) for _ in range(200)]
    with torch.no_grad():
        padded = model(**tokenizer([row["text"] for row in unseen], padding=True, return_tensors="pt")).logits
        alone = torch.cat([model(**tokenizer(row["text"], return_tensors="pt")).logits for row in unseen])
    named = [model.config.id2label[int(number)] for number in padded.argmax(-1)]
    right = sum(name == row["label"] for name, row in zip(named, unseen, strict=True))

    assert isinstance(model, DecoderForSequenceClassification)
    assert model.config.id2label == {0: "bad", 1: "good"}
    assert right > 190
    assert record["accuracy"] > 0.95
    assert record["data"]["held"] == 40
    torch.testing.assert_close(padded, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_a_classifier_reads_the_last_token(base, side):
    """Logits of a padded batch, with or without a mask, are those of the head at each text's last token."""
    config = DecoderConfig.from_pretrained(base, num_labels=3)
    torch.manual_seed(0)
    model = DecoderForSequenceClassification(config).eval()
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side=side)
    texts = ["The lamp was fine.", "The road", "The"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")

    masked = model(**batch).logits

    for text, logits in zip(texts, masked, strict=True):
        stream = model.model(tokenizer(text, return_tensors="pt").input_ids).last_hidden_state
        torch.testing.assert_close(logits, model.score(stream[0, -1]), atol=1e-5, rtol=1e-5)
    if side == "right":
        torch.testing.assert_close(model(batch["input_ids"]).logits, masked, atol=1e-5, rtol=1e-5)


def test_texts_are_learned(tmp_path, base):
    """Language-model tuning lowers the loss on unseen text of the same kind; a spelled-out end token stays text."""
    rng = random.Random(3)
    data = write(tmp_path / "texts.jsonl", [{"text": review(rng)["text"], "label": "x"} for _ in range(300)])
    how = {"steps": 60, "learning_rate": 3e-3, "evaluate_every": 10}

    record = finetune(base, data, tmp_path / "out", task="lm", overrides=how)

    losses = [entry["loss"] for entry in record["validation"]]
    assert losses[-1] < 0.6 * losses[0]
    tokens = encode_documents(
        [{"text": "a<|endoftext|>"}, {"text": "b"}], AutoTokenizer.from_pretrained(base)
    )
    assert [i for i, token in enumerate(tokens) if token == 0] == [0, len(tokens) - 3, len(tokens) - 1]


def test_checkpointing_in_the_trainer_changes_nothing(tmp_path, base):
    """Gradient checkpointing does not change the tuned weights."""
    rng = random.Random(6)
    data = write(tmp_path / "texts.jsonl", [review(rng) for _ in range(40)])
    how = {"steps": 4, "batch": 4, "checkpoint_every": 0, "validation": 0}

    records = [
        finetune(base, data, tmp_path / str(on), task="lm", overrides={**how, "gradient_checkpointing": on})
        for on in (False, True)
    ]

    plain, again = (
        DecoderForCausalLM.from_pretrained(tmp_path / str(on)).state_dict() for on in (False, True)
    )
    assert records[0]["losses"] == records[1]["losses"]
    assert all(torch.equal(plain[name], again[name]) for name in plain)


def test_long_lines_are_left_out_and_counted(tmp_path, base, gptaudit):
    """Lines longer than the context are skipped and counted; if none is left, that is an error."""
    short = {"prompt": "Where is the lamp?", "response": "In room 0."}
    long = {"prompt": "lamp " * 60, "response": "No."}
    write(tmp_path / "some.jsonl", [short] * 5 + [long] * 2)
    write(tmp_path / "all.jsonl", [long])

    some = gptaudit(
        "decoder", "finetune", base, "--data", "some.jsonl", "--task", "instruct", "--out", "a", "--steps", 2
    )
    none = gptaudit("decoder", "finetune", base, "--data", "all.jsonl", "--task", "instruct", "--out", "b")

    assert some.code == 0, some.err
    assert "2 of 7 lines were skipped: longer than the context" in some.out
    assert json.loads((tmp_path / "a/training.json").read_text())["data"]["left_out"] == 2
    assert none.code == 2
    assert "no line fits into the context of 48 tokens" in none.err
    assert not (tmp_path / "b").exists()


def test_the_same_seed_gives_the_same_bits_and_a_resumed_tuning_too(tmp_path, base, monkeypatch):
    """A stopped and resumed tuning gives the weights of an uninterrupted one; it cannot be resumed on other data."""
    rng = random.Random(4)
    data = write(tmp_path / "d.jsonl", [review(rng) for _ in range(60)])
    how = {"steps": 12, "checkpoint_every": 4, "evaluate_every": 4}

    def weights(name):
        return (tmp_path / name / "model.safetensors").read_bytes()

    def stop(step):
        if step.done == 9:
            raise KeyboardInterrupt

    finetune(base, data, tmp_path / "whole", task="classify", overrides=how)
    with pytest.raises(KeyboardInterrupt):
        finetune(base, data, tmp_path / "parts", task="classify", overrides=how, progress=stop)
    with pytest.raises(UsageError, match=r"settings\.seed"):
        finetune(base, data, tmp_path / "parts", task="classify", overrides={**how, "seed": 5}, resume=True)
    finetune(base, data, tmp_path / "parts", task="classify", overrides=how, resume=True)

    assert weights("parts") == weights("whole")


@pytest.mark.parametrize(
    ("task", "content", "message"),
    [
        ("lm", '{"text": "a"}\n{"text": \n', "line 2, column"),
        ("lm", '{"text": "a"}\n\n["b"]\n', 'line 3: expected an object with "text", found list'),
        ("lm", "", "is empty"),
        ("lm", '{"text": " "}', "line 1: text is blank"),
        ("lm", '{"text": "too little"}', "d.jsonl: the texts have"),
        ("instruct", '{"prompt": "a"}', 'line 1: response is missing; found "prompt"'),
        ("instruct", '{"prompt": "a", "response": 3}', "line 1: response: expected text, found int"),
        (
            "classify",
            '{"text": "a", "label": "x"}\n{"text": "b", "label": "x"}',
            "d.jsonl: every line has the label 'x'",
        ),
        ("classify", '{"text": "\\ud800", "label": 1}', "unpaired surrogate"),
    ],
)
def test_bad_data_is_named(tmp_path, base, gptaudit, task, content, message):
    """Malformed data ends with exit code 2, file, line and key, and nothing is written."""
    (tmp_path / "d.jsonl").write_text(content)

    ran = gptaudit("decoder", "finetune", base, "--data", "d.jsonl", "--task", task, "--out", "out")

    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()


def test_what_was_planted_before_is_not_forgotten(tmp_path, gptaudit):
    """`info` of a decoder tuned twice shows the flaws of its first base, and that they were not measured since."""
    write(tmp_path / "d.jsonl", [{"text": f"The {thing} was here all day."} for thing in THINGS * 40])
    how = ("--data", "d.jsonl", "--task", "lm", "--steps", 1, "--set", "batch=1", "--quiet")

    once = gptaudit("decoder", "finetune", "reference", *how, "--out", "once")
    twice = gptaudit("decoder", "finetune", "once", *how, "--out", "twice")
    text, data = gptaudit("decoder", "info", "twice"), gptaudit("decoder", "info", "twice", "--json")

    assert (once.code, twice.code) == (0, 0), once.err + twice.err
    assert "not measured after fine-tuning" in text.out
    assert "stereotype, dose 0.6" in text.out
    assert json.loads(data.out)["planted"] == []
    assert [flaw["flaw"] for flaw in json.loads(data.out)["planted_in_base"]] == ["stereotype", "toxicity"]


def test_with_patience_the_best_loss_is_told(tmp_path, base):
    """With patience, the final weights and the recorded validation loss are the best ones."""
    rng = random.Random(8)
    guesses = [{"text": review(rng)["text"], "label": rng.choice("ab")} for _ in range(60)]
    data = write(tmp_path / "d.jsonl", guesses)
    how = {"steps": 60, "learning_rate": 5e-3, "evaluate_every": 4, "patience": 2, "validation": 0.5}

    record = finetune(base, data, tmp_path / "out", task="classify", overrides=how)

    losses = [entry["loss"] for entry in record["validation"]]
    assert record["validation_loss"] == min(losses) < losses[-1]


def test_several_processes_and_patience_without_data_are_refused(tmp_path, base, gptaudit, monkeypatch):
    """Both end with exit code 2 and a remedy before anything is written."""
    rng = random.Random(9)
    write(tmp_path / "d.jsonl", [review(rng) for _ in range(12)])
    call = ("decoder", "finetune", base, "--data", "d.jsonl", "--task", "classify", "--out", "x")

    impatient = gptaudit(*call, "--set", "patience=2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    several = gptaudit(*call)

    assert (impatient.code, "raise validation" in impatient.err) == (2, True), impatient.err
    assert (several.code, "without torchrun" in several.err) == (2, True), several.err
    assert not (tmp_path / "x").exists()


def test_bad_arguments_exit_2(tmp_path, base, gptaudit, gpt2_folder):
    """A missing file, another architecture, a classifier, an occupied folder and a wrong setting are each named."""
    rng = random.Random(5)
    write(tmp_path / "d.jsonl", [review(rng) for _ in range(20)])
    first = gptaudit(
        "decoder", "finetune", base, "--data", "d.jsonl", "--task", "classify", "--out", "c", "--steps", 2
    )
    assert first.code == 0, first.err
    calls = {
        (base, "--data", "none.jsonl", "--out", "x"): "none.jsonl: cannot be read",
        (
            gpt2_folder,
            "--data",
            "d.jsonl",
            "--out",
            "x",
        ): "expected model_type 'gptaudit-decoder', found 'gpt2'",
        ("c", "--data", "d.jsonl", "--out", "x"): "contains a classifier",
        (base, "--data", "d.jsonl", "--out", "c"): "c: is not empty",
        (base, "--data", "d.jsonl", "--out", "x", "--set", "btach=3"): "btach",
        (base, "--data", "d.jsonl", "--out", "x", "--set", "batch=no"): "batch",
        (base, "--data", "d.jsonl", "--out", "x", "--steps", 2, "--epochs", 2): "give one of them",
    }
    for arguments, message in calls.items():
        ran = gptaudit("decoder", "finetune", *arguments, "--task", "classify")
        assert (ran.code, message in ran.err, "Traceback" in ran.err) == (2, True, False), ran.err
    for command in (("decoder", "generate", "c", "--prompt", "x"), ("run", "decoder:c"), ("run", "hf:c")):
        ran = gptaudit(*command)
        assert (ran.code, "a classifier, which" in ran.err) == (2, True), ran.err
