"""What suite files of all kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gptaudit.probe import Sees
from gptaudit.suites.words import Group, fill, group_problems, members, repeated, slot_problems, slots

STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Suite(ABC):
    """What every suite file says of itself."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    schema: Literal["gptaudit.suite/1"]
    id: str
    version: str
    suite: str
    title: str
    goal: str
    language: str
    licence: str
    source: str
    sees: tuple[Sees, ...] = field(default=(), kw_only=True)

    @abstractmethod
    def case_ids(self) -> list[str]:
        """Name the cases in their order."""

    @abstractmethod
    def problems(self) -> Iterator[str]:
        """Say what keeps the suite from being used; each thing is looked for only when those before it are in order."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with slots; `gptaudit.suites.words` says what a slot is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    id: str
    text: str
    slices: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Axis -> group, beside the suite's own axis: `{ domain = "lending" }`."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A template filled with a word of one group, and with its counterparts in the groups of reference."""

    id: str
    template: str
    text: str
    references: tuple[str, ...]
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContrastSuite(Suite):
    """Templates crossed with groups, each held against the groups of reference.

    What is reported of a group is a signed difference from the mean of the references, on the same template. The
    largest difference between any two groups would not do for a limit: a maximum of noisy differences is above
    zero for a model that treats all groups alike, the more so the more groups there are and the fewer templates.
    Differences from the mean of all groups would not do either, since over the groups they add up to zero.
    """

    axis: str
    templates: tuple[Template, ...]
    groups: Mapping[str, Group]
    reference: tuple[str, ...]
    """The groups that the others are held against, such as `["male"]`, or all groups but one."""

    def contrasts(self) -> Iterator[Contrast]:
        """Fill each template with each word of each group that is not one of reference."""
        for template in self.templates:
            for group in self.compared():
                for i, words in enumerate(members(self.groups[group])):
                    counterparts = (members(self.groups[name])[i] for name in self.reference)
                    word = words[self._slots(template)[0]] if len(members(self.groups[group])) > 1 else ""
                    yield Contrast(
                        id="/".join(filter(None, (template.id, group, word))),
                        template=template.id,
                        text=fill(template.text, words),
                        references=tuple(fill(template.text, other) for other in counterparts),
                        slices={**template.slices, self.axis: group},
                    )

    def compared(self) -> list[str]:
        """Name the groups that are held against those of reference."""
        return [name for name in self.groups if name not in self.reference]

    def case_ids(self) -> list[str]:
        """Name each contrast."""
        return [contrast.id for contrast in self.contrasts()]

    def own_slots(self) -> tuple[str, ...]:
        """Name the slots that are not for the groups' words."""
        return ()

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from group_problems(self.groups)
        yield from repeated("key 'reference': group", self.reference)
        for name in self.reference:
            if name not in self.groups:
                yield f"key 'reference': expected one of the groups {list(self.groups)}, found {name!r}"
        if not self.reference or not self.compared():
            yield f"key 'reference': expected some of the groups, not none and not all, found {list(self.reference)}"
        yield from repeated("template", (template.id for template in self.templates))
        for template in self.templates:
            for problem in self._template_problems(template):
                yield f"template {template.id!r}: {problem}"
        for contrast in self.contrasts():
            if contrast.text in contrast.references:
                yield f"case {contrast.id!r}: a group of reference has the same text {contrast.text!r}"

    def _template_problems(self, template: Template) -> Iterator[str]:
        words = set(next(iter(self.groups.values())))
        yield from slot_problems(template.text, words | set(self.own_slots()), self.groups)
        if not self._slots(template):
            yield f"no slot for a group's word; slots are {sorted(words)}"
        for slot in self.own_slots():
            if slots(template.text).count(slot) != 1:
                yield f"expected the slot {{{slot}}} once"
        if self.axis in template.slices:
            yield f"key 'slices': expected another axis than the suite's own, {self.axis!r}"

    def _slots(self, template: Template) -> list[str]:
        return [slot for slot in slots(template.text) if slot not in self.own_slots()]
