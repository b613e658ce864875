"""Attribution against captum's own classes for language models: same model, prompt, steps, one run.

    python tests/bench/attribution.py FOLDER

prints the ratio of times (captum's over ours) for a target of five tokens by integrated gradients, and for occlusion.
captum is called as it is right with today's transformers: `forward_in_tokens=False`.
"""

from __future__ import annotations

import os
import sys
import time
import warnings

import torch
from captum.attr import (
    FeatureAblation,
    IntegratedGradients,
    LayerIntegratedGradients,
    LLMAttribution,
    LLMGradientAttribution,
    TextTokenInput,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit import decoder
from gptaudit.attribution import Attributor
from gptaudit.attribution.methods import METHODS
from gptaudit.attribution.question import Batch
from gptaudit.causal_lm.encoding import EncodedQuestion

PROMPT = "The carpenter told the visitors that"
STEPS = 16
REPEATS = 3
OCCLUSION = next(method for method in METHODS if method.name == "feature_ablation")


def timed(compute) -> float:
    """Return the shortest of several times, in seconds."""
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        compute()
        found.append(time.perf_counter() - begun)
    return min(found)


def main(folder: str) -> None:
    """Print both ratios, and the load of the machine."""
    warnings.simplefilter("ignore")
    decoder.register()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    ids = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    target = tokenizer(" he liked the old house", add_special_tokens=False)["input_ids"][:5]
    places = tuple(range(len(ids)))
    question = EncodedQuestion(
        tuple(ids), places, ("",) * len(ids), ((0, 0),) * len(ids), tuple(target), None
    )
    attributor = Attributor(model)
    batch = Batch(model, [question], attributor.baseline, 1024)
    embedding = model.get_input_embeddings()

    def ours_gradients() -> None:
        IntegratedGradients(batch.value).attribute(
            batch.inputs, baselines=batch.baselines, additional_forward_args=(batch.rows,), n_steps=STEPS
        )

    read = TextTokenInput(PROMPT, tokenizer, baselines=ids[0])
    wanted = torch.tensor(target)
    of_gradients = LLMGradientAttribution(LayerIntegratedGradients(model, embedding), tokenizer)
    of_perturbations = LLMAttribution(FeatureAblation(model), tokenizer)
    gradients = timed(lambda: of_gradients.attribute(read, target=wanted, n_steps=STEPS)) / timed(
        ours_gradients
    )
    occlusion = timed(
        lambda: of_perturbations.attribute(read, target=wanted, forward_in_tokens=False)
    ) / timed(lambda: attributor.attribute([question], OCCLUSION))
    print(f"integrated gradients, five tokens: {gradients:.1f} times as fast as LLMGradientAttribution")
    print(f"occlusion: {occlusion:.1f} times as fast as LLMAttribution")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(sys.argv[1])
