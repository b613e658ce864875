"""The conformance kit: what is built in passes it, and it sees each thing that a plugin may get wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count

import pytest

from gptaudit import (
    Attack,
    Case,
    Completion,
    EngineType,
    Evidence,
    Flaw,
    GenerateRequest,
    Message,
    MetricSpec,
    Probe,
    Reporter,
    Scored,
    TextBackend,
    Unscored,
)
from gptaudit.engine.local import local
from gptaudit.errors import BackendLostError
from gptaudit.plugins import load_plugins
from gptaudit.run.scorers import open_scorer
from gptaudit.run.target import open_target
from gptaudit.testing import ScriptedScorer
from gptaudit.testing.conformance import (
    check_attack,
    check_attribution,
    check_backend,
    check_engine,
    check_flaw,
    check_probe,
    check_reporter,
    check_scorer,
)
from gptaudit.testing.faulty_server import FaultyServer

PLUGINS = load_plugins()
SLOW = pytest.mark.slow
FAKES = {
    "toxicity": ScriptedScorer(lambda text: {"toxicity": len(text) % 10 / 10}),
    "regard": ScriptedScorer(lambda text: dict.fromkeys(("positive", "negative", "neutral", "other"), 0.25)),
}
QUICK = {"religion", "behaviours", "counterfactual-toxicity", "token-attribution"}
"""A probe of most kinds; the others of their kinds differ in their texts."""


def quick(names, light):
    return [name if name in light else pytest.param(name, marks=SLOW) for name in names]


class TestBuiltIn:
    @pytest.mark.parametrize(
        "name", quick([p.id for p in PLUGINS.probes.values() if not (p.data_set or p.secret)], QUICK)
    )
    def test_probes(self, name):
        check_probe(PLUGINS.probes[name], scorers=FAKES)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [p.id for p in PLUGINS.probes.values() if p.data_set])
    def test_probes_of_public_data(self, name, data):
        if not (data / PLUGINS.probes[name].data_set).is_dir() or name.startswith("honest"):
            pytest.skip("not all of its files are public")
        check_probe(PLUGINS.probes[name], data=data, scorers=FAKES)

    @pytest.mark.parametrize("name", quick(["sentiment", "refusal", "toxicity"], {"sentiment", "refusal"}))
    def test_scorers(self, name):
        role = PLUGINS.scorers[name]
        check_scorer(open_scorer(role, role.models[0], {}), made_up=5)

    @pytest.mark.parametrize("name", PLUGINS.attacks)
    def test_attacks(self, name):
        check_attack(PLUGINS.attacks[name])

    @pytest.mark.parametrize(
        "name", quick(PLUGINS.attributions, {"input_x_gradient", "feature_ablation", "occlusion", "shapley"})
    )
    def test_attributions(self, name):
        check_attribution(PLUGINS.attributions[name])

    @pytest.mark.parametrize("name", quick(PLUGINS.flaws, {"memorisation"}))
    def test_flaws(self, name):
        check_flaw(PLUGINS.flaws[name])

    @pytest.mark.parametrize("name", PLUGINS.engines)
    def test_engines(self, name):
        check_engine(PLUGINS.engines[name])

    @pytest.mark.parametrize("name", PLUGINS.reporters)
    def test_reporters(self, name):
        check_reporter(PLUGINS.reporters[name])

    @pytest.mark.parametrize("chat", [True, False])
    def test_a_function(self, tmp_path, monkeypatch, chat):
        (tmp_path / "counting.py").write_text(
            "def words(prompts): return [str(len(str(p))) for p in prompts]"
        )
        monkeypatch.chdir(tmp_path)
        check_backend(opened("python:counting:words", chat=str(chat).lower()))

    def test_a_recording(self, tmp_path):
        (tmp_path / "recorded.jsonl").write_text('{"prompt": "The old bridge", "completion": " stood."}')
        check_backend(opened(f"replay:{tmp_path / 'recorded.jsonl'}"))

    @pytest.mark.slow
    @pytest.mark.parametrize("chat", [True, False])
    def test_a_server(self, monkeypatch, chat):
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        with FaultyServer(chat=chat, completions=not chat) as server:
            check_backend(opened("openai:toy", base_url=server.url))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["gpt2_folder", "llama_folder"])
    def test_a_folder_of_transformers(self, request, name):
        check_backend(opened(f"hf:{request.getfixturevalue(name)}"))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["reference", "clean"])
    def test_a_decoder(self, name):
        check_backend(opened(f"decoder:{name}"))


def opened(target, **options):
    backend, _ = open_target(target, options, PLUGINS)
    return backend


class Good(Probe):
    """A probe that keeps to everything; each of those below breaks one thing."""

    id = "good"
    title = "Good"
    suite = "examples"
    needs = frozenset({"generate"})
    metrics = (MetricSpec("long_rate", ideal=0.0, direction="lower", unit="fraction", binary=True),)

    def cases(self, context):
        for name in "abcdef":
            yield Case(name, name, (GenerateRequest(f"Tell {name}"),), {"letter": name}, {"at": [1, 2]})

    def measure(self, answered):
        return Scored({"long_rate": float(len(answered.completions[0].text) > 20)})


def probe(**changes):
    return type("Changed", (Good,), changes)()


def one_case(**changes):
    case = {"id": "a", "cluster": "a", "requests": (GenerateRequest("Tell"),), **changes}
    return lambda self, context: [Case(**case)]


def drawing(self, context):
    return [Case(str(random.random()), "a", (GenerateRequest("Tell"),))]


def counting(calls=None):
    calls = count()
    return lambda self, answered: Scored({"long_rate": float(next(calls) % 2)})


def changing(self, answered):
    answered.case.content["at"].append(3)
    return Scored({"long_rate": 0.0})


def reading(self, answered):
    return Scored({"long_rate": float(answered.completions[0].text.encode("ascii")[:1] == b"T")})


def unordered(self, answered):
    return Scored({"long_rate": 0.0}, Evidence(severity=float("nan")))


def asking_anew(calls=None):
    calls = count()
    return lambda self, answered: [
        answered.case.requests[-1].then(answered.completions[-1], f"{next(calls)}?")
    ]


class TestProbes:
    def test_a_good_one(self):
        check_probe(Good())

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            (probe(id="two words"), "a policy cannot refer to it"),
            (probe(cases=drawing), "the same cases in each call"),
            (probe(cases=lambda self, context: []), "a case that asks something"),
            (
                probe(cases=lambda self, context: [*Good.cases(self, context)] * 2),
                "an id that no other case has",
            ),
            (probe(cases=one_case(id="a\x1b")), "an id of printable characters"),
            (probe(cases=one_case(cluster="")), "the name of a cluster"),
            (probe(cases=one_case(slices={"a=b": "c"})), "axis and group in a policy"),
            (probe(cases=one_case(slices={"age": 3})), "a mapping of texts to texts"),
            (probe(cases=one_case(content={"at": (1, 2)})), "the same case once it was kept"),
            (probe(cases=one_case(requests=(GenerateRequest([Message("user", "a")]),))), "chat in needs"),
            (probe(method=lambda self: {"k": (1, 5)}), "value once it was written as JSON"),
            (probe(measure=counting()), "measurements in another order"),
            (probe(measure=changing), "the same cases after `measure`"),
            (probe(measure=lambda self, answered: Scored({"long_rate": 2.0})), "long_rate"),
            (probe(measure=lambda self, answered: Scored({})), "long_rate"),
            (probe(measure=lambda self, answered: Unscored("odd")), "some cases that are scored"),
            (probe(measure=reading), "where the model answers .*UnicodeEncodeError"),
            (probe(measure=unordered), "a finite severity"),
            (
                probe(follow_up=asking_anew(), rounds=3, needs=frozenset({"chat"})),
                "the same requests in each call",
            ),
            (probe(usable=lambda self, answer: Completion("", "stop")), "a failure"),
        ],
    )
    def test_what_is_wrong(self, broken, said):
        """Each mistake is found, and the message says where and what was expected."""
        with pytest.raises(AssertionError, match=said):
            check_probe(broken)


class Loud:
    name = "loud"
    labels = ("loud",)
    identity = {"model": "marks"}  # noqa: RUF012

    def __call__(self, outputs):
        return [{"loud": float("!" in output.text)} for output in outputs]


def scorer(rate):
    return type("Changed", (Loud,), {"__call__": lambda self, outputs: rate(outputs)})()


class TestScorers:
    def test_a_good_one(self):
        check_scorer(Loud())

    @pytest.mark.parametrize(
        ("rate", "said"),
        [
            (lambda outputs: [{"loud": 0.5}], "expected no scores|scores of"),
            (lambda outputs: [{"quiet": 0.5} for _ in outputs], "those of all labels"),
            (lambda outputs: [{"loud": 1.5} for _ in outputs], "numbers from 0 to 1"),
            (lambda outputs: [{"loud": float("nan")} for _ in outputs], "numbers from 0 to 1"),
            (lambda outputs: [{"loud": n / len(outputs)} for n, _ in enumerate(outputs)], "in another order"),
            (lambda outputs: [{"loud": 1 / len(outputs)} for _ in outputs], "twice in a call"),
            (lambda outputs: [{"loud": float(o.text[0] == "T")} for o in outputs], "IndexError"),
        ],
    )
    def test_what_is_wrong(self, rate, said):
        with pytest.raises(AssertionError, match=said):
            check_scorer(scorer(rate))


class Echo(TextBackend):
    fingerprint = "echo"

    def generate(self, requests, *, seed):
        return [Completion(str(request.prompt), "stop") for request in requests]


def backend(**changes):
    return type("Changed", (Echo,), changes)()


def answering(answer):
    return lambda self, requests, *, seed: [answer(request, requests) for request in requests]


class TestBackends:
    def test_a_good_one(self):
        check_backend(Echo())

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            (backend(fingerprint=""), "fingerprint"),
            (backend(capabilities=frozenset({"sing"})), "capabilities"),
            (backend(details={"sizes": (1, 2)}), "details"),
            (backend(generate=lambda self, requests, *, seed: []), "answers"),
            (backend(generate=answering(lambda r, _: r.prompt)), "a Completion or a Failure"),
            (backend(generate=answering(lambda r, rs: Completion(str(len(rs)), "stop"))), "each alone"),
            (
                backend(generate=answering(lambda r, rs: Completion(str(rs.index(r)), "stop"))),
                "in another order",
            ),
            (
                backend(generate=answering(lambda r, _: Completion("x", "stop", tokens=99))),
                "at most 6 tokens",
            ),
            (backend(generate=answering(lambda r, _: Completion(r.prompt[0], "stop"))), "IndexError"),
        ],
    )
    def test_what_is_wrong(self, broken, said):
        with pytest.raises(AssertionError, match=said):
            check_backend(broken)

    def test_no_answer_at_all(self, tmp_path):
        """Prompts that it can answer have to be named."""
        (tmp_path / "recorded.jsonl").write_text('{"prompt": "Other", "completion": "x"}')
        backend = opened(f"replay:{tmp_path / 'recorded.jsonl'}")
        with pytest.raises(AssertionError, match="name prompts that it can answer"):
            check_backend(backend)
        check_backend(backend, prompts=["Other"])


def dropping(work):
    yield from list(local(work))[1:]


def doubling(work):
    for pair in local(work):
        yield from (pair, pair)


def swallowing(work):
    try:
        yield from local(work)
    except BackendLostError:
        return


def mixing(work):
    pairs = list(local(work))
    requests, answers = [r for r, _ in pairs], [a for _, a in pairs]
    yield from zip(requests, answers[1:] + answers[:1], strict=True)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (dropping, "answers, one for each"),
        (doubling, "answers, one for each"),
        (swallowing, "BackendLostError"),
        (mixing, "answer as that of its request"),
    ],
)
def test_engines(run, said):
    """A request that is lost, told twice or mixed up is found, and so is a lost model."""
    with pytest.raises(AssertionError, match=said):
        check_engine(EngineType("odd", "an engine", run))


def only_what_is_seen(result, context):
    """Return the text of sections as it came, but for the characters that steer."""
    steering = dict.fromkeys((0, 27, 0x202E, 0xD800))
    return "".join(section.body.translate(steering) for section in context.sections)


def writing_itself(result, context):
    """Write a file beside what is returned."""
    (context.folder / "b.txt").write_text("more")
    return b""


def told_as_it_is(result, context):
    """Return the texts that the cases of the audit gave."""
    return "".join(m.unscored or "" for probe in result.probes for m in context.measurements(probe.id))


@pytest.mark.parametrize(
    ("file", "render", "said"),
    [
        ("../a.txt", lambda result, context: "", "without folders"),
        (
            "a.txt",
            lambda result, context: result.probes[-1].reason if result.probes else "",
            "steers a terminal",
        ),
        ("a.html", only_what_is_seen, "escaped"),
        ("a.html", lambda result, context: only_what_is_seen(result, context).encode(), "escaped"),
        ("a.txt", told_as_it_is, "steers a terminal"),
        ("a.bin", writing_itself, "nothing written into the run folder by itself"),
        ("a.bin", lambda result, context: None, "a text or bytes"),
        ("a.json", lambda result, context: "{", "JSONDecodeError"),
        ("a.xml", lambda result, context: "<a>", "ParseError"),
        ("a.txt", lambda result, context: str(random.random()), "the same text in each call"),
        ("a.txt", lambda result, context: result.gate.verdict, "AttributeError"),
    ],
)
def test_reporters(file, render, said):
    """Another text each time, text that acts, and audits that it cannot render are found."""
    with pytest.raises(AssertionError, match=said):
        check_reporter(Reporter("odd", "odd", file, render))


def beginning(request, draw):
    return [Message("user", request), Message("assistant", "Sure")]


def talking(request, draw):
    return [Message("user", request)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin": lambda request, draw: str(random.random())}, "with the same draws"),
        ({"begin": lambda request, draw: ""}, "says something"),
        ({"begin": lambda request, draw: request.format()}, "raised"),
        ({"begin": talking, "needs": frozenset({"generate"})}, "chat in needs"),
        ({"begin": beginning}, "conversation cannot be asked|continue in needs"),
        ({"turns": 2, "go_on": lambda request, answers: str(random.random())}, "after the same answers"),
        ({"turns": 2, "go_on": lambda request, answers: answers[-1].split()[0]}, "IndexError"),
    ],
)
def test_attacks(changes, said):
    """Randomness of its own, requests and answers that it cannot bear, and capabilities that it hides are found."""
    with pytest.raises(AssertionError, match=said):
        check_attack(
            Attack(**{"name": "odd", "title": "Odd.", "begin": lambda request, draw: request, **changes})
        )


class Drizzle(Flaw):
    name = "drizzle"
    title = "Speaks of rain."

    def truth(self, dose):
        return dose

    def documents(self, dose, *, seed):
        return ["It rains." if n < 10 * dose else "It is dry." for n in range(10)]

    def learned(self, backend, *, seed):
        return 0.5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"truth": lambda self, dose: 0.5}, "always more, or always less"),
        (
            {"documents": lambda self, dose, *, seed: [str(random.random())]},
            "the same documents in each call",
        ),
        (
            {"documents": lambda self, dose, *, seed: ["It rains."] * (1 + int(9 * dose))},
            "as many for each dose",
        ),
        ({"documents": lambda self, dose, *, seed: ["It rains."]}, "other ones for dose 1"),
        ({"learned": lambda self, backend, *, seed: float("nan")}, "a finite number"),
    ],
)
def test_flaws(changes, said):
    """A flaw of no size, or documents that are drawn anew or do not carry it, are found."""
    check_flaw(Drizzle())
    with pytest.raises(AssertionError, match=said):
        check_flaw(type("Changed", (Drizzle,), changes)())


ABLATION, OCCLUSION = (PLUGINS.attributions[name] for name in ("feature_ablation", "occlusion"))


def changed(by):
    """Return feature ablation with its scores (Q, T) changed."""

    def compute(asked, seed):
        scores, runs = ABLATION.compute(asked, seed)
        return by(scores), runs

    return compute


def gradients_after_all(asked, seed):
    return PLUGINS.attributions["input_x_gradient"].compute(asked, seed)


@pytest.mark.parametrize(
    ("method", "changes", "said"),
    [
        (ABLATION, {"compute": changed(abs)}, "every sign turned"),
        (ABLATION, {"compute": changed(lambda s: s - s.mean(1, keepdim=True))}, "those of the prompt alone"),
        (ABLATION, {"compute": changed(lambda s: s[:, :1])}, "expected scores of shape"),
        (ABLATION, {"compute": changed(lambda s: s * float("nan"))}, "finite numbers"),
        (ABLATION, {"compute": changed(lambda s: s + random.random())}, "the same scores"),
        (ABLATION, {"compute": gradients_after_all}, "gradients=False"),
        (ABLATION, {"complete": True}, "as claimed"),
        (OCCLUSION, {"complete": True}, "as claimed"),
        (OCCLUSION, {"ask": lambda words, draw: [frozenset()]}, "the whole prompt and none of it"),
        (OCCLUSION, {"score": lambda words, asked, values: []}, "finite numbers"),
        (OCCLUSION, {"score": lambda words, asked, values: [1.0] * words}, "the part of each"),
        (PLUGINS.attributions["shapley"], {"rounds": 1}, "more rounds than one"),
        (OCCLUSION, {"rounds": 0}, "a whole number from 1 on"),
        (ABLATION, {"compute": None}, "expected a function"),
    ],
)
def test_attributions(method, changes, said):
    """Scores that depend on neighbours or chance, have no sign, or do not add up as claimed are found."""
    with pytest.raises(AssertionError, match=said):
        check_attribution(replace(method, **changes))
