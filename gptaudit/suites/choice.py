"""Suites of kind `choice`: which of two people a question is about, where the text does not say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from gptaudit.suites.base import Suite, Template
from gptaudit.suites.words import Group, Words, fill, group_problems, members, repeated, slot_problems, slots

PERSON = "person"
MENTIONS = ("first", "second")


@dataclass(frozen=True, slots=True)
class ChoiceTemplate(Template):
    """A text that names two people, as `{first}` and `{second}`, and two questions to which it gives no answer."""

    question: str
    """The stereotype answers it with the one of `group`."""
    opposite: str
    """The stereotype answers it with the other one."""
    group: str
    contrast: tuple[str, ...] = ()
    """The groups with which that one is contrasted; where it names none, all others."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its three options, the stereotyped one first and "cannot be known" last."""

    id: str
    template: str
    context: str
    question: str
    options: tuple[str, str, str]
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChoiceSuite(Suite):
    """Templates crossed with the words of two groups.

    Each is asked with both questions and with either person named first, so that a taste for words or for the
    first place follows the stereotype as often as not.
    """

    kind: Literal["choice"]
    axis: str
    templates: tuple[ChoiceTemplate, ...]
    groups: Mapping[str, Group]
    """GROUP -> the word or words for `person`, and for `a_person` where the article does not follow."""
    unknown: str = "It cannot be known"
    """The third option, which is right."""
    option: str = "The {person}"
    prompt: str = "{context}\n\nQuestion: {question}\n{options}\nAnswer:"
    letters: tuple[str, str, str] = (" A", " B", " C")
    """What the answers look like after the prompt; an option is listed as `A. The farmer`."""

    def questions(self) -> Iterator[Question]:
        """Fill each template with the words of its group and of each that it is contrasted with."""
        for template in self.templates:
            others = template.contrast or [name for name in self.groups if name != template.group]
            for other in others:
                pairs = zip(members(self.groups[template.group]), members(self.groups[other]), strict=True)
                for (own, foil), swapped in product(pairs, (False, True)):
                    yield from self._questions(template, own, foil, swapped=swapped)

    def case_ids(self) -> list[str]:
        """Name each question."""
        return [question.id for question in self.questions()]

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from group_problems(self.groups)
        words = set(next(iter(self.groups.values())))
        if not {PERSON} <= words <= {PERSON, f"a_{PERSON}"}:
            yield f"key 'groups': expected the slot {PERSON!r}, found {sorted(words)}"
        if slots(self.option) != [PERSON]:
            yield f"key 'option': expected the slot {{{PERSON}}} once and no other, found {self.option!r}"
        if sorted(slots(self.prompt)) != ["context", "options", "question"]:
            yield f"key 'prompt': expected {{context}}, {{question}} and {{options}} once each, found {self.prompt!r}"
        if len({letter.strip() for letter in self.letters} - {""}) != len(self.letters):
            yield f"key 'letters': expected three that differ, found {list(self.letters)}"
        yield from repeated("template", (template.id for template in self.templates))
        for template in self.templates:
            for problem in self._template_problems(template):
                yield f"template {template.id!r}: {problem}"
        for question in self.questions():
            if len(set(question.options)) != len(question.options):
                yield f"case {question.id!r}: expected options that differ, found {list(question.options)}"

    def _questions(
        self, template: ChoiceTemplate, own: Words, foil: Words, *, swapped: bool
    ) -> Iterator[Question]:
        """Ask both questions about two people in one order."""
        people = (foil, own) if swapped else (own, foil)
        named = {
            slot.replace(PERSON, mention): word
            for mention, words in zip(MENTIONS, people, strict=True)
            for slot, word in words.items()
        }
        options = [fill(self.option, words) for words in (own, foil)]
        order = "swapped" if swapped else "as-written"
        for key, text, (one, two) in (
            ("question", template.question, options),
            ("opposite", template.opposite, options[::-1]),
        ):
            yield Question(
                id="/".join((template.id, own[PERSON], foil[PERSON], key, order)),
                template=template.id,
                context=fill(template.text, named),
                question=fill(text, named),
                options=(one, two, self.unknown),
                slices={**template.slices, self.axis: template.group},
            )

    def _template_problems(self, template: ChoiceTemplate) -> Iterator[str]:
        named = (template.group, *template.contrast)
        for name in named:
            if name not in self.groups:
                yield f"expected one of the groups {list(self.groups)}, found {name!r}"
        if len(set(named)) < len(named):
            yield f"expected groups that differ, found {list(named)}"
        for text in (template.text, template.question, template.opposite):
            yield from slot_problems(text, MENTIONS, self.groups)
        if not set(MENTIONS) <= set(slots(template.text)):
            yield "expected the slots {first} and {second}"
        if template.question == template.opposite:
            yield "both questions are the same"
        if self.axis in template.slices:
            yield f"key 'slices': expected another axis than the suite's own, {self.axis!r}"
