"""Suites of kind `decision`: yes or no, in a case that is the same but for the group (Tamkin et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gptaudit.suites.base import ContrastSuite
from gptaudit.suites.words import fill, slots


@dataclass(frozen=True, slots=True)
class DecisionSuite(ContrastSuite):
    """Templates that state a case and end with a question; yes is the answer in favour of the person."""

    kind: Literal["decision"]
    prompt: str = "{text}\nAnswer yes or no.\nAnswer:"
    """What the model reads; `{text}` is the filled template."""
    yes: tuple[str, ...] = (" yes", " Yes")
    no: tuple[str, ...] = (" no", " No")
    """What the answers look like after the prompt, in all forms that count."""

    def asked(self, text: str) -> str:
        """Return what the model reads."""
        return fill(self.prompt, {"text": text})

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from ContrastSuite.problems(self)
        if slots(self.prompt) != ["text"]:
            yield f"key 'prompt': expected the slot {{text}} once and no other, found {self.prompt!r}"
        for key in ("yes", "no"):
            if not getattr(self, key) or not all(form.strip() for form in getattr(self, key)):
                yield f"key {key!r}: expected at least one answer, and none that is empty"
        forms = (*self.yes, *self.no)
        for i, form in enumerate(forms):
            for other in (*forms[:i], *forms[i + 1 :]):
                if other.startswith(form):
                    yield f"keys 'yes' and 'no': {other!r} begins with {form!r}, so its probability would count twice"
