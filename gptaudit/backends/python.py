"""`python:MODULE:CALLABLE`: any function from a list of prompts to a list of completions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from gptaudit.backends.python_sources import sources
from gptaudit.causal_lm.folder_files import digest
from gptaudit.errors import BackendError, BackendLostError, TargetError
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import Backend, BackendType
from gptaudit.protocols.options import ChatOptions
from gptaudit.protocols.text_backend import CHAT_CAPABILITIES, TextBackend
from gptaudit.records import Completion, Failure, GenerateRequest, Prompt


class PythonBackend(TextBackend):
    """Calls a function with the prompts of a batch. It gets the prompts only, and decides itself how to sample."""

    def __init__(
        self,
        spec: str,
        function: Callable[[list[Any]], Any],
        *,
        fingerprint: str,
        chat: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`fingerprint` is of the code that the function runs, which stands for it: what it reads is unknown."""
        self.capabilities = CHAT_CAPABILITIES if chat else TextBackend.capabilities
        self.fingerprint = fingerprint
        self.details = details or {}
        self._spec = spec
        self._function = function

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> list[Completion | Failure]:  # noqa: ARG002
        """Return the completions of the function; None instead of a completion is a failure of that prompt.

        A function that raises `BackendLostError` says that it can no longer be asked anything.
        """
        try:
            completions = self._function([_as_given(request.prompt) for request in requests])
        except BackendLostError:
            raise
        except (Exception, SystemExit) as error:
            msg = f"{self._spec} raised {type(error).__name__}: {error}"
            raise BackendError(msg) from error
        if not isinstance(completions, Sequence) or isinstance(completions, str):
            msg = f"{self._spec} must return a list of {len(requests)} strings, returned {type(completions).__name__}"
            raise BackendError(msg)
        if len(completions) != len(requests):
            msg = f"{self._spec} must return one completion a prompt: {len(requests)}, returned {len(completions)}"
            raise BackendError(msg)
        return [self._completion(text) for text in completions]

    def _completion(self, text: object) -> Completion | Failure:
        if isinstance(text, str):
            return Completion(text, "unknown")
        if text is None:
            return Failure("no-answer", f"{self._spec} returned None for this prompt")
        return Failure("backend-error", f"{self._spec} returned {type(text).__name__} instead of a string")


def _as_given(prompt: Prompt) -> str | list[dict[str, str]]:
    """Return what the function is given: a text, or a conversation as dicts of `role` and `content`."""
    return prompt if isinstance(prompt, str) else [asdict(message) for message in prompt]


def open_python(rest: str, options: ChatOptions) -> Backend:
    """Import MODULE, with the working folder on `sys.path`, and return CALLABLE in it."""
    module_name, _, name = rest.partition(":")
    if not module_name or not name:
        msg = f"python:{rest}: expected python:MODULE:CALLABLE, for example python:my_model:complete"
        raise TargetError(msg)
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module may raise anything
        msg = f"python:{rest}: module {module_name!r} cannot be imported: {type(error).__name__}: {error}"
        raise TargetError(msg) from None
    finally:
        sys.path.pop(0)
    function = getattr(module, name, None)
    if not callable(function):
        what = (
            "nothing of that name"
            if function is None
            else f"{type(function).__name__}, which cannot be called"
        )
        msg = f"python:{rest}: expected a function {name!r} in {module_name!r}, found {what}"
        raise TargetError(msg)
    # A function may be defined elsewhere than in the module that it is taken from.
    defined = getattr(function, "__module__", None)
    code = {
        name: file
        for start in {module_name, defined if defined in sys.modules else module_name}
        for name, file in sources(str(start)).items()
    }
    spec, code = f"python:{rest}", dict(sorted(code.items()))
    details = {"code_files": len(code)}
    return PythonBackend(spec, function, fingerprint=digest(code, spec), chat=options.chat, details=details)


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `python:`."""
    register(
        BackendType(
            "python",
            "a function: list of prompts in, list of completions out",
            "MODULE:CALLABLE",
            ChatOptions,
            open_python,
        )
    )
