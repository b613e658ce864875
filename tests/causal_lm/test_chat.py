"""Prompts in a chat template."""

from __future__ import annotations

import json
import shutil

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.causal_lm.chat import Chat
from gptaudit.errors import TargetError
from gptaudit.records import Failure, GenerateRequest, Message, Sampling, ScoreRequest

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + TEMPLATE
)
USERS_ONLY = "{% for m in messages if m.role == 'user' %}{{ m.content }}\n{% endfor %}"
SILENT = "{% for m in messages %}[{{ m['role'] }}]\n{% endfor %}"
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}{{ part['text'] }}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
DATED = "Today is {{ strftime_now('%d %B %Y') }}.\n" + TEMPLATE
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


@pytest.fixture
def tokenizer(llama_folder):
    """Return how to give a tokenizer a chat template."""

    def with_template(template):
        tokenizer = AutoTokenizer.from_pretrained(llama_folder)
        tokenizer.chat_template = template
        return tokenizer

    return with_template


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

    assert open_hf(folder, HuggingFaceOptions(chat=True)).capabilities == {
        "generate",
        "chat",
        "continue",
    }
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
        (NO_SYSTEM, {"chat": True, "system": "Be kind."}, "no system here; add -b fold_system=true"),
        (
            USERS_ONLY,
            {"chat": True, "system": "Be kind."},
            "leaves out .* role 'system'; add -b fold_system=true",
        ),
        (SILENT, {"chat": True}, "leaves out .* role 'user'.*leave chat out, or save the tokenizer with"),
        (SILENT, {"chat": True, "system": "Be kind."}, "[^m]: chat=true: .* leaves out"),
        (TEMPLATE, {"system": "Be kind."}, "add chat=true"),
        (TEMPLATE, {"fold_system": True}, "add chat=true"),
        (TEMPLATE, {"date": "2031-03-07"}, "add chat=true"),
        (TEMPLATE, {"chat": True, "date": "2031-03-07"}, "asks for no date"),
        (DATED, {"chat": True, "date": "yesterday"}, "YYYY-MM-DD, found 'yesterday'"),
        ("{% broken", {"chat": True}, "the chat template cannot render the messages"),
        ("{{ messages[0].content + 1 }}", {"chat": True}, "cannot render the messages: TypeError"),
    ],
)
def test_refused(chatting, template, options, message):
    """What cannot be rendered is an error at opening that says what to do."""
    with pytest.raises(TargetError, match=message):
        open_hf(str(chatting(template)), HuggingFaceOptions(**options))


class TestTokensRead:
    """Plans count the tokens of a prompt without asking the model, those of the template included."""

    @pytest.mark.parametrize("system", ["", "Be kind."])
    def test_as_the_answers_say(self, chatting, system):
        """They are as many as the model says that it read; a request that it cannot read has none."""
        backend = open_hf(str(chatting(TEMPLATE)), HuggingFaceOptions(chat=True, system=system))
        talk = (Message("user", "4a"), Message("assistant", "\U0001f600"), Message("user", "Again?"))
        asked = [GenerateRequest(prompt, REQUEST.sampling) for prompt in ("", "a\u200bb", talk, "a " * 999)]
        answers = backend.generate(asked, seed=0)
        read = [0 if isinstance(answer, Failure) else answer.prompt_tokens for answer in answers]
        scored = [ScoreRequest("The nurse", " slept."), ScoreRequest("", "The nurse")]

        assert backend.tokens_read(asked) == read
        assert (min(read[:2]) > 0, read[3]) == (True, 0)
        assert backend.tokens_read(scored) == [
            one.context_tokens + len(one.token_logprobs) for one in backend.score(scored)
        ]

    def test_in_the_plan(self, chatting, gptaudit, tmp_path):
        """A plan of few requests has exactly the tokens that the audit then reads, coded ones too."""
        call = (
            "run",
            f"hf:{chatting(TEMPLATE)}",
            "-b",
            "chat=true",
            "-p",
            "harmful-requests",
            "--limit",
            "2",
        )
        planned = gptaudit(*call, "--attack", "leetspeak", "--dry-run").out
        ran = gptaudit(*call, "--attack", "leetspeak", "-o", "out")
        cost = json.loads((tmp_path / "out" / "results.json").read_text())["run"]["cost"]

        assert ran.code in (0, 4)
        assert cost["input_tokens"] > 0
        assert f"{cost['requests']} requests: about {cost['input_tokens']:,} tokens to read" in planned


class TestContent:
    """Some templates read a content as text, some as a list of parts."""

    @pytest.mark.parametrize("system", ["", "Be kind."])
    def test_as_parts(self, chatting, system):
        """A template that goes through the parts of a content is given parts, and the message is read."""
        backend = open_hf(str(chatting(PARTS)), HuggingFaceOptions(chat=True, system=system))
        (empty, asked) = backend.generate([GenerateRequest("", REQUEST.sampling), REQUEST], seed=0)

        assert backend.details["chat_content"] == "parts"
        assert asked.prompt_tokens > empty.prompt_tokens

    @pytest.mark.parametrize(
        "template", [TEMPLATE, "{% if messages[0].content is string %}" + TEMPLATE + "{% endif %}"]
    )
    def test_as_text(self, tokenizer, template):
        """A template that takes text is given text."""
        assert "chat_content" not in Chat(tokenizer(template)).details

    def test_parts_only(self, tokenizer):
        """A template that refuses text, and not only prints nothing for it, is given parts too."""
        only = "{% if messages[0].content is string %}{{ raise_exception('give parts') }}{% endif %}" + PARTS

        assert Chat(tokenizer(only)).details == {"chat_content": "parts"}


class TestLeftOut:
    """A rendered prompt holds every message, or the request fails."""

    @pytest.mark.parametrize("text", ["  The harbour\n", "a {{ brace }} and {% block %}", "", "\n \n"])
    def test_all_there(self, tokenizer, text):
        """White space around a text is the template's to keep; an empty text is no message that is missing."""
        assert isinstance(Chat(tokenizer("{{ messages[0].content | trim }}|")).render(text), str)

    def test_cut(self, chatting):
        """A message of which the template cuts something off fails alone, and says why."""
        backend = open_hf(
            str(chatting("{% for m in messages %}{{ m.content.split('#')[0] }}\n{% endfor %}")),
            HuggingFaceOptions(chat=True),
        )
        cut = GenerateRequest("The harbour # was quiet", REQUEST.sampling)
        dropped, whole = backend.generate([cut, REQUEST], seed=0)

        assert (dropped.reason, whole.finish) == ("template-dropped-message", "length")
        assert "role 'user'" in dropped.message

    def test_earlier_turn(self, tokenizer):
        """A template that prints the last message alone drops the earlier ones, even those that the last one holds."""
        chat = Chat(tokenizer("{{ messages[-1].content }}"))
        turns = (Message("user", "harbour"), Message("assistant", "Hm?"), Message("user", "The harbour. Hm?"))

        assert isinstance(chat.render("harbour"), str)
        assert chat.render(turns).reason == "template-dropped-message"

    def test_system_before_the_last_turn(self, tokenizer):
        """A template may print the system message wherever it belongs."""
        late = "{% for m in messages[1:] %}{{ (messages[0].content if loop.last else '') + m.content }};{% endfor %}"
        turns = (Message("user", "One"), Message("assistant", "Two"), Message("user", "Three"))

        assert Chat(tokenizer(late), "Be kind. ").render(turns) == "One;Two;Be kind. Three;"

    def test_what_a_template_raises(self, tokenizer):
        """A conversation that a template refuses fails with the template's words."""
        failure = Chat(tokenizer(NO_SYSTEM)).render((Message("system", "Be kind."), Message("user", "Hello")))

        assert failure.reason == "template"
        assert "no system here" in failure.message


class TestFoldedSystem:
    def test_before_the_first_user_message(self, tokenizer):
        """The system text stands before the user's first message, the program's or a conversation's own."""
        chat = Chat(tokenizer(NO_SYSTEM), "Be kind.", fold_system=True)
        turns = (Message("user", "One"), Message("assistant", "Two"), Message("user", "Three"))
        own = (Message("system", "Be brief."), *turns)

        assert chat.details == {"system": "folded into the user's turn"}
        assert "[user] Be kind.\n\nHello\n" in chat.render("Hello")
        assert "[user] Be kind.\n\nOne\n[assistant] Two\n[user] Three\n" in chat.render(turns)
        assert "[user] Be brief.\n\nOne\n" in chat.render(own)

    def test_another_model(self, chatting):
        """Folding changes the prompts, so it changes the fingerprint, and the results say it."""
        folder = str(chatting(TEMPLATE))
        plain, folded = (
            open_hf(folder, HuggingFaceOptions(chat=True, system="Be kind.", fold_system=fold))
            for fold in (False, True)
        )

        assert plain.fingerprint != folded.fingerprint
        assert folded.details["system"] == "folded into the user's turn"


class TestDate:
    def test_the_date_is_fixed_and_part_of_the_identity(self, chatting):
        """Answers to prompts with one date are never taken for those to prompts with another."""
        folder = str(chatting(DATED))
        default, again, other = (
            open_hf(folder, HuggingFaceOptions(chat=True, date=date))
            for date in ("", "2026-01-01", "2031-03-07")
        )

        assert default.details["chat_date"] == "2026-01-01"
        assert other.details["chat_date"] == "2031-03-07"
        assert default.fingerprint == again.fingerprint != other.fingerprint

    def test_what_is_read(self, tokenizer):
        """The prompt holds the day that was given, and not today's."""
        assert Chat(tokenizer(DATED), date="2031-03-07").render("Hello").startswith("Today is 07 March 2031.")


class TestRealTemplates:
    """SmolLM2's tokenizer, whose special tokens are those of ChatML."""

    @pytest.fixture
    def smollm(self, real_models):
        return AutoTokenizer.from_pretrained(real_models / "smollm2")

    def test_its_own(self, smollm):
        """The template that the model is published with is given text and keeps every message."""
        chat = Chat(smollm, "Be kind.")

        assert chat.details == {}
        assert chat.render("Hello") == (
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
        )

    def test_no_character_differs(self, smollm):
        """A prompt of several turns is what transformers renders."""
        turns = (Message("user", "One"), Message("assistant", "Two"), Message("user", "Three"))
        given = [{"role": turn.role, "content": turn.content} for turn in turns]

        expected = smollm.apply_chat_template(given, tokenize=False, add_generation_prompt=True)
        assert Chat(smollm).render(turns) == expected


class TestBegunAnswers:
    BEGUN = (Message("user", "The harbour"), Message("assistant", "It is"))

    def test_the_model_continues_the_answer(self, chatting):
        """The rendered text ends with the beginning, and the completion is what comes after it."""
        backend = open_hf(str(chatting(TEMPLATE)), HuggingFaceOptions(chat=True))
        (answer,) = backend.generate([GenerateRequest(self.BEGUN, Sampling(4, temperature=0))], seed=0)

        assert "continue" in backend.capabilities
        assert answer.tokens is not None
        assert not answer.text.startswith("It is")

    def test_it_ends_with_what_was_begun(self, tokenizer):
        """Neither the end of the turn nor a new turn follows."""
        assert Chat(tokenizer(TEMPLATE)).render(self.BEGUN).endswith("[user] The harbour\n[assistant] It is")

    @pytest.mark.parametrize(
        "template", [USERS_ONLY, TEMPLATE + "{% if add_generation_prompt %}<think>{% endif %}"]
    )
    def test_not_every_template_can(self, tokenizer, template):
        """One that leaves out the answer cannot, and one whose model thinks before it."""
        assert not Chat(tokenizer(template)).continues
