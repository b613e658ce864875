"""The scorers of a run: which model plays each role, chosen by `--scorer`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path

from gptaudit.errors import UsageError
from gptaudit.plugins import Plugins
from gptaudit.protocols.scorer import Scorer, ScorerType
from gptaudit.records import ScorerCard
from gptaudit.scorers.cards import is_of, read_card, shipped_cards
from gptaudit.validation import nearest, validated

PATH = re.compile(r"[:/.\\]")
"""What sets a path, or `hf:FOLDER`, apart from a name."""
CARD = "card"
"""The option of every scorer that names its card: `--scorer toxicity.card=FILE`."""


class Scorers:
    """The scorers of a run, each opened once: the model that `--scorer` chose for its role, or the role's first."""

    def __init__(self, plugins: Plugins, given: Mapping[str, str]) -> None:
        """Check `given`, roles and `ROLE.OPTION` -> values; raise `UsageError` for what no scorer takes."""
        self._types = plugins.scorers_by_any_name
        self._owners = {name: owner for name, (_, owner) in plugins.registered("scorers").items()}
        self._require_one = partial(plugins.require_one, "scorers")
        self._models: dict[str, tuple[str, ...]] = {}
        self._options: dict[str, dict[str, str]] = {}
        self._cards: dict[str, ScorerCard] = {}
        self._open: dict[tuple[str, str], Scorer] = {}
        for key, value in given.items():
            self._take(key, value)

    def _take(self, key: str, value: str) -> None:
        name, _, option = key.partition(".")
        self._require_one(name, f"--scorer {key}={value}")
        if name not in self._types:
            msg = f"--scorer {key}={value}: no such scorer.{nearest(name, self._types)}"
            raise UsageError(msg)
        role = self._types[name]
        if option == CARD:
            self._cards[role.name] = read_card(Path(value))
            return
        if option:
            known = [CARD, *(field.name for field in fields(role.options))] if role.options else [CARD]
            if option not in known:
                msg = f"--scorer {key}={value}: no option {option!r}.{nearest(option, known)}"
                raise UsageError(msg)
            self._options.setdefault(role.name, {})[option] = value
            return
        if role.name in self._models:
            msg = f"--scorer {key}={value}: {role.name!r} is given twice; keep one"
            raise UsageError(msg)
        models = tuple(value.split(","))
        if len(models) > 2 or len(set(models)) < len(models):
            msg = f"--scorer {key}={value}: expected one model, or two different ones, the first for the figures"
            raise UsageError(msg)
        for model in models:
            if model not in role.models and not (role.other_models and PATH.search(model)):
                msg = f"--scorer {key}={value}: no such model: {model!r}.{nearest(model, role.models)}"
                raise UsageError(msg)
        self._models[role.name] = models

    def open_all(self, names: Iterable[str]) -> None:
        """Open scorers before the model is asked, so that what is missing shows at once."""
        for name in names:
            self[name]
            self.second(name)
            self.card(name)

    def owner(self, name: str) -> str:
        """Name the plugin that registered a scorer."""
        return self._owners[self._type(name).name]

    def why_not(self, name: str) -> str | None:
        """Return why a scorer cannot be opened: no plugin registers it, or no model was named for it."""
        if name not in self._types:
            return f"needs the scorer {name}, which no plugin registers"
        role = self._types[name]
        if role.models or role.name in self._models:
            return None
        return f"needs a model for the scorer {name}: --scorer {name}={role.other_models}"

    def __getitem__(self, name: str) -> Scorer:
        """Return an open scorer; raise `UsageError` for one that no plugin registers, or that has no model."""
        role = self._type(name)
        problem = self.why_not(name)
        if problem is not None:
            msg = f"a probe {problem}"
            raise UsageError(msg)
        return self._opened(role, self._models.get(role.name, role.models)[0])

    def second(self, name: str) -> Scorer | None:
        """Return the second scorer of a role, which rates the same texts for comparison; None where none was named."""
        role = self._type(name)
        _, *others = self._models.get(role.name, ("",))
        return self._opened(role, others[0]) if others else None

    def card(self, name: str) -> ScorerCard | None:
        """Return the card of the scorer that plays a role: the one given, or the one that ships with its model.

        Raises `UsageError` if the card given is of another model.
        """
        scorer, given = self[name], self._cards.get(self._type(name).name)
        if given is None:
            return next((card for card in shipped_cards() if is_of(card, scorer)), None)
        if not is_of(given, scorer):
            msg = f"--scorer {name}.{CARD}: the card is of {given.scorer} {given.identity.get('model')!r} with other "
            remedy = f"weights; measure this one: gptaudit scorers evaluate {name}=MODEL --data DIR -o FILE"
            raise UsageError(msg + remedy)
        return given

    def _type(self, name: str) -> ScorerType:
        self._require_one(name, "a probe needs a scorer")
        if name not in self._types:
            msg = f"a probe needs the scorer {name!r}, which no plugin registers.{nearest(name, self._types)}"
            raise UsageError(msg)
        return self._types[name]

    def _opened(self, role: ScorerType, model: str) -> Scorer:
        if (role.name, model) not in self._open:
            self._open[role.name, model] = open_scorer(role, model, self._options.get(role.name, {}))
        return self._open[role.name, model]


def open_scorer(role: ScorerType, model: str, options: Mapping[str, str]) -> Scorer:
    """Open a model with its options; raise `ScorerError`, or `UsageError` for an option's value."""
    if role.options is None:
        return role.open(model)
    where = f"--scorer, options of {role.name}"
    return role.open(model, validated(role.options, dict(options), where=where, error=UsageError))


def model_of(scorer: Scorer) -> str:
    """Return the name of a scorer's model."""
    return scorer.identity.get("model", scorer.name)
