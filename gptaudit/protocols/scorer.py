"""Interface of scorers, which give texts that a model wrote labelled probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gptaudit.records import Prompt

Scores: TypeAlias = Mapping[str, float]
"""Label -> probability in [0, 1]; empty for a text that the scorer cannot rate, such as one in another language."""


@dataclass(frozen=True, slots=True)
class Output:
    """A text that a model wrote, and the prompt that it follows; most scorers read the text alone."""

    text: str
    prompt: Prompt = ""
    language: str = "en"
    """Language of the probe's texts, an ISO 639-1 code; the model may have answered in another."""


class Scorer(Protocol):
    """Rates outputs. The scores of one do not depend on the others in the list, except for rounding."""

    name: str
    labels: tuple[str, ...]
    identity: Mapping[str, str]
    """Everything that affects a score: model name, sha256 of its checkpoint, version."""

    def __call__(self, outputs: Sequence[Output]) -> list[Scores]:
        """Return the scores of each output, in order."""


@dataclass(frozen=True, slots=True)
class ScorerType:
    """A role that scorers play, such as `toxicity`; its model is opened when a probe names the role."""

    name: str
    title: str
    models: tuple[str, ...]
    """Models it can be opened with by name, the default first; `--scorer NAME=MODEL` chooses another. Empty where the
    user must name one."""
    open: Callable[..., Scorer]
    """Load a model, given its name and, where there are `options`, an instance of them; raises `ScorerError`."""
    aliases: tuple[str, ...] = ()
    """Other names of the role."""
    options: type[Any] | None = None
    """A frozen dataclass; each field is an option, `--scorer NAME.OPTION=VALUE`."""
    other_models: str = ""
    """Which models `open` takes beside `models`, in words: `hf:FOLDER, a sequence classifier`; empty: none."""
