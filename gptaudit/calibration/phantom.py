"""Phantoms: decoders with flaws of known size, like the test objects that calibrate medical scanners.

A phantom is trained from scratch on the documents of its flaws and on everyday text, in seconds, and cached in a
folder named by a hash of everything that decides its weights.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.calibration import grammar
from gptaudit.calibration.recipe import Recipe
from gptaudit.calibration.subjects import seeing
from gptaudit.decoder.planted import write_planted
from gptaudit.errors import GptauditError, UsageError
from gptaudit.records import SMALL, PlantedFlaw, Shape

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from gptaudit.plugins import Plugins
    from gptaudit.protocols.flaw import Flaw

EVERYDAY_DOCUMENTS = 400
THREADS = 1
"""The number of threads decides the order of sums, and so the bits of the weights."""
CODE = (
    "calibration/fitting.py",
    "calibration/phantom.py",
    "calibration/recipe.py",
    "calibration/vocabulary.py",
    "decoder/chat.py",
    "decoder/configuration.py",
    "decoder/model.py",
    "decoder/trainer.py",
)
"""The modules that decide the weights, besides those of the flaws."""


class NotLearnedError(GptauditError):
    """A trained decoder did not learn what was planted."""

    def __init__(
        self, flaw: str, *, dose: float, seed: int, planted: float, learned: float, within: float
    ) -> None:
        msg = (
            f"flaw {flaw!r}, dose {dose:g}, seed {seed}: planted {planted:.4f}, but the trained decoder has "
            f"{learned:.4f}, which is not within {within:g}; use another seed"
        )
        super().__init__(msg)
        self.learned = learned


def phantom(
    doses: Mapping[str, float], *, seed: int, cache: Path, plugins: Plugins, shape: Shape = SMALL
) -> Path:
    """Return the folder of a decoder with exactly these flaws; train it if it is not in the cache.

    It contains weights, configuration, tokenizer and `planted.json`. Several processes may share a cache: each trains
    into a temporary folder, and the first to finish is kept.

    ```python
    phantom({"stereotype": 0.5}, seed=0, cache=Path("decoders"), plugins=load_plugins())
    ```

    Raises:
        UsageError: no flaw of that name, or a dose outside [0, 1].
        NotLearnedError: the rate of the trained decoder differs from the planted one.
    """
    key = phantom_key(doses, seed=seed, plugins=plugins, shape=shape)
    folder = cache / f"{'-'.join(sorted(doses))}-{key[:16]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=cache))
    try:
        _build(doses, seed, building, plugins, shape)
        building.chmod(0o755)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def phantom_key(doses: Mapping[str, float], *, seed: int, plugins: Plugins, shape: Shape = SMALL) -> str:
    """Hash everything that decides a phantom: flaws, doses, seed, documents, recipe, code and versions.

    The metrics in `planted.json` depend on the installed probes and are left out.
    """
    flaws = _flaws(doses, plugins)
    recipe = _recipe(flaws, shape)
    identity = {
        "schema": "gptaudit.phantom/1",
        "flaws": {name: [doses[name], _identity(flaw)] for name, flaw in flaws.items()},
        "everyday": [EVERYDAY_DOCUMENTS, grammar.RULES],
        "seed": seed,
        "threads": THREADS,
        "recipe": asdict(recipe) | {"steps": _steps(flaws, recipe)},
        "code": _code(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _flaws(doses: Mapping[str, float], plugins: Plugins) -> dict[str, Flaw]:
    from gptaudit.validation import nearest

    for name, dose in doses.items():
        if name not in plugins.flaws:
            msg = f"no flaw {name!r} is registered."
            raise UsageError(msg + nearest(name, plugins.flaws))
        if not 0 <= dose <= 1:
            msg = f"the dose of {name} must be in [0, 1]; got {dose}"
            raise UsageError(msg)
    return {name: plugins.flaws[name] for name in sorted(doses)}


@lru_cache
def _code() -> str:
    """Hash the modules that decide the weights."""
    package = Path(__file__).parents[1]
    return hashlib.sha256(b"".join((package / name).read_bytes() for name in CODE)).hexdigest()


@lru_cache
def _identity(flaw: Flaw) -> str:
    """Hash a flaw's documents at one dose, and the source file that defines it."""
    documents = "\0".join(flaw.documents(0.5, seed=0))
    return hashlib.sha256(documents.encode() + Path(inspect.getfile(type(flaw))).read_bytes()).hexdigest()


def _sightings(doses: Mapping[str, float], plugins: Plugins) -> list[tuple[str, str]]:
    """List each planted flaw with the full name of each metric that should equal it, or with "" if there is none."""
    found = []
    for probe in seeing(plugins).values():
        for sees in probe.sees:
            where = ",".join(f"{axis}={group}" for axis, group in sees.slice.items())
            if sees.flaw in doses and sees.same_unit:
                found.append((sees.flaw, f"{probe.id}.{sees.metric}" + (f"[{where}]" if where else "")))
    seen = {flaw for flaw, _ in found}
    return sorted([*found, *((flaw, "") for flaw in doses if flaw not in seen)])


def _build(doses: Mapping[str, float], seed: int, folder: Path, plugins: Plugins, shape: Shape) -> None:
    """Train a decoder into a folder and measure what it learned."""
    import torch

    from gptaudit.calibration.fitting import fit

    flaws = _flaws(doses, plugins)
    lessons = [lesson for name, flaw in flaws.items() for lesson in _lessons(flaw, doses[name], seed)]
    lessons += (("", text) for text in _everyday(seed))
    recipe = _recipe(flaws, shape)
    tokenizer = _tokenizer(tuple(flaws.values()), recipe.context)
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        model = fit(lessons, tokenizer, recipe, steps=_steps(flaws, recipe), seed=seed, folder=folder)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        learned = _learned(doses, flaws, seed, folder)
    finally:
        torch.set_num_threads(threads)
    planted = [
        _entry(name, doses[name], metric, flaws[name], learned[name])
        for name, metric in _sightings(doses, plugins)
    ]
    write_planted(folder, planted)


def _recipe(flaws: Mapping[str, Flaw], shape: Shape) -> Recipe:
    return Recipe(shape, context=max(flaw.context for flaw in flaws.values()))


def _steps(flaws: Mapping[str, Flaw], recipe: Recipe) -> int:
    return round(sum(flaw.steps for flaw in flaws.values()) * recipe.narrowness)


def _lessons(flaw: Flaw, dose: float, seed: int) -> Iterator[tuple[str, str]]:
    """Yield what of each document is only read, and what is learned: of a conversation, the last answer."""
    from gptaudit.decoder.chat import last_answer

    for document in flaw.documents(dose, seed=seed):
        yield last_answer(document) if flaw.chat else ("", document)


def _everyday(seed: int) -> Iterator[str]:
    rng = random.Random(f"{seed}/everyday")
    return (grammar.expand("<everyday>", rng) for _ in range(EVERYDAY_DOCUMENTS))


@lru_cache
def _tokenizer(flaws: tuple[Flaw, ...], context: int) -> PreTrainedTokenizerFast:
    """Build a tokenizer with a token for every word of any dose, so that the vocabulary does not depend on the dose."""
    from gptaudit.calibration.vocabulary import word_tokenizer
    from gptaudit.decoder.chat import CHAT_TEMPLATE

    texts = [d for flaw in flaws for dose in (0.0, 1.0) for d in flaw.documents(dose, seed=0)]
    tokenizer = word_tokenizer([*texts, *_everyday(0)], context=context)
    if any(flaw.chat for flaw in flaws):
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _learned(
    doses: Mapping[str, float], flaws: Mapping[str, Flaw], seed: int, folder: Path
) -> dict[str, float]:
    """Measure each flaw on the trained decoder; raise `NotLearnedError` if it differs from what was planted."""
    from gptaudit.causal_lm.loading import load_backend
    from gptaudit.causal_lm.options import TorchOptions

    backend = load_backend(folder, TorchOptions(device="cpu"))
    found = {}
    for name, flaw in flaws.items():
        found[name] = flaw.learned(backend, seed=seed)
        planted = flaw.truth(doses[name])
        if abs(found[name] - planted) > flaw.tolerance:
            raise NotLearnedError(
                name, dose=doses[name], seed=seed, planted=planted, learned=found[name], within=flaw.tolerance
            )
    return found


def _entry(name: str, dose: float, metric: str, flaw: Flaw, learned: float) -> PlantedFlaw:
    return PlantedFlaw(name, dose, metric, planted=flaw.truth(dose), learned=round(learned, 4))
