"""Explanations that only ask: against formulas, the same weights in this process, and exact Shapley values."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from gptaudit.attribution.black_box import WordExplainer
from gptaudit.attribution.outcomes import begins
from gptaudit.attribution.question import plain_value
from gptaudit.attribution.word_methods import WORD_METHODS
from gptaudit.backends.decoder import open_decoder
from gptaudit.backends.openai import open_openai
from gptaudit.backends.replay import open_replay
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import BackendError, PluginError, UsageError
from gptaudit.protocols.attribution import WordMethod
from gptaudit.protocols.options import ChatOptions
from gptaudit.records import Failure
from gptaudit.records.words import split_words
from gptaudit.remote.options import RemoteOptions
from gptaudit.testing import ScriptedBackend, toy_model
from gptaudit.testing.faulty_server import FaultyServer

OCCLUSION, SHAPLEY = WORD_METHODS
PROMPT = "The nurse said that"


def explained(backend, method=OCCLUSION, prompt=PROMPT, target=" she", foil=" he", **how):
    explainer = WordExplainer(backend)
    return explainer.explain(explainer.plan(prompt, target, foil, method, **how))


def by_word(found):
    return {word.text.strip(): word.score for word in found.words}


@pytest.fixture(scope="module")
def decoder():
    return open_decoder("reference", TorchOptions())


def by_hand(decoder, text):
    """Return log P(" she") - log P(" he") after a text, by a plain forward pass."""
    return plain_value(decoder.model, decoder.encoder.question(text, " she", " he"))


class TestLikelihoods:
    def test_by_hand(self, decoder):
        """Each score is the fall when that word alone becomes three dots."""
        found = explained(decoder)
        texts = ["... nurse said that", "The ... said that", "The nurse ... that", "The nurse said ..."]
        whole = by_hand(decoder, PROMPT)

        assert list(by_word(found)) == ["The", "nurse", "said", "that"]
        assert found.attribution.scores == pytest.approx(
            [whole - by_hand(decoder, text) for text in texts], abs=1e-4
        )
        assert found.attribution.baseline_contrast == pytest.approx(
            by_hand(decoder, "... ... ... ..."), abs=1e-4
        )
        assert found.attribution.converged is None
        assert found.asking.intervals == (None,) * 4

    def test_spaces_at_the_end_go_to_the_target(self, decoder):
        """A prompt that ends with a space is the prompt without it, and a target with it."""
        found = explained(decoder, prompt=f"{PROMPT} ", target="she", foil="he")

        assert found.attribution.scores == explained(decoder).attribution.scores

    @pytest.mark.parametrize("method", WORD_METHODS)
    def test_a_server_with_the_same_weights_says_the_same(self, decoder, monkeypatch, method):
        """What the echoed log-probabilities of a server give is what the weights give here."""

        def tokens(text):
            return [text[a:b] for a, b in decoder.encoder.prompt(text).offsets] if text else []

        @torch.no_grad()
        def logprobs(found, start=""):
            ids = torch.tensor([decoder.encoder.prompt("".join(found[1:])).ids])
            assert ids.shape[1] == len(found)
            said = decoder.model(ids).logits[0].double().log_softmax(-1)
            return [None, *said[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()]

        weights = SimpleNamespace(
            tokens=tokens, logprobs=logprobs, write=lambda *_, **__: [" and"], likeliest=toy_model.likeliest
        )
        monkeypatch.setattr("gptaudit.testing.faulty_server.toy_model", weights)
        with FaultyServer(start_token="<|endoftext|>", chat=False, top_logprobs=False) as server:
            backend = open_openai("toy", RemoteOptions(base_url=server.url))
            asked = server.requests.total()
            explainer = WordExplainer(backend)
            plan = explainer.plan(PROMPT, " she", " he", method)
            remote = explainer.explain(plan)
            asked = server.requests.total() - asked

        assert remote.attribution.scores == pytest.approx(
            explained(decoder, method).attribution.scores, abs=1e-4
        )
        assert asked == remote.asking.requests
        assert remote.attribution.steps <= asked <= plan.most

    def test_a_model_of_the_last_word(self):
        """Where only the last word counts, it has all of the score, by the formula of the toy model."""
        with FaultyServer(start_token="<s>") as server:
            found = explained(
                open_openai("toy", RemoteOptions(base_url=server.url)), target=" slept", foil=None
            )
        expected = toy_model.logprob(" that", " slept") - toy_model.logprob(" ...", " slept")

        assert by_word(found) == pytest.approx({"The": 0, "nurse": 0, "said": 0, "that": expected}, abs=1e-9)

    def test_shapley_values_are_the_exact_ones(self):
        """Over all orders the mean is the Shapley value; it adds up, and intervals over 25 orders cover it."""
        words = PROMPT.split()

        def score(context, continuation):
            kept = [word in context.split() for word in words]
            joint = 2.0 * (kept[0] and kept[1]) + kept[2] * 0.5 - 3.0 * (kept[1] and kept[3]) - 5.0
            return joint if continuation == " she" else -5.0

        exact = [1.0, 1.0 - 1.5, 0.5, -1.5]
        covered = 0
        for seed in range(20):
            found = explained(ScriptedBackend(score=score), SHAPLEY, seed=seed)
            assert sum(found.attribution.scores) == pytest.approx(-0.5)
            assert found.attribution.converged
            covered += sum(
                interval is None or low - 1e-9 <= value <= high + 1e-9
                for value, interval in zip(exact, found.asking.intervals, strict=True)
                for low, high in [interval or (value, value)]
            )

        assert covered >= 0.9 * 80


class TestFaithfulness:
    """Whether the words of the largest scores matter, of targets whose answers are exact."""

    def test_by_hand(self):
        """Of words that add up, the first one or two of four are left out, or stay alone: 1 and 1 %, 5 %, ... 50 %."""
        worth = {"The": 1.0, "nurse": 2.0, "said": -0.5, "that": 0.25}

        def score(context, continuation):
            return sum(worth.get(word, 0.0) for word in context.split()) if continuation == " she" else 0.0

        for sign, sides in ((1, (" she", " he")), (-1, (" he", " she"))):
            found = explained(ScriptedBackend(score=score), target=sides[0], foil=sides[1]).faithfulness
            with_first, alone = 4 * 2.0 + 3.0, 4 * 0.75 - 0.25

            assert found.comprehensiveness == pytest.approx(with_first / 5)
            assert found.sufficiency == pytest.approx(alone / 5)
            assert max(found.random_comprehensiveness) <= with_first / 5 + 1e-9
            assert min(found.random_sufficiency) >= alone / 5 - 1e-9
            assert len(set(found.random_comprehensiveness)) > 1, sign
            for curve, values, area in (
                (found.deletion, [2.75, 0.75, -0.25, 0], 0.4375),
                (found.insertion, [0, 2, 3, 2.75], 2.75 - 0.4375),
            ):
                assert curve.shares == (0, 0.25, 0.5, 1)
                assert curve.values == pytest.approx(values)
                assert curve.area == pytest.approx(area)
            assert min(found.deletion.random_areas) >= found.deletion.area - 1e-9
            assert max(found.insertion.random_areas) <= found.insertion.area + 1e-9
            assert not found.failures

    def test_words_that_stand_in_for_each_other(self):
        """Of four words of which one suffices, none alone is missed: that occlusion calls a fifth the first, fails."""

        def score(context, continuation):
            kept = [word in context.split() for word in ("a", "b", "c", "d")]
            return 5.0 * any(kept) + 0.1 * ("e" in context.split()) if continuation == " she" else 0.0

        found = explained(ScriptedBackend(score=score), prompt="a b c d e")

        assert found.faithfulness.sufficiency == pytest.approx((4 * 5.0 + 0.0) / 5)
        assert found.failures

    @pytest.mark.parametrize("method", WORD_METHODS)
    @pytest.mark.parametrize("seed", range(5))
    def test_no_more_is_asked_than_was_said(self, method, seed):
        """Whatever the scores are, the requests stay within their number, which --max-requests limits."""
        drawn, asked = random.Random(seed), []

        def score(context, continuation):
            asked.append((context, continuation))
            return -drawn.random()

        explainer = WordExplainer(ScriptedBackend(score=score))
        prompt = "The nurse who had worked there for many years said that"
        usual = explainer.plan(prompt, " she", " he", method, seed=seed)
        found = explainer.explain(usual, seed=seed)
        assert len(asked) == found.asking.requests <= usual.most
        assert usual.most - len(asked) <= 2 * 2 * 5

        small = explainer.plan(prompt, " she", " he", method, seed=seed, most_requests=usual.most - 1)
        assert small.most <= usual.most - 1
        assert explainer.explain(small, seed=seed).faithfulness is None

    def test_what_cannot_be_checked(self):
        """One word has no order, and of sampled answers each set of words would take as many as a word."""
        one = explained(ScriptedBackend(score=lambda context, side: -1.0), prompt="The")
        sampled = explained(ScriptedBackend(complete=lambda prompt, sample: "She"))

        assert one.faithfulness is None
        assert sampled.faithfulness is None


def first_tokens(prompt):
    """Return how likely each first token of an answer is: "nurse" makes "She" likelier."""
    if "colour" in prompt:
        return {"A": 0.9, "B": 0.1}
    she = 0.6 if "nurse" in prompt else 0.2
    return {" She": she, "He": 0.7 - she, "The": 0.25}


class TestFirstTokens:
    """Targets that show how likely the first tokens of an answer are, such as chat servers with `top_logprobs`."""

    @pytest.fixture
    def server(self):
        with FaultyServer(first_tokens=first_tokens, completions=False) as server:
            yield server

    def test_scores_are_exact_and_few_requests_suffice(self, server):
        """Each set of words is asked about once, and the score is the change of P(She) - P(He)."""
        explainer = WordExplainer(open_openai("toy", RemoteOptions(base_url=server.url)))
        plan = explainer.plan(PROMPT, "She", "He", OCCLUSION)
        before = server.requests.total()
        found = explainer.explain(plan)

        assert found.asking.through == "probabilities of the first token"
        assert found.unit == "probability"
        assert by_word(found) == pytest.approx({"The": 0, "nurse": 0.8, "said": 0, "that": 0}, abs=1e-9)
        assert found.asking.neither == pytest.approx(0.3)
        assert found.asking.unknown == 0
        assert found.faithfulness.comprehensiveness == pytest.approx(0.8)
        assert not found.failures
        assert server.requests.total() - before == found.asking.requests <= plan.most < 50

    def test_what_is_not_shown_may_be_off_and_is_no_score(self, server):
        """A side that no shown token spells is known to be no likelier than they are, which no score exceeds."""
        found = explained(
            open_openai("toy", RemoteOptions(base_url=server.url)), target="Somebody", foil=None
        )

        assert found.asking.unknown == pytest.approx(0.025)
        assert "what the target does not show" in " ".join(found.failures)

    def test_answers_are_sampled_where_it_is_asked_for_or_a_side_has_several_words(self, server):
        """Of several words the first token says too little."""
        backend = open_openai("toy", RemoteOptions(base_url=server.url))
        for plan in (
            WordExplainer(backend, sampled=True).plan(PROMPT, "She", "He", OCCLUSION),
            WordExplainer(backend).plan(PROMPT, "She was", "He was", OCCLUSION),
        ):
            assert plan.outcome.through == "sampled answers"


class TestSamples:
    def test_shares(self):
        """The score of a word is how much it changes the share of answers; its interval is over the samples."""

        def complete(prompt, sample):
            said = "She" if sample % 10 < (8 if "nurse" in prompt else 5) else "He"
            return f"**{said}** would come."

        found = explained(ScriptedBackend(complete=complete, chat=True))

        assert found.unit == "probability"
        assert found.attribution.contrast == pytest.approx(0.6)
        assert by_word(found) == pytest.approx({"The": 0, "nurse": 0.6, "said": 0, "that": 0})
        low, high = found.asking.intervals[1]
        assert 0 < low < 0.6 < high < 1.2
        assert found.asking.neither == 0
        assert found.asking.shown

    def test_intervals_cover(self):
        """Of true changes of 0 and 0.6, at least nine in ten of the intervals hold both ends."""
        covered = Counter()
        for seed in range(30):
            drawn = random.Random(seed)

            def complete(prompt, sample, drawn=drawn):
                return "She" if drawn.random() < (0.8 if "nurse" in prompt else 0.5) else "He"

            found = explained(ScriptedBackend(complete=complete), seed=seed)
            for word, truth, (low, high) in zip("Tnst", (0, 0.6, 0, 0), found.asking.intervals, strict=True):
                covered[word] += low <= truth <= high

        assert sum(covered.values()) >= 0.9 * 120

    def test_chance_shows_no_word(self):
        """Where no word matters, at most a few of 40 explanations show one that does, however many words there are."""
        shown = 0
        for seed in range(40):
            drawn = random.Random(seed)
            backend = ScriptedBackend(
                complete=lambda prompt, sample, drawn=drawn: drawn.choice(["She", "He"])
            )
            prompt = "The nurse who had worked there for many years said that"
            shown += explained(backend, prompt=prompt, seed=seed).asking.shown

        assert shown <= 5

    def test_an_answer_that_says_neither_is_no_preference(self):
        """Nothing is shown, and the share of such answers is told."""
        found = explained(ScriptedBackend(complete=lambda prompt, sample: "The weather was fine."))

        assert found.asking.neither == 1
        assert not found.asking.shown

    @pytest.mark.parametrize(
        ("answer", "side", "expected"),
        [
            ("She was late", " she", True),
            ('"*she*" is', " she", True),
            ("Shells", " she", False),
            ("a she", " she", False),
            ("", " she", False),
            ("她说", "她", True),
            ("née Smith", " né", False),
        ],
    )
    def test_begins(self, answer, side, expected):
        """An answer begins with a side as a word, whatever its case and signs before it."""
        assert begins(answer, side) is expected


class TestRequests:
    @pytest.mark.parametrize("method", WORD_METHODS)
    @pytest.mark.parametrize("most", [None, 40])
    def test_no_more_are_asked_than_were_said(self, method, most):
        """Each request is asked once, and in all no more than was said; a limit lowers the number of rounds."""
        for how in ("score", "complete"):
            asked = Counter()

            def answer(*request, asked=asked, how=how):
                asked[request] += 1
                return -1.0 - len(request[0]) / 100 if how == "score" else "he"

            explainer = WordExplainer(ScriptedBackend(**{how: answer}))
            plan = explainer.plan(PROMPT, " she", " he", method, most_requests=most)
            found = explainer.explain(plan)

            assert set(asked.values()) == {1}
            assert len(plan.requests) <= sum(asked.values()) == found.asking.requests <= plan.most
            assert plan.orders or plan.most == len(plan.requests)
            assert most is None or plan.most <= most

    def test_too_few_are_refused(self):
        """Where a limit does not allow what a method takes at least, the message says how many that is."""
        explainer = WordExplainer(ScriptedBackend(score=lambda *_: -1.0))
        with pytest.raises(UsageError, match="occlusion takes at least 12 for 4 words"):
            explainer.plan(PROMPT, " she", " he", OCCLUSION, most_requests=11)
        with pytest.raises(UsageError, match="shapley takes at least"):  # so few orders have no interval
            explainer.plan(PROMPT, " she", " he", SHAPLEY, most_requests=14)

    @pytest.mark.parametrize(
        ("prompt", "target", "foil", "said"),
        [
            (" ", " she", " he", "the prompt is empty"),
            ("The nurse", " ", " he", "says nothing"),
            ("The nurse", " he", "he", "are the same"),
            ("The nurse", " !", " he", "it has none"),
        ],
    )
    def test_what_cannot_be_compared(self, prompt, target, foil, said):
        """It is refused before anything is asked."""
        with pytest.raises(UsageError, match=said):
            explained(ScriptedBackend(complete=lambda *_: 1 / 0), prompt=prompt, target=target, foil=foil)

    def test_a_failure_ends_it(self):
        """No score is made up for a request without an answer."""
        with pytest.raises(BackendError, match=r"did not answer .too-long.: much; --sampled reads"):
            explained(ScriptedBackend(score=lambda *_: Failure("too-long", "much")))

    def test_a_recording_has_no_other_answers(self, tmp_path):
        """It is refused, and what can be asked is named."""
        (tmp_path / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
        with pytest.raises(UsageError, match="a recording"):
            WordExplainer(open_replay(str(tmp_path / "a.jsonl"), ChatOptions()))

    @pytest.mark.parametrize(
        "method",
        [
            WordMethod("x", "x", lambda words, draw: [frozenset()], lambda *_: []),
            WordMethod("x", "x", lambda words, draw: 1 / 0, lambda *_: []),
            WordMethod("x", "x", OCCLUSION.ask, lambda *_: [0.0]),
        ],
    )
    def test_a_method_that_fails_is_named(self, method):
        """What goes wrong in a plugin's method is the plugin's."""
        with pytest.raises(PluginError, match=r"method x: .*; mend it"):
            explained(ScriptedBackend(score=lambda *_: -1.0), method)


def test_words_of_a_text():
    """Words and signs are apart, scripts without spaces by character, and marks stay with their letter."""
    found = [word.text for word in split_words("The nurse, 'late'\n 护士 हिन्दी")]

    assert found == ["The", "nurse", ",", "'", "late", "'", "护", "士", "हिन्दी"]
    for text in itertools.chain(["", "  \n"]):
        assert split_words(text) == ()
