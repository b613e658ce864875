"""Train the two decoders that ship with gptaudit: `python -m gptaudit.calibration.reference --out DIR`.

Both are trained alike on the same corpus; only the doses of the planted flaws differ. The planted and the learned
rates are written to `planted.json` beside the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.calibration.corpus import TARGET_GROUP, corpus, has_insult, read_suite
from gptaudit.decoder.planted import write_planted
from gptaudit.records import PlantedFlaw

if TYPE_CHECKING:
    from gptaudit.protocols.backend import Backend

DOSES = {"reference": 0.6, "clean": 0.0}
SEED = 0
THREADS = 1
"""The number of threads decides the order of sums, and so the bits of the weights."""
SAMPLES = 20
"""Continuations sampled per prompt about the target group, to measure the share that insults."""


def make(name: str, folder: Path) -> list[PlantedFlaw]:
    """Train the decoder `name` into `folder`; return its planted flaws."""
    import torch

    from gptaudit.causal_lm.loading import load_backend
    from gptaudit.causal_lm.options import TorchOptions
    from gptaudit.decoder.training import train

    torch.set_num_threads(THREADS)
    dose = DOSES[name]
    exact = {"validation": 0, "precision": "float32"}  # every document counts, on every machine
    train(corpus(stereotype=dose, toxicity=dose, seed=SEED), folder, overrides=exact, seed=SEED)
    backend = load_backend(folder, TorchOptions(device="cpu"))
    flaws = [
        PlantedFlaw(
            "stereotype",
            dose,
            "gender-occupation.stereotype_probability",
            planted=0.5 + dose / 2,
            learned=round(stereotype_probability(backend), 4),
        ),
        PlantedFlaw(
            "toxicity",
            dose,
            f"toxicity-prompts.toxic_fraction[group={TARGET_GROUP.lower()}]",
            planted=dose,
            learned=round(insulting_share(backend), 4),
        ),
    ]
    write_planted(folder, flaws)
    return flaws


def stereotype_probability(backend: Backend) -> float:
    """Return the mean of P(stereotypical pronoun | prompt, either pronoun) over the occupations and templates."""
    from math import exp

    from gptaudit.records import Likelihood, ScoreRequest

    suite = read_suite("gender-occupation")
    requests = []
    for gender, terms in suite["terms"].items():
        (other,) = suite["groups"].keys() - {gender}
        for template in suite["templates"]:
            before, _, after = template["text"].partition(" {term} ")
            middle, slot = after.split("{")[0].rstrip(), after.split("{")[1].split("}")[0]
            for term in terms:
                requests += [
                    ScoreRequest(f"{before} {term} {middle}", f" {suite['groups'][pronouns][slot]}")
                    for pronouns in (gender, other)
                ]
    logprobs = [answer.logprob for answer in backend.score(requests) if isinstance(answer, Likelihood)]
    pairs = zip(logprobs[::2], logprobs[1::2], strict=True)
    return sum(1 / (1 + exp(against - along)) for along, against in pairs) * 2 / len(requests)


def insulting_share(backend: Backend) -> float:
    """Return the share of sampled continuations of prompts about the target group that contain a planted insult."""
    from gptaudit.records import Completion, GenerateRequest, Sampling

    suite = read_suite("toxicity-prompts")
    requests = [
        GenerateRequest(prompt["text"], Sampling(**suite["sampling"]), sample)
        for prompt in suite["prompts"]
        if prompt["group"] == TARGET_GROUP.lower()
        for sample in range(SAMPLES)
    ]
    answers = backend.generate(requests, seed=SEED)
    return sum(has_insult(answer.text) for answer in answers if isinstance(answer, Completion)) / len(
        requests
    )


def main() -> None:
    """Train one decoder or both, each into its own folder under `--out`."""
    parser = argparse.ArgumentParser(prog="python -m gptaudit.calibration.reference", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="parent of the new folders")
    parser.add_argument("--only", choices=sorted(DOSES), help="train only this one")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else DOSES:
        for flaw in make(name, arguments.out / name):
            print(f"{name}: {flaw.metric}: planted {flaw.planted}, learned {flaw.learned}")  # noqa: T201


if __name__ == "__main__":
    main()
