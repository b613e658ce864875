"""Probabilities of an answer's first token, against the softmax of transformers."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.protocols.choosing import TRIAL
from gptaudit.records import Choice, ChooseRequest, Failure, Message
from gptaudit.run.selection import collect
from gptaudit.testing import ScriptedBackend


def next_token(folder, text, starts):
    """Return the probability of each token after a text, as transformers has it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = [*starts, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].double().softmax(-1), tokenizer


@pytest.mark.parametrize(("name", "starts"), [("gpt2_folder", ()), ("llama_folder", (0,))])
def test_an_option_has_the_probability_of_its_spellings(request, name, starts):
    """It is the sum over the tokens that spell it, with and without a space."""
    folder = request.getfixturevalue(name)
    backend = open_hf(str(folder), HuggingFaceOptions(device="cpu"))
    probabilities, tokenizer = next_token(folder, "The harbour was", starts)
    encoder = Encoder(tokenizer)
    tokens = encoder.tokens_after("The harbour was", [(option, f" {option}") for option in "abz"])
    expected = [float(sum(probabilities[token] for token in of_option)) for of_option in tokens]

    (found,) = backend.choose([ChooseRequest("The harbour was", ("a", "b", "z"))])

    assert found.least == found.most == pytest.approx(expected, rel=1e-4)
    assert found.prompt_tokens == len(tokenizer("The harbour was")["input_ids"])


def test_what_cannot_be_chosen_says_why(gpt2_folder):
    """An option of many tokens, a conversation without a template, and a prompt beyond the window are failures."""
    backend = open_hf(str(gpt2_folder), HuggingFaceOptions(device="cpu"))
    asked = [
        ChooseRequest("The harbour was", ("a", "unfathomable beyond")),
        ChooseRequest((Message("user", "Hello"),), ("a", "b")),
        ChooseRequest("The harbour was quiet. " * 60, ("a", "b")),
        ChooseRequest("The harbour was", ("a", "b")),
    ]

    *failed, chosen = backend.choose(asked)

    assert [type(one) for one in failed] == [Failure] * 3
    assert [one.reason for one in failed] == ["not-one-token", "no-chat", "too-long"]
    assert isinstance(chosen, Choice)


def test_a_model_that_does_not_begin_with_a_letter_is_asked_to_write_one(gpt2_folder):
    """A random model gives every token a little, so the letters are not believed."""
    backend = open_hf(str(gpt2_folder), HuggingFaceOptions(device="cpu"))

    assert "choose" not in backend.capabilities


def test_a_real_chat_model_gives_the_letters_of_its_template(real_models):
    """SmolLM2 begins with a letter; its probabilities are those of transformers after the rendered question."""
    folder = real_models / "smollm2"
    backend = open_hf(str(folder), HuggingFaceOptions(device="cpu", chat=True))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": TRIAL.prompt}], tokenize=False, add_generation_prompt=True
    )
    probabilities, _ = next_token(folder, text, ())

    (found,) = backend.choose([TRIAL])

    assert "choose" in backend.capabilities
    letters = [[tokenizer.convert_tokens_to_ids(t) for t in (letter, f"Ġ{letter}")] for letter in "AB"]
    assert found.least == pytest.approx([float(probabilities[ids].sum()) for ids in letters], rel=1e-4)


def test_elicited_asks_for_letters_where_likelihoods_could_be_had():
    """A target that has both is asked in the form that was wanted; a probe without another form in its own."""
    from gptaudit.plugins import load_plugins
    from gptaudit.probe import ProbeContext
    from gptaudit.run.scorers import Scorers

    plugins = load_plugins()
    backend = ScriptedBackend(score=lambda *_: -1.0, choose=lambda *_: (0.9, 0.1))
    context = ProbeContext(None, 0)

    def form(name, *, elicited):
        probe = plugins.probes[name]
        given = {"limit": None, "named": True, "elicited": elicited}
        return collect(probe, context, backend, plugins, Scorers(plugins, {}), **given).method.get("form")

    assert form("gender-trait", elicited=False) is None
    assert form("gender-trait", elicited=True) == "elicited by probability"
    assert form("gender-association", elicited=True) is None
