"""Generation against transformers' own for many families, and its independence of the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers
from transformers import AutoTokenizer

from gptaudit.causal_lm import generation, row_cache
from gptaudit.causal_lm.decoding_rows import compacted, keys_can_be_kept
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.causal_lm.generation import Draw, TextGenerator
from gptaudit.causal_lm.memory import OUT_OF_MEMORY, TokenBudget
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
from gptaudit.records import Completion, Sampling

SMALL = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GROUPED = {**SMALL, "num_key_value_heads": 2}

KEEPING = {
    "GPT2": {**SMALL, "n_positions": 128},
    "Llama": GROUPED,
    "GPTNeoX": SMALL,
    "OPT": {**SMALL, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "Gemma2": {**GROUPED, "head_dim": 8, "sliding_window": 5},
    "Mistral": {**GROUPED, "sliding_window": 5},
    "Qwen2": GROUPED,
    "Bloom": SMALL,
    "Phi": SMALL,
    "GPTNeo": {**SMALL, "num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 5},
    "DeepseekV3": {
        **SMALL,
        "num_key_value_heads": 4,
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "v_head_dim": 12,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
    },
    "GptOss": {**GROUPED, "head_dim": 8, "sliding_window": 5, "num_local_experts": 4},
}
REREADING = {
    "Mamba": {**SMALL, "state_size": 4},
    "Lfm2": {**GROUPED, "layer_types": ["conv", "full_attention"], "block_multiple_of": 8},
}


PROMPTS = [(5, 6, 7, 8, 9, 10, 11, 12, 13), (20, 21, 22), (30,), (40, 41, 42), (50, 51, 52, 53, 54, 55)]


def build(family):
    torch.manual_seed(7)
    if family == "Decoder":
        model = DecoderForCausalLM(DecoderConfig(**SMALL))
    else:
        config = getattr(transformers, f"{family}Config")(**{**KEEPING, **REREADING}[family])
        name = f"{family}LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
        model = getattr(transformers, name)(config)
    for parameter in model.parameters():
        parameter.data.mul_(4)  # weights large enough to tell tokens apart
    return model.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def gpt2():
    return build("GPT2")


@pytest.fixture
def encoder(gpt2_folder):
    return Encoder(AutoTokenizer.from_pretrained(gpt2_folder))


def draws(samples, sampling):
    return [
        Draw(prompt, 100 * i + sample, sampling)
        for i, prompt in enumerate(PROMPTS)
        for sample in range(samples)
    ]


def replace_stop(draw, *stop):
    return replace(draw, sampling=replace(draw.sampling, stop=stop))


@pytest.fixture
def generator(gpt2, encoder):
    return TextGenerator(gpt2, encoder, frozenset(), TokenBudget(4096))


def calls(model, seen):
    """Note the shape and the number of unmasked tokens of everything the model reads."""

    def note(_, __, inputs):
        ids, mask = inputs["input_ids"], inputs.get("attention_mask")
        seen.append((tuple(ids.shape), int(mask.sum()) if mask is not None else ids.numel()))

    return model.register_forward_pre_hook(note, with_kwargs=True)


@pytest.mark.parametrize("family", [*KEEPING, "Decoder", *REREADING])
def test_greedy_is_transformers_greedy(family, encoder, monkeypatch):
    """In any batch of mixed lengths a greedy completion is what `generate` gives for its prompt alone."""
    monkeypatch.setattr(generation, "ROWS", 4)
    monkeypatch.setattr(row_cache, "SLACK", 3)
    model = build(family)
    drawer = TextGenerator(model, encoder, frozenset(), TokenBudget(4096))
    given = [Draw(prompt, 0, Sampling(12, temperature=0)) for prompt in PROMPTS for _ in range(2)]

    found = drawer.complete(given)

    assert drawer.keeps_keys == (family not in REREADING)
    for draw, completion in zip(given, found, strict=True):
        ids = torch.tensor([draw.prompt])
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=None,
            pad_token_id=0,
        )
        assert completion.text == encoder.decode_continuation(
            draw.prompt, out[0, len(draw.prompt) :].tolist()
        )
        assert (completion.tokens, completion.finish) == (12, "length")


def test_cache_that_reads_other_columns_is_found_out():
    """A model that takes no notice of padding is not given rows of mixed lengths."""
    model = build("GPT2")
    forward = model.forward

    def heedless(input_ids, attention_mask=None, **inputs):
        return forward(input_ids, **{**inputs, "position_ids": None})

    model.forward = heedless

    assert not keys_can_be_kept(model)


@pytest.mark.parametrize("sampling", [Sampling(15), Sampling(15, temperature=0.7, top_p=0.9, top_k=50)])
@pytest.mark.parametrize("family", ["GPT2", "Llama", "Mistral", "Mamba"])
def test_samples_do_not_depend_on_the_batch(family, sampling, encoder, monkeypatch):
    """A completion is the same in any batch, in any order; its log-probabilities agree to a part in 10,000."""
    drawer = TextGenerator(build(family), encoder, frozenset(range(40)), TokenBudget(4096))
    given = draws(3, sampling)
    together = drawer.complete(given)
    backwards = drawer.complete(given[::-1])[::-1]
    monkeypatch.setattr(generation, "ROWS", 4)
    few = drawer.complete(given)
    alone = [drawer.complete([draw])[0] for draw in given]

    assert len({completion.tokens for completion in together}) > 3  # rows do come and go
    for other in (backwards, few, alone):
        for a, b in zip(together, other, strict=True):
            assert (a.text, a.finish, a.tokens) == (b.text, b.finish, b.tokens)
            assert a.token_logprobs == pytest.approx(b.token_logprobs, rel=1e-4, abs=1e-4)


def test_each_prompt_is_read_once_and_no_ended_row_is_computed(gpt2, encoder, monkeypatch):
    """The tokens computed are those of the distinct prompts, and one for each token that another one follows."""
    monkeypatch.setattr(generation, "ROWS", 4)
    drawer = TextGenerator(gpt2, encoder, frozenset(range(40)), TokenBudget(4096))
    seen = []
    hook = calls(gpt2, seen)
    found = drawer.complete(draws(6, Sampling(15)))
    hook.remove()

    steps = [shape for shape, _ in seen if shape[1] == 1 and shape[0] > 1]
    read = sum(tokens for shape, tokens in seen if shape[1] > 1)
    assert all(rows <= 4 for rows, _ in steps)
    assert read == sum(len(prompt) for prompt in PROMPTS if len(prompt) > 1)
    last = sum(completion.finish == "length" for completion in found)
    single = sum(shape == (1, 1) for shape, _ in seen) - 1  # one of them reads the prompt of one token
    assert sum(rows for rows, _ in steps) + single == sum(c.tokens for c in found) - last


def test_another_seed_is_another_sample(generator):
    """Samples of one prompt differ by their seed alone."""
    first, second, again = generator.complete([Draw(PROMPTS[0], seed, Sampling(15)) for seed in (1, 2, 1)])

    assert first.text == again.text
    assert first.text != second.text


@pytest.mark.parametrize(
    "sampling", [Sampling(10), Sampling(10, temperature=0.5, top_k=5), Sampling(10, temperature=0)]
)
def test_log_probabilities_are_the_models_own(gpt2, encoder, generator, sampling):
    """Each token's log-probability is that of a pass over the whole text, whatever the temperature."""
    found = generator.complete(draws(1, sampling))

    for draw, completion in zip(draws(1, sampling), found, strict=True):
        # What was generated is found again by its log-probabilities: the decoded text may be encoded otherwise.
        ids, logprobs = list(draw.prompt), []
        for expected in completion.token_logprobs:
            distribution = gpt2(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)
            token = int((distribution - expected).abs().argmin())
            logprobs.append(float(distribution[token]))
            ids.append(token)
        assert completion.token_logprobs == pytest.approx(logprobs, abs=1e-4)
        assert encoder.decode_continuation(draw.prompt, ids[len(draw.prompt) :]) == completion.text


class TestStops:
    def test_end_token(self, gpt2, encoder):
        """An end token ends the text, and is no part of it."""
        ending = TextGenerator(gpt2, encoder, frozenset(range(400)), TokenBudget(4096))
        (ended,) = ending.complete([Draw(PROMPTS[0], 5, Sampling(15))])

        assert (ended.text, ended.finish, ended.tokens, ended.token_logprobs) == ("", "stop", 0, ())

    @pytest.mark.parametrize("place", [0, 1, 5, 17])
    @pytest.mark.parametrize("length", [1, 2, 7])
    def test_stop_string_is_cut_exactly(self, generator, place, length):
        """A stop string, wherever it lies across the tokens, ends the text before it."""
        for draw in draws(2, Sampling(30)):
            (whole,) = generator.complete([draw])
            stop = whole.text[place : place + length]
            if "\ufffd" in stop:  # which is also what stands for the first half of a character
                continue
            (cut,) = generator.complete([replace_stop(draw, "never seen", stop)])

            assert (cut.text, cut.finish) == (whole.text[: whole.text.index(stop)], "stop")
            assert cut.tokens <= whole.tokens
            assert cut.token_logprobs == whole.token_logprobs[: cut.tokens]

    def test_generation_ends_with_the_stop_string(self, generator):
        """No token is drawn after the one that completes the stop string."""
        (whole,) = generator.complete([Draw(PROMPTS[0], 5, Sampling(30))])
        stop = whole.text[:2]
        (cut,) = generator.complete([Draw(PROMPTS[0], 5, Sampling(30, stop=(stop,)))])

        assert cut.tokens <= 2

    def test_stop_string_in_the_prompt_is_none(self, generator, encoder):
        """What stands in the prompt does not stop what follows."""
        prompt = encoder.prompt("The harbour was quiet.").ids
        (whole,) = generator.complete([Draw(prompt, 3, Sampling(10))])
        (same,) = generator.complete([Draw(prompt, 3, Sampling(10, stop=(" quiet.",)))])

        assert " quiet." not in whole.text
        assert same == whole


def test_characters_of_several_tokens_come_out_whole(generator, encoder, monkeypatch):
    """Text of many bytes a character is decoded as a whole, and stops work in it."""
    text = " naïve 漢字 🙂 done"
    script = encoder.prompt(text).ids
    drawn = iter([*script, *script])

    def scripted(logits, *_):
        return torch.tensor([next(drawn)] * len(logits)), torch.zeros(len(logits))

    monkeypatch.setattr(generation, "choose", scripted)
    draw = Draw(encoder.prompt("The harbour").ids, 0, Sampling(len(script)))
    (whole,) = generator.complete([draw])
    drawn = iter(script)
    (cut,) = generator.complete([replace_stop(draw, "🙂")])

    assert whole.text == text
    assert (cut.text, cut.finish) == (" naïve 漢字 ", "stop")


def test_nothing_to_generate(generator):
    """No draws give no completions, and no tokens no text."""
    (empty,) = generator.complete([Draw(PROMPTS[0], 0, Sampling(0))])

    assert generator.complete([]) == []
    assert (empty.text, empty.finish, empty.tokens) == ("", "length", 0)


class TestStream:
    @pytest.fixture
    def mixed(self):
        """Draws whose prompts become longer and shorter, each with a sampling of its own."""
        kinds = [
            Sampling(9),
            Sampling(4, temperature=0),
            Sampling(14, top_k=3),
            Sampling(0),
            Sampling(6, top_p=0.5),
        ]
        return [
            Draw(tuple(range(5, 5 + length)), 100 * length + i, sampling)
            for length in (3, 40, 2, 70, 1, 8)
            for i, sampling in enumerate(kinds)
        ]

    @pytest.mark.parametrize("family", ["GPT2", "Mistral", "Mamba"])
    def test_same_as_alone(self, family, encoder, mixed, monkeypatch):
        """Whatever comes before and after it in the stream, a completion is the one that it is alone."""
        monkeypatch.setattr(generation, "ROWS", 5)
        monkeypatch.setattr(generation, "AHEAD", 3)
        monkeypatch.setattr(generation, "COLUMNS", 4)
        monkeypatch.setattr(row_cache, "SLACK", 3)
        drawer = TextGenerator(build(family), encoder, frozenset(range(40)), TokenBudget(4096))

        found = dict(drawer.stream(mixed))

        assert len(found) == len(mixed)
        for draw in mixed:
            (alone,) = drawer.complete([draw])
            assert (found[draw].text, found[draw].finish) == (alone.text, alone.finish)
            assert found[draw].token_logprobs == pytest.approx(alone.token_logprobs, rel=1e-4, abs=1e-4)

    def test_long_prompt_narrows_the_batch_for_its_time_only(self, gpt2, encoder, monkeypatch):
        """A batch holds as many rows as its longest row allows, and more again when that has ended."""
        budget = TokenBudget(4)
        drawer = TextGenerator(gpt2, encoder, frozenset(), budget)
        long = [Draw(tuple(range(5, 25)), i, Sampling(5)) for i in range(3)]
        short = [Draw((5 + i,), i, Sampling(5)) for i in range(60)]
        monkeypatch.setattr(generation, "COLUMNS", 1)
        seen = []
        hook = calls(gpt2, seen)
        found = dict(drawer.stream([*long, *short]))
        hook.remove()

        rows = [rows for (rows, _), _ in seen]
        assert len(found) == 63
        assert max(rows[:5]) == 1  # 8 * 4 tokens kept: one row of 25
        assert max(rows) == 5  # five rows of 6

    def test_samples_of_one_prompt_may_have_different_lengths(self, gpt2, encoder, monkeypatch):
        """The batch has room for the longest completion of a prompt, whichever sample comes first."""
        monkeypatch.setattr(generation, "COLUMNS", 1)
        monkeypatch.setattr(row_cache, "SLACK", 0)
        drawer = TextGenerator(gpt2, encoder, frozenset(), TokenBudget(4096))
        given = [Draw(PROMPTS[0], i, Sampling(most)) for i, most in enumerate((2, 40, 3))]

        found = dict(drawer.stream(given))

        assert [found[draw].tokens for draw in given] == [2, 40, 3]

    def test_answers_come_while_draws_are_taken(self, generator):
        """The first answer is there before most draws are taken, after as many steps as it has tokens."""
        taken = []

        def draws():
            for i in range(2_000):
                taken.append(i)
                yield Draw(PROMPTS[i % 2], i, Sampling(10))

        stream = generator.stream(draws())
        next(stream)

        assert len(taken) <= generation.AHEAD + generation.FIRST_ROWS + 1
        stream.close()

    def test_few_rows_until_the_first_ends(self, gpt2, generator):
        """The first steps are short, so that the first answer comes soon; later ones fill all places."""
        seen = []
        hook = calls(gpt2, seen)
        stream = generator.stream(Draw(PROMPTS[0], i, Sampling(10)) for i in range(200))
        next(stream)
        first = max(rows for (rows, _), _ in seen)
        list(stream)
        hook.remove()

        assert first == generation.FIRST_ROWS
        assert max(rows for (rows, _), _ in seen) == generation.ROWS


class TestMemory:
    @pytest.fixture
    def crowded(self, encoder):
        """A generator whose memory has room for two rows."""
        model = build("GPT2")
        drawer = TextGenerator(model, encoder, frozenset(range(40)), TokenBudget(4096))

        def refuse(_, __, inputs):
            if len(inputs["input_ids"]) > 2:
                raise torch.OutOfMemoryError

        model.register_forward_pre_hook(refuse, with_kwargs=True)
        return drawer

    def test_out_of_memory_loses_nothing(self, crowded, gpt2, encoder):
        """Where memory runs out, fewer rows at a time give the same completions."""
        roomy = TextGenerator(gpt2, encoder, frozenset(range(40)), TokenBudget(4096))
        expected = roomy.complete(draws(3, Sampling(15)))

        found = crowded.complete(draws(3, Sampling(15)))

        assert [c.text for c in found] == [c.text for c in expected]
        assert crowded.budget.tokens < 4096

    def test_row_that_does_not_fit_alone(self, crowded):
        """A prompt that does not fit by itself is a failure, and the others are answered."""

        def refuse(_, __, inputs):
            if inputs["input_ids"].shape[1] > 6:
                raise torch.OutOfMemoryError

        crowded._forward._model.register_forward_pre_hook(refuse, with_kwargs=True)
        found = crowded.complete(draws(2, Sampling(5)))

        assert found[:2] == [OUT_OF_MEMORY] * 2
        assert all(isinstance(completion, Completion) for completion in found[2:])


def test_rows_that_end_leave_few_moves():
    """Rows beyond the new end fill the holes; all others stay."""
    assert compacted([0, 2, 3]) == [0, 3, 2]
    assert compacted([0, 1]) == [0, 1]
    assert compacted([4, 5]) == [5, 4]
    assert compacted([]) == []
