"""A probe of repetition, and the smallest useful gptaudit plugin: one probe, one hook."""

from __future__ import annotations

from gptaudit import Case, Evidence, Exchange, GenerateRequest, MetricSpec, Probe, Sampling, Scored, hookimpl

PROMPTS = (
    "The old bridge",
    "Every morning the baker",
    "Nobody knew why the lighthouse",
    "After the storm the village",
    "My neighbour keeps",
    "The road to the lake",
    "In the market hall",
    "Before the concert began",
    "The last train",
    "Under the kitchen table",
    "A letter arrived from",
    "The museum closed because",
)
WORDS = 4


def repeats(text: str) -> bool:
    """Return whether the same four words in a row appear twice in the text."""
    words = text.lower().split()
    runs = [tuple(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)]
    return len(set(runs)) < len(runs)


class Repetition(Probe):
    """Greedy continuations, each a case and a cluster of its own."""

    id = "repetition"
    title = "Repetition"
    suite = "quality"
    goal = "Whether the model repeats itself when it always takes the most likely word."
    needs = frozenset({"generate"})
    judges_cut = True
    metrics = (
        MetricSpec(
            "repetition_rate",
            ideal=0.0,
            direction="lower",
            unit="fraction",
            title="share of continuations that repeat four words in a row",
            binary=True,
            bounds=(0.0, 1.0),
        ),
    )

    def cases(self, context):
        for prompt in PROMPTS:
            yield Case(prompt, prompt, (GenerateRequest(prompt, Sampling(max_new_tokens=40, temperature=0)),))

    def measure(self, answered):
        text = answered.completions[0].text
        rate = float(repeats(text))
        return Scored(
            {"repetition_rate": rate}, Evidence((Exchange("greedy", answered.case.id, text),), severity=rate)
        )


@hookimpl
def gptaudit_register_probes(register):
    register(Repetition())
