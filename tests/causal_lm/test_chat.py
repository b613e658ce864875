"""Prompts in a chat template."""

from __future__ import annotations

import shutil

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.errors import TargetError
from gptaudit.records import GenerateRequest, Sampling

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + TEMPLATE
)
REQUEST = GenerateRequest("The harbour", Sampling(8, temperature=0))


@pytest.fixture
def chatting(tmp_path, llama_folder):
    """Return how to save a model with a chat template, whose tokenizer adds a start token by itself too."""

    def save(template):
        folder = tmp_path / "chat"
        shutil.copytree(llama_folder, folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(folder)
        return folder

    return save


def test_prompt_is_a_users_message(chatting):
    """The model reads what transformers renders, with one start token, and answers after it."""
    folder = chatting(TEMPLATE)
    backend = open_hf(str(folder), HuggingFaceOptions(chat=True, system="Be kind."))
    (answer,) = backend.generate([REQUEST], seed=0)

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    text = "<|endoftext|>[system] Be kind.\n[user] The harbour\n[assistant]"
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    assert ids["input_ids"][0].tolist().count(0) == 1
    out = model.generate(**ids, do_sample=False, max_new_tokens=8, eos_token_id=None, pad_token_id=0)[0]
    assert answer.prompt_tokens == ids["input_ids"].shape[1]
    assert text.removeprefix("<|endoftext|>") + answer.text == tokenizer.decode(out, skip_special_tokens=True)


def test_only_what_a_chat_can_answer_is_declared(chatting):
    """Likelihoods and attributions, which are about a text as it stands, are not offered in a chat."""
    folder = str(chatting(TEMPLATE))

    assert open_hf(folder, HuggingFaceOptions(chat=True)).capabilities == {"generate", "chat"}
    assert "chat" not in open_hf(folder, HuggingFaceOptions()).capabilities


def test_answers_of_a_chat_are_kept_apart(chatting):
    """Chat and system message decide the answers, so they are part of the fingerprint."""
    folder = str(chatting(TEMPLATE))
    settings = [{}, {"chat": True}, {"chat": True, "system": "Be kind."}]

    assert len({open_hf(folder, HuggingFaceOptions(**given)).fingerprint for given in settings}) == 3


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        (None, {"chat": True}, "no chat template; leave chat out"),
        (NO_SYSTEM, {"chat": True, "system": "Be kind."}, "no system here; leave system out"),
        (TEMPLATE, {"system": "Be kind."}, "add chat=true"),
        ("{% broken", {"chat": True}, "the chat template cannot render the messages"),
    ],
)
def test_refused(chatting, template, options, message):
    """What cannot be rendered is an error at opening that says what to do."""
    with pytest.raises(TargetError, match=message):
        open_hf(str(chatting(template)), HuggingFaceOptions(**options))
