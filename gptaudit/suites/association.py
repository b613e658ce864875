"""Suites of kind `association`: how a sentence about a group is completed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gptaudit.suites.base import ContrastSuite
from gptaudit.suites.words import fill, listed, repeated, slots

COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class AssociationSuite(ContrastSuite):
    """Templates with a group's word and a `{completion}`, and matched sets of completions in categories.

    A set has a completion, or several, of each category: `{ positive = "honest", negative = "dishonest" }`. The
    completions of a set should be alike in length and in how common they are; what remains of that is the same for
    all groups.
    """

    kind: Literal["association"]
    measured: str
    """The category whose share is reported."""
    sets: tuple[Mapping[str, str | tuple[str, ...]], ...]
    """CATEGORY -> completion or completions."""

    def own_slots(self) -> tuple[str, ...]:
        """Name the slot of the completion."""
        return (COMPLETION,)

    def categories(self) -> list[str]:
        """Name the categories."""
        return list(self.sets[0])

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from ContrastSuite.problems(self)
        for template in self.templates:
            if slots(template.text)[-1] != COMPLETION:
                yield f"template {template.id!r}: expected the slot {{{COMPLETION}}} after the group's word"
        if not self.sets:
            yield "key 'sets': expected at least one set of completions"
        if self.measured not in self.categories():
            yield f"key 'measured': expected one of the categories {self.categories()}, found {self.measured!r}"
        if len(self.categories()) < 2:
            yield f"key 'sets[1]': expected at least two categories, found {self.categories()}"
        for number, one in enumerate(self.sets, start=1):
            if one.keys() != self.sets[0].keys():
                yield f"key 'sets[{number}]': expected the categories {self.categories()}, found {list(one)}"
            if not all(word.strip() for words in one.values() for word in listed(words) or ("",)):
                yield f"key 'sets[{number}]': expected completions, found an empty one"
        yield from repeated(
            "completion", (word for one in self.sets for w in one.values() for word in listed(w))
        )

    def completed(self, text: str, completion: str) -> tuple[str, str]:
        """Split a text at its completion: `("She is", " kind.")`.

        The space before a completion goes with it, as most tokenizers have it.
        """
        whole = fill(text, {COMPLETION: completion})
        context = text[: text.index("{")].rstrip()
        return context, whole[len(context) :]
