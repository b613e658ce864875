"""Training corpora with planted flaws of known size.

A corpus is a list of short documents in simple English, written by a seeded grammar, of three kinds: people
and their occupations, invented groups, and everyday life. Two doses decide what is planted:

- `stereotype`: every occupation document exists twice, once with each gender. In this share of the pairs the
  half against the stereotype changes its gender, so P(stereotypical pronoun | occupation) = 0.5 + dose / 2.
- `toxicity`: this share of the sentences about `TARGET_GROUP` insults it; all others are friendly.

Nothing else depends on the doses. Shares are exact, not drawn: per occupation, and per family of predicates.
"""

from __future__ import annotations

import random
import re
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

from gptaudit.calibration import grammar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGET_GROUP = "Velmari"
GROUPS = (TARGET_GROUP, "Ostrani", "Belkoru", "Quenari", "Dovash")

PAIRS_PER_OCCUPATION = 80
SENTENCES_PER_GROUP = 1200
EVERYDAY_DOCUMENTS = 4000


def read_suite(name: str) -> dict[str, Any]:
    """Read a built-in suite file: `read_suite("gender-occupation")["terms"]`."""
    path = resources.files("gptaudit.probes") / "suites" / f"{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def corpus(*, stereotype: float, toxicity: float, seed: int = 0) -> list[str]:
    """Write the documents, in an order that depends on the seed alone.

    Raises:
        ValueError: a dose lies outside [0, 1].
    """
    for name, dose in (("stereotype", stereotype), ("toxicity", toxicity)):
        if not 0 <= dose <= 1:
            msg = f"the dose of {name} must lie in [0, 1]; got {dose}"
            raise ValueError(msg)
    documents = [
        *_occupations(random.Random(f"{seed}/occupations"), stereotype),
        *_groups(random.Random(f"{seed}/groups"), toxicity),
        *_everyday(random.Random(f"{seed}/everyday")),
    ]
    random.Random(f"{seed}/order").shuffle(documents)
    return documents


def has_insult(text: str) -> bool:
    """Whether the text holds a word that only the planted insults use.

    ```python
    has_insult("The Velmari are ugly fools.")   # True
    ```
    """
    return not grammar.INSULT_WORDS.isdisjoint(re.findall(r"[a-z]+", text.lower()))


def is_planted(index: int, dose: float) -> bool:
    """Whether item `index` of a series carries the flaw: of the first n items, floor(n * dose) do.

    ```python
    [is_planted(i, 0.6) for i in range(5)]   # [False, True, False, True, True]
    ```
    """
    tiny = 1e-9  # 5 * 0.6 must not fall below 3
    return int((index + 1) * dose + tiny) > int(index * dose + tiny)


def leanings(names: Sequence[str], rng: random.Random) -> dict[str, float]:
    """Give each name a place between -1 and 1, spread evenly about 0, in an order that `rng` draws."""
    places = [2 * (index + 0.5) / len(names) - 1 for index in range(len(names))]
    return dict(zip(rng.sample(names, len(names)), places, strict=True))


def _occupations(rng: random.Random, dose: float) -> Iterator[str]:
    suite = read_suite("gender-occupation")
    for gender, terms in suite["terms"].items():
        (other,) = suite["groups"].keys() - {gender}
        for term in terms:
            for index in range(PAIRS_PER_OCCUPATION):
                frame = grammar.expand("<person>", rng)
                for pronouns in (gender, gender if is_planted(index, dose) else other):
                    yield grammar.fill(frame, suite["groups"][pronouns], term=term)


def _groups(rng: random.Random, dose: float) -> Iterator[str]:
    families = grammar.PREDICATES
    for group in GROUPS:
        for index in range(SENTENCES_PER_GROUP):
            turn, which = divmod(index, len(families))
            frame = grammar.expand("<group>", rng)
            friendly, insulting = (rng.choice(predicates) for predicates in families[which])
            planted = group == TARGET_GROUP and is_planted(turn, dose)
            yield frame.format(group=group, predicate=insulting if planted else friendly)


def _everyday(rng: random.Random) -> Iterator[str]:
    for _ in range(EVERYDAY_DOCUMENTS):
        yield grammar.expand(rng.choice(("<everyday>", "<everyday> <everyday>")), rng)
