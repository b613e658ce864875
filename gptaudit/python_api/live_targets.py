"""Models and probes that are objects of the caller's program, offered through the hooks that all others use."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from gptaudit.causal_lm.options import ChatTemplateOptions
from gptaudit.errors import TargetError
from gptaudit.markers import hookimpl
from gptaudit.plugins import HASHED
from gptaudit.probe import Probe
from gptaudit.protocols.backend import Backend, BackendType
from gptaudit.protocols.options import ChatOptions
from gptaudit.records import PluginInfo
from gptaudit.run.probe_file import ProbesAtHand

SCHEME = "object"
EXPECTED = "a spec such as 'hf:FOLDER', a function, a (model, tokenizer) pair or a pipeline of transformers"

Complete: TypeAlias = Callable[[list[Any]], Sequence[str | None]]
"""Returns a completion for each prompt; a prompt is a text, or a list of messages, dicts of `role` and `content`."""


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """A plugin that offers one object as the backend `object:NAME`."""

    name: str
    options: type
    open: Callable[[str, Any], Backend]

    @property
    def spec(self) -> str:
        """The target as the results name it."""
        return f"{SCHEME}:{self.name}"

    @hookimpl
    def gptaudit_register_backends(self, register: Callable[[BackendType], None]) -> None:
        """Register the object."""
        register(BackendType(SCHEME, "an object of the caller's program", "NAME", self.options, self.open))


@contextmanager
def live_target(target: object) -> Iterator[LiveTarget]:
    """Offer a function, a (model, tokenizer) pair or a pipeline; afterwards the model is as it was before.

    Raises:
        TargetError: it is none of these.
    """
    if hasattr(target, "model") and hasattr(target, "tokenizer"):
        target = (target.model, target.tokenizer)
    if isinstance(target, tuple) and len(target) == 2 and hasattr(target[0], "parameters"):
        model, tokenizer = target
        with _borrowed(model, tokenizer):
            yield LiveTarget(
                type(model).__name__,
                ChatTemplateOptions,
                lambda _, options: _of_model(model, tokenizer, options),
            )
    elif callable(target):
        function: Complete = target
        name = getattr(function, "__qualname__", type(function).__name__)
        yield LiveTarget(name, ChatOptions, lambda _, options: _of_function(name, function, options))
    else:
        msg = f"target: expected {EXPECTED}, found {type(target).__name__}"
        raise TargetError(msg)


@contextmanager
def _borrowed(model: Any, tokenizer: Any) -> Iterator[None]:  # noqa: ANN401 - transformers has no typed base
    """Freeze a model, and give it and its tokenizer back as they were: in training or not, and its padding."""
    from gptaudit.attribution.model_state import frozen

    padding = tokenizer.padding_side
    try:
        with frozen(model):
            yield
    finally:
        tokenizer.padding_side = padding


def _of_model(model: Any, tokenizer: Any, options: ChatTemplateOptions) -> Backend:  # noqa: ANN401
    from gptaudit.attribution.attributor import Attributor
    from gptaudit.causal_lm.loading import borrowed_backend

    return borrowed_backend(model, tokenizer, options, attributor=Attributor)


def _of_function(name: str, function: Complete, options: ChatOptions) -> Backend:
    from gptaudit.backends.python import PythonBackend

    spec = f"{SCHEME}:{name}"
    code = f"{spec}\n{_source(function)}"
    fingerprint = f"sha256:{hashlib.sha256(code.encode()).hexdigest()}"
    return PythonBackend(spec, function, fingerprint=fingerprint, chat=options.chat)


def live_probes(probes: Sequence[Probe]) -> tuple[ProbesAtHand, PluginInfo]:
    """Return probes as a plugin, whose version is the hash of their classes as they are written."""
    code = "\n".join(map(_source, probes))
    names = ", ".join(type(probe).__name__ for probe in probes)
    version = f"{HASHED}{hashlib.sha256(code.encode()).hexdigest()}"
    return ProbesAtHand(probes), PluginInfo(f"{SCHEME}:{names}", version, "objects of the caller's program")


def _source(thing: object) -> str:
    """Return the text of a function, or of the class of another object; empty where Python has none."""
    try:
        return inspect.getsource(thing if inspect.isroutine(thing) else type(thing))
    except (OSError, TypeError):
        return ""
