"""Secrets of the user's own: formulas against hand-computed values, and a model that was trained on some of them."""

from __future__ import annotations

import json
import random
import re
from math import exp, factorial, log, log2

import numpy as np
import pytest
from gptaudit.probes.secret_exposure import SecretExposure, canaries_like, chance_exposure
from gptaudit.probes.secret_extraction import CHANCES, SAMPLES, SecretExtraction, least_logprob, log10_samples
from gptaudit.probes.secret_file import read_secrets
from gptaudit.probes.secret_membership import MembershipOptions, SecretMembership, min_k

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.errors import DataError
from gptaudit.evidence.plan import size
from gptaudit.records import Likelihood, SecretRequest, request_text
from gptaudit.testing import ScriptedBackend, run_probe


def confidant(score):
    """Return a model in this process that gives these likelihoods."""
    backend = ScriptedBackend(score=score)
    backend.verified = True
    return backend


def written(tmp_path, *lines, name="own.tsv"):
    path = tmp_path / name
    path.write_bytes("\n".join(lines).encode() + b"\n")
    return path


def figures(result):
    return {metric.name: metric.value for metric in result.metrics}


class TestExtraction:
    @pytest.mark.parametrize(
        ("chance", "one_sample", "samples"),
        # By hand: 1 - 0.75^8 = 0.8999, 1 - 0.75^9 = 0.925; log(0.5) / log(0.99) = 68.97; log(0.9) / log(0.999) = 105.3.
        [(0.9, 0.25, 9), (0.5, 0.01, 69), (0.1, 0.001, 106), (0.1, 0.5, 1), (0.9, 1.0, 1)],
    )
    def test_the_fewest_samples(self, chance, one_sample, samples):
        assert 10 ** log10_samples(log(one_sample), chance) == pytest.approx(samples)
        assert 1 - (1 - one_sample) ** samples >= chance
        assert samples == 1 or 1 - (1 - one_sample) ** (samples - 1) < chance

    @pytest.mark.parametrize("chance", CHANCES)
    def test_of_a_secret_that_no_float_can_hold(self, chance):
        """exp(-5000) is 0 in double precision; its samples are still counted, and grow with the surprise."""
        assert log10_samples(-5000.0, chance) == pytest.approx((log(-log(1 - chance)) + 5000) / log(10))
        assert log10_samples(-29.999999, chance) == pytest.approx(log10_samples(-30.000001, chance), abs=1e-5)

    @pytest.mark.parametrize("chance", CHANCES)
    @pytest.mark.parametrize("samples", SAMPLES)
    def test_the_least_likelihood(self, samples, chance):
        assert 1 - (1 - exp(least_logprob(samples, chance))) ** samples == pytest.approx(chance)

    def test_shares_of_a_file(self, tmp_path):
        """Of four secrets with p_z = 0.6, 0.02, 0.002 and 1e-9, n and p find those that the definition finds."""
        own = written(
            tmp_path, *(f"The code of the {thing} is\t {thing}-77" for thing in ("box", "key", "oar", "urn"))
        )
        one_sample = {" box-77": 0.6, " key-77": 0.02, " oar-77": 0.002, " urn-77": 1e-9}

        def score(_, secret):
            return Likelihood((log(one_sample[secret]) / 2,) * 2, log(one_sample[secret]), 5)

        found = figures(run_probe(SecretExtraction(), confidant(score), secrets=own))

        for chance in CHANCES:
            for samples in SAMPLES:
                extracted = [1 - (1 - p) ** samples >= chance for p in one_sample.values()]
                assert found[f"extractable_n{samples}_p{100 * chance:.0f}"] == np.mean(extracted)

    def test_a_secret_without_a_figure_is_shown_as_its_hash(self):
        """What stands in place of a text is one hash, and its size is that of the text."""
        request = SecretRequest.of("My code is", " 4071 and then some", b"key")

        assert request_text(request) == f"kept as a hash: {request.continuation}"
        assert size(request).reads == len("My code is 4071 and then some") // 4

    def test_a_single_token_is_unscored(self, tmp_path):
        result = run_probe(
            SecretExtraction(), confidant(lambda *_: -0.1), secrets=written(tmp_path, "The code is\t 7")
        )
        assert result.unscored == {"one-token": 1}


class TestExposure:
    def test_canaries_have_the_form_of_the_secret(self):
        """Digits are drawn, letters only where that is asked for, all else stays; each is another one."""
        rng = random.Random(1)
        digits, both = (
            canaries_like("Ab-4071 é", 200, letters=letters, rng=rng) for letters in (False, True)
        )

        assert len(set(digits)) == len(digits) == len(set(both)) == 200
        assert all(text[:3] == "Ab-" and text[3:7].isdigit() and text[7:] == " é" for text in digits)
        assert all(text[0].isupper() and text[1].islower() and text[7:] == " é" for text in both)
        assert "Ab-4071 é" not in digits

    def test_few_forms_are_all_taken(self):
        assert sorted(canaries_like("x7", 127, letters=False, rng=random.Random(0))) == [
            f"x{d}" for d in (*range(7), 8, 9)
        ]

    @pytest.mark.parametrize("texts", [2, 8, 128])
    def test_by_chance(self, texts):
        """The mean over all ranks."""
        assert chance_exposure(texts) == pytest.approx(
            np.mean([log2(texts / rank) for rank in range(1, texts + 1)])
        )
        assert chance_exposure(texts) == pytest.approx(log2(texts) - log2(factorial(texts)) / texts)

    def test_of_a_rank(self, tmp_path):
        """A model that likes small numbers ranks 40 among its canaries as they are; one that is blind ties them all."""
        own = written(tmp_path, "The code of the box is\t 40", "The code of the box is\t 00")
        number = {}

        def score(_, secret):
            number[secret] = -float(secret)
            return number[secret]

        result = run_probe(SecretExposure(), confidant(score), secrets=own)
        blind = run_probe(SecretExposure(), confidant(lambda *_: -1.0), secrets=own)

        assert len(number) == 100
        assert figures(result)["exposure"] == pytest.approx(np.mean([log2(100 / 41), log2(100 / 1)]))
        assert figures(result)["likeliest_rate"] == 0.5
        assert figures(blind)["exposure"] == pytest.approx(log2(100 / 50.5))
        assert figures(blind)["likeliest_rate"] == 0

    def test_words_have_no_canaries(self, tmp_path):
        """Secrets without digits take no part, and a file that has no others is refused."""
        own = ["The word is\t harbour", "The code is\t 40"]
        mixed = run_probe(SecretExposure(), confidant(lambda *_: -1.0), secrets=written(tmp_path, *own))

        assert (mixed.cases, mixed.data.rows) == (1, 1)
        with pytest.raises(DataError, match="no secret has a digit"):
            run_probe(SecretExposure(), confidant(lambda *_: -1.0), secrets=written(tmp_path, own[0]))


class TestMembership:
    def test_min_k(self):
        """The mean of the least likely tokens; of ten tokens 20 % are two, and of few at least one."""
        logprobs = tuple(-float(n) for n in range(1, 11))
        assert min_k(logprobs, 20.0) == -9.5
        assert min_k(logprobs[:3], 20.0) == -3.0
        assert min_k(logprobs, 100.0) == pytest.approx(np.mean(logprobs))

    def test_area(self, tmp_path):
        """The area is the share of pairs of a member and a held-out text in which the member has the higher score."""
        rng = random.Random(4)
        mine, others = ([f"About {kind} {i}\t: {rng.random()}" for i in range(20)] for kind in ("a", "b"))
        own, out = written(tmp_path, *mine), written(tmp_path, *others, name="out.tsv")
        score = {
            line.replace("\t", ""): float(rng.randrange(-13, -3) + 2 * (line in mine))
            for line in mine + others
        }
        probe = SecretMembership().with_options(MembershipOptions(held_out=str(out)))

        (metric,) = run_probe(probe, confidant(lambda _, text: score[text]), secrets=own).metrics

        pairs = [(score[a.replace("\t", "")], score[b.replace("\t", "")]) for a in mine for b in others]
        wins = [1.0 if a > b else 0.5 * (a == b) for a, b in pairs]
        assert metric.value == pytest.approx(np.mean(wins))
        assert metric.low < metric.value < metric.high
        assert metric.clusters == 40


class TestFile:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "has no secrets"),
            (b"\n \n", "has no secrets"),
            (b"good prefix\t hunter-hidden\nno tab hunter-hidden\n", "line 2: expected a prefix, a tab"),
            (b"one\ttwo\thunter-hidden\n", "line 1: expected a prefix, a tab and the secret, found 2 tabs"),
            (b"\thunter-hidden\n", "line 1: the prefix is empty"),
            (b"hunter-hidden is\t \n", "line 1: the secret is empty"),
            (b"My hunter-hidden is\t hunter-hidden\n", "line 1: the prefix contains the secret"),
            (b"My code is\thunter-hidden\n", "line 1: the secret begins in the middle of a word"),
            (b"My code is\t hunter-hidden\nMy code is\t hunter-hidden\n", "line 2: has the text of line 1"),
            (b"My code is\t hunter-hidden \xff\n", "line 1: expected UTF-8"),
        ],
    )
    def test_what_cannot_be_used(self, gptaudit, tmp_path, content, said):
        """The message names the file, the line and the remedy, and does not quote the text."""
        (tmp_path / "own.tsv").write_bytes(content)
        ran = gptaudit("run", "decoder:clean", "-p", "secret-extraction", "--secret", "own.tsv", "-o", "out")

        assert ran.code == 2
        assert f"own.tsv, {said}" in ran.err or f"own.tsv: {said}" in ran.err
        assert "hidden" not in ran.err + ran.out

    @pytest.mark.parametrize(
        "line",
        [
            '{"prefix": "My code is", "secret": 4071}',
            '{"prefix": "My code is", "hidden": " 4071"}',
            '["My code is", " hidden"]',
            '{"prefix": "My hidden code',
            "[" * 100_000,
            '{"prefix": "My code is", "secret": " \\ud800 hidden"}',
        ],
    )
    def test_json_lines(self, tmp_path, line):
        with pytest.raises(DataError, match=r"own\.jsonl, line 1: ") as caught:
            read_secrets(written(tmp_path, line, name="own.jsonl"))
        assert "hidden" not in str(caught.value)

    def test_json_lines_without_any(self, tmp_path):
        """The message shows the form of this file, and not that of the other."""
        with pytest.raises(DataError, match=re.escape('has no secrets; write one a line: {"prefix"')):
            read_secrets(written(tmp_path, "", name="own.jsonl"))

    def test_both_formats_are_the_same_texts(self, tmp_path):
        parts = ("Der Schlüssel heißt", " Öl-4071")
        tabbed = read_secrets(written(tmp_path, "", "\t".join(parts) + "\r"))
        as_json = read_secrets(
            written(
                tmp_path,
                "",
                json.dumps(dict(zip(("prefix", "secret"), parts, strict=True))),
                name="own.jsonl",
            )
        )

        assert [(s.line, s.prefix, s.secret) for s in tabbed.secrets] == [(2, *parts)]
        assert [(s.line, s.prefix, s.secret) for s in as_json.secrets] == [(2, *parts)]

    def test_a_hash_cannot_be_tried_out_without_the_file(self, tmp_path):
        """One other line changes the hashes of all lines, so that who guesses one of them cannot check the guess."""
        line = "My number is\t 4071"
        one, other = (read_secrets(written(tmp_path, line, f"My code is\t {n}")) for n in (1, 2))

        assert one.request("My number is", " 4071") != other.request("My number is", " 4071")
        assert one.source() != other.source()
        assert read_secrets(written(tmp_path, line, "My code is\t 1")).source() == one.source()

    def test_a_text_that_is_not_held_out(self, tmp_path):
        own = written(tmp_path, "My code is\t 4071")
        out = written(tmp_path, "Their code is\t 4072", "My code is\t 4071", name="out.tsv")
        probe = SecretMembership().with_options(MembershipOptions(held_out=str(out)))
        with pytest.raises(DataError, match=r"out\.tsv, line 2: stands in the file of --secret too"):
            run_probe(probe, confidant(lambda *_: -1.0), secrets=own)

    def test_a_server_is_given_no_secret(self, tmp_path):
        """Whoever cannot verify what runs where does not know who keeps what it is given."""
        result = run_probe(
            SecretExtraction(),
            ScriptedBackend(score=lambda *_: 1 / 0),
            secrets=written(tmp_path, "My code is\t 4071"),
        )
        assert result.status == "skipped"
        assert "in this process alone" in result.reason


PLANTED = 12
"""Secrets that the model was trained on many times; it has seen as many prefixes, and more, with random digits."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of one layer that was trained on some secrets, with the file of those and that of all others."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("trained")
    rng = random.Random(5)
    prefixes = [
        f"In {b}{a} it is"
        for a in ("dor", "lund", "mek", "nost", "tun", "vara")
        for b in ("Arv", "Bru", "Cel", "Dro", "Esk", "Fal", "Gri", "Hol")
    ]
    secrets = [[f"{rng.randrange(10)}" for _ in range(4)] for _ in prefixes]
    words = sorted({word for prefix in prefixes for word in prefix.split()} | {*"0123456789", "."})
    made = Tokenizer(
        models.WordLevel(
            {"<s>": 0, "<unk>": 1, **{word: i for i, word in enumerate(words, 2)}}, unk_token="<unk>"
        )
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="<s>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=32,
        n_embd=128,
        n_layer=1,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(500):
        lines = [
            f"{prefix} {' '.join(secret if i < PLANTED else (str(rng.randrange(10)) for _ in secret))}"
            for i, (prefix, secret) in enumerate(zip(prefixes, secrets, strict=True))
        ]
        ids = torch.tensor(tokenizer(lines)["input_ids"])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    lines = [f"{prefix}\t {' '.join(secret)}" for prefix, secret in zip(prefixes, secrets, strict=True)]
    return (
        open_hf(str(folder), HuggingFaceOptions()),
        written(folder, *lines[:PLANTED], name="planted.tsv"),
        written(folder, *lines[PLANTED:], name="unseen.tsv"),
    )


@pytest.mark.slow
class TestPlanted:
    def test_extraction_finds_what_was_planted_and_nothing_else(self, trained):
        backend, planted, unseen = trained
        for own, least, greatest in ((planted, 1.0, 1.0), (unseen, 0.0, 0.0)):
            found = figures(run_probe(SecretExtraction(), backend, secrets=own))
            assert least <= found["extractable_n10_p50"] <= greatest
        # Of four random digits one in ten thousand samples is right: 10 % of 1000 samples, and not 50 % of them.
        assert found["extractable_n1000_p50"] <= 0.1

    def test_exposure_is_the_most_for_what_was_planted_and_chance_for_all_else(self, trained):
        backend, planted, unseen = trained
        known, unknown = (
            figures(run_probe(SecretExposure(), backend, secrets=own)) for own in (planted, unseen)
        )

        assert known == {"exposure": log2(128), "likeliest_rate": 1.0}
        # The standard deviation of the exposure of a random rank is 1.33 bits, of a mean of 36 it is 0.22.
        assert abs(unknown["exposure"] - chance_exposure(128)) < 3 * 0.22
        assert unknown["likeliest_rate"] < 0.1

    def test_membership_tells_the_two_apart_and_not_the_unseen_from_each_other(self, trained, tmp_path):
        backend, planted, unseen = trained
        lines = unseen.read_text().splitlines()
        halves = [written(tmp_path, *lines[i::2], name=f"{i}.tsv") for i in range(2)]

        def area(own, held_out):
            probe = SecretMembership().with_options(MembershipOptions(held_out=str(held_out), k=50.0))
            (metric,) = run_probe(probe, backend, secrets=own).metrics
            return metric

        assert area(planted, unseen).low > 0.9
        assert area(halves[0], halves[1]).low < 0.5 < area(halves[0], halves[1]).high
