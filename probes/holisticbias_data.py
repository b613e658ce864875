"""Sentences of HolisticBias 1.1, generated from its descriptors, nouns and templates as by the authors."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from gptaudit.probes.kinds.words import article

from gptaudit.data import datasets
from gptaudit.data.datasets import HOLISTICBIAS
from gptaudit.errors import DataError

GENDERS = ("female", "male", "neutral")
SLOTS = ("noun_phrase", "plural_noun_phrase")
PHRASE_SLOTS = ("article", "noun")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A term for people, such as `blind` or `with a stutter`, with its phrase for each noun."""

    axis: str
    name: str
    phrases: Mapping[str, tuple[str, str]]
    """Noun -> noun phrase and its plural, such as `a blind man`, `blind men`; the key "" is the term without a noun."""


@dataclass(frozen=True, slots=True)
class DescriptorPair:
    """Two descriptors of one axis in one template, compared over the nouns that both combine with."""

    axis: str
    names: tuple[str, str]
    template: str
    nouns: tuple[str, ...]
    sentences: tuple[tuple[str, ...], tuple[str, ...]]
    """Sentences of each descriptor, in the order of the nouns."""


@dataclass(frozen=True, slots=True)
class HolisticBiasLists:
    """Descriptors and templates of the published files."""

    descriptors: Sequence[Descriptor]
    templates: Mapping[str, bool]
    """Template -> whether it needs a noun: it makes sense with `blind men` but not with `blind`."""

    def pairs(self, seed: int, templates: int) -> Iterator[list[DescriptorPair]]:
        """Yield the pairs of each axis: each descriptor is in one random pair, with random templates for each pair.

        Descriptors that combine with nouns of one gender are paired with one another. Those without nouns have only
        one sentence per template, too few to compare, and are left out; so is the last one of an odd number.
        """
        for axis in dict.fromkeys(descriptor.axis for descriptor in self.descriptors):
            generator = random.Random(f"{seed}\n{axis}")
            of_axis = [d for d in self.descriptors if d.axis == axis and len(d.phrases) > 1]
            generator.shuffle(of_axis)
            of_axis.sort(key=lambda d: [noun for noun in d.phrases if noun])
            couples = list(zip(of_axis[::2], of_axis[1::2], strict=False))
            yield [
                self._pair(couple, template)
                for couple in couples
                if len(couple[0].phrases.keys() & couple[1].phrases.keys() - {""}) > 1
                for template in generator.sample(list(self.templates), min(templates, len(self.templates)))
            ]

    def sentences(self, descriptor: Descriptor, template: str) -> dict[str, str]:
        """Return noun -> sentence."""
        needs_noun = self.templates[template]
        return {
            noun: template.format(noun_phrase=one, plural_noun_phrase=many)
            for noun, (one, many) in descriptor.phrases.items()
            if noun or not needs_noun
        }

    def _pair(self, couple: tuple[Descriptor, Descriptor], template: str) -> DescriptorPair:
        first, second = (self.sentences(descriptor, template) for descriptor in couple)
        nouns = tuple(noun for noun in first if noun in second)
        both = tuple(first[noun] for noun in nouns), tuple(second[noun] for noun in nouns)
        return DescriptorPair(couple[0].axis, (couple[0].name, couple[1].name), template, nouns, both)


def read_holisticbias(folder: Path | None) -> HolisticBiasLists:
    """Read the four files; raise `DataError`, naming file, key and remedy, if one is invalid."""
    nouns = _nouns(_file(folder, "nouns"))
    described = _descriptors(_file(folder, "descriptors"), nouns)
    standing = _standalone(_file(folder, "standalone_noun_phrases"), nouns)
    return HolisticBiasLists([*described, *standing], _templates(_file(folder, "sentence_templates")))


def _file(folder: Path | None, name: str) -> Path:
    return datasets.find(HOLISTICBIAS, folder, f"holisticbias/v1.1/{name}.json")


def _nouns(path: Path) -> dict[str, list[list[str]]]:
    found = datasets.read_json(path, dict[str, list[list[str]]])
    seen: set[str] = set()
    for gender, nouns in found.items():
        if gender not in GENDERS:
            msg = f"{path}: key {gender!r}: expected one of {', '.join(GENDERS)}; rename the key"
            raise DataError(msg)
        for forms in nouns:
            if len(forms) != 2 or not all(forms):
                msg = f"{path}: key {gender!r}: expected a noun and its plural, found {forms}; give both"
                raise DataError(msg)
            _add(forms[0], seen, "noun", str(path))
    _require(seen, "noun", path)
    return found


def _templates(path: Path) -> dict[str, bool]:
    found = datasets.read_json(path, dict[str, dict[str, bool]])
    for template, facts in found.items():
        where = f"{path}: key {template!r}"
        slots = _slots(template, where)
        if len(slots) != 1 or slots[0] not in SLOTS:
            wanted = " and ".join(f"{{{slot}}}" for slot in SLOTS)
            msg = f"{where}: expected one of {wanted} in it, and no other slot; fix the template"
            raise DataError(msg)
        unknown = facts.keys() - {"must_be_noun", "first_turn_only"}
        if unknown:
            msg = f"{where}: expected the keys must_be_noun and first_turn_only, found {min(unknown)!r}"
            raise DataError(f"{msg}; remove the key")
    _require(found, "template", path)
    return {template: facts.get("must_be_noun", False) for template, facts in found.items()}


def _descriptors(path: Path, nouns: Mapping[str, list[list[str]]]) -> Iterator[Descriptor]:
    axes = datasets.read_json(path, dict[str, dict[str, list[str | dict[str, str]]]])
    _require(axes, "axis", path)
    for axis, buckets in axes.items():
        seen: set[str] = set()
        for bucket, entries in buckets.items():
            where = f"{path}: key {axis!r}, {bucket!r}"
            for entry in entries:
                facts = _entry(entry, "descriptor", where)
                name, gender = facts["descriptor"], facts.get("gender", "")
                if gender and gender not in GENDERS:
                    msg = f"{where}, {name!r}: key 'gender': expected {', '.join(GENDERS)}, found {gender!r}"
                    raise DataError(msg)
                _add(name, seen, "descriptor", where)
                chosen = [forms for of, listed in nouns.items() if gender in ("", of) for forms in listed]
                chosen_article = facts.get("article", article(name))
                phrases = {one: (f"{chosen_article} {name} {one}", f"{name} {many}") for one, many in chosen}
                yield Descriptor(axis, name, {"": (name, name), **phrases})


def _standalone(path: Path, nouns: Mapping[str, list[list[str]]]) -> Iterator[Descriptor]:
    """Yield the descriptors that follow the noun: `{article} {noun} with a stutter`."""
    for axis, entries in datasets.read_json(path, dict[str, list[str | dict[str, str]]]).items():
        where = f"{path}: key {axis!r}"
        seen: set[str] = set()
        for entry in entries:
            facts = _entry(entry, "noun_phrase", where)
            one = facts["noun_phrase"]
            many = facts.get("plural_noun_phrase", one)
            if not {*_slots(one, where), *_slots(many, where)} <= {*PHRASE_SLOTS}:
                msg = f"{where}: expected no slots but {{article}} and {{noun}} in {one!r}; fix the phrase"
                raise DataError(msg)
            if "{noun}" in one:
                _add(one, seen, "phrase", where)
            chosen = [forms for listed in nouns.values() for forms in listed] if "{noun}" in one else []
            phrases = {
                noun: (
                    one.format(article=article(noun), noun=noun),
                    many.format(article="", noun=plural).lstrip(),
                )
                for noun, plural in chosen
            }
            name = one.format(article="", noun="").strip()
            yield Descriptor(axis, name, phrases or {"": (one, many)})


def _entry(entry: Any, key: str, where: str) -> dict[str, str]:  # noqa: ANN401 - a text, or an object
    facts: dict[str, str] = {key: entry} if isinstance(entry, str) else entry
    if not facts.get(key, "").strip():
        msg = f"{where}: expected a text, or an object with the key {key!r}, found {entry!r}"
        raise DataError(msg)
    return facts


def _slots(text: str, where: str) -> list[str]:
    """Return the names of the slots in braces."""
    try:
        return [slot for _, slot, _, _ in Formatter().parse(text) if slot is not None]
    except ValueError as error:
        msg = (
            f"{where}: expected a text with slots such as {{noun}}, found {text!r} ({error}); fix the braces"
        )
        raise DataError(msg) from None


def _require(found: Collection[str], what: str, path: Path) -> None:
    """Raise `DataError` if nothing was found."""
    if not found:
        msg = f"{path}: expected at least one {what}, found none; fetch the file again"
        raise DataError(msg)


def _add(name: str, seen: set[str], what: str, where: str) -> None:
    """Add a name to those seen; raise `DataError` if it is among them."""
    if name in seen:
        msg = f"{where}: the {what} {name!r} appears twice; remove one"
        raise DataError(msg)
    seen.add(name)
