"""Measures of the Chinese toxicity scorer on texts that it was not trained on."""

from __future__ import annotations

import gettext
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from gptaudit.probes.kinds.registry import read_suite_file, suite_probe
from numpy.typing import NDArray

from gptaudit.probe import ProbeContext
from gptaudit.protocols.scorer import Output
from gptaudit.records import GenerateRequest, ScoreRequest
from gptaudit.scorers.chinese import ChineseScorer
from gptaudit.stats.auroc import auroc
from gptaudit.stats.intervals import wilson
from gptaudit_toxicity_training.chinese.corpus import Example, own_sentences, passage
from gptaudit_toxicity_training.rows import THRESHOLD, read_csv

LENGTHS = (5, 10, 20, 40, 100, 300)
"""Characters of a clean passage."""
SAMPLES = 400  # passages of each kind and length
PLANTED = 200  # long passages with an insult in them
RESAMPLES = 5_000
FINE = {"1": "attack on a person", "2": "attack on a group", "3": "anti-bias", "0": "other, not offensive"}
"""COLD's finer labels."""
CATALOGUES = ("git", "coreutils", "gnupg2", "bash", "dpkg", "wget", "tar")
HAN = re.compile(r"[\u4e00-\u9fff]")
Shares = dict[str, dict[str, float | int]]


def scores(scorer: ChineseScorer, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the toxicity (N,) of N texts."""
    return np.array([s["toxicity"] for s in scorer([Output(text) for text in texts])])


def share(scorer: ChineseScorer, texts: Sequence[str]) -> dict[str, float | int]:
    """Return how many texts there are, which share of them is called toxic, and their mean toxicity."""
    value = scores(scorer, texts)
    called = float((value >= THRESHOLD).mean())
    return {"texts": len(texts), "share": round(called, 4), "mean": round(float(value.mean()), 4)}


def cold_figures(scorer: ChineseScorer, rows: Sequence[Example]) -> dict[str, Any]:
    """Measure a split of COLD in all and by topic, and, if it has finer labels, the share of each called toxic."""
    toxic, value = np.array([r.toxic for r in rows]), scores(scorer, [r.text for r in rows])
    topics = {topic: np.array([r.topic == topic for r in rows]) for topic in sorted({r.topic for r in rows})}
    parts = {"all": np.ones(len(rows), dtype=bool), **topics}
    fine = {title: [r.text for r in rows if r.fine == code] for code, title in FINE.items()}
    return {
        "by_topic": {name: figures(value[part], toxic[part]) for name, part in parts.items()},
        "called_toxic": {title: share(scorer, texts) for title, texts in fine.items() if texts},
    }


def figures(value: NDArray[np.float64], toxic: NDArray[np.bool_]) -> dict[str, Any]:
    """
    Return each metric with its 95 % interval, and the numbers of texts.

    DeLong's interval for AUROC, Wilson's for shares, and percentiles of a bootstrap over texts for F1.
    """
    called = value >= THRESHOLD
    table = np.array(
        [
            [(called & toxic).sum(), (called & ~toxic).sum()],
            [(~called & toxic).sum(), (~called & ~toxic).sum()],
        ]
    )
    drawn = np.random.default_rng(0).multinomial(len(value), table.ravel() / len(value), RESAMPLES)
    (hit, false), (missed, right) = table.tolist()
    found = {
        "auroc": auroc(value, toxic, [str(i) for i in range(len(value))]),
        "accuracy": rate(hit + right, len(value)),
        "macro_f1": (float(macro_f1(table.reshape(1, 4))[0]), *np.quantile(macro_f1(drawn), (0.025, 0.975))),
        "sensitivity": rate(hit, hit + missed),
        "specificity": rate(right, right + false),
    }
    rounded = {name: [round(float(x), 4) for x in of_metric] for name, of_metric in found.items()}
    return {"positives": hit + missed, "negatives": false + right, **rounded}


def macro_f1(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of both classes' F1 for each row (hits, false alarms, misses, right passes)."""
    hit, false, missed, right = tables.T
    both: NDArray[np.float64] = hit / (2 * hit + false + missed) + right / (2 * right + false + missed)
    return both


def rate(successes: int, n: int) -> tuple[float, float, float]:
    """Return a share with Wilson's 95 % interval."""
    interval = wilson(successes, n, 0.95)
    return successes / n, float(interval.low or 0), float(interval.high or 0)


def made(templates: Sequence[str], names: Sequence[str]) -> list[str]:
    """Put each name into each template."""
    return [template.format(name) for template in templates for name in names]


def group_figures(scorer: ChineseScorer) -> Shares:
    """Measure our own held-out neutral sentences: by group, by kind of group, and with names never trained on."""
    own = own_sentences()
    names = {name: [name] for name in own["names"]["measured"]} | own["groups"]
    names["groups not trained on"] = own["names"]["unseen"]["groups"]
    return {name: share(scorer, made(own["test"]["neutral"], members)) for name, members in names.items()}


def insult_figures(scorer: ChineseScorer) -> Shares:
    """Measure our own held-out insults, alone and inside clean prose, and harmless sentences of the same form."""
    own = own_sentences()
    test, unseen = own["test"], own["names"]["unseen"]
    insults = made(test["insult"], unseen["invented"])
    texts = {
        "insults of invented groups": insults,
        "insults of persons": made(test["insult_person"], unseen["persons"]),
        "harmless sentences about invented groups": made(test["neutral"], unseen["invented"]),
        "harmless sentences about persons": made(test["neutral_person"], unseen["persons"]),
    }
    rng, prose = random.Random(3), [s for of_kind in test["clean"].values() for s in of_kind]
    for length in LENGTHS[-2:]:
        around = [passage(prose, length, rng) for _ in range(PLANTED)]
        ends = [text.find("。") + 1 for text in around]
        texts[f"one insult of an invented group in {length} characters of prose"] = [
            text[:end] + rng.choice(insults) + text[end:] for text, end in zip(around, ends, strict=True)
        ]
    return {name: share(scorer, of_kind) for name, of_kind in texts.items()}


def clean_figures(scorer: ChineseScorer, pools: Mapping[str, Sequence[str]]) -> dict[str, Shares]:
    """Measure passages of each length of each pool of clean sentences."""
    rng = random.Random(4)
    return {
        kind: {str(n): share(scorer, [passage(pool, n, rng) for _ in range(SAMPLES)]) for n in LENGTHS}
        for kind, pool in pools.items()
    }


def clean_pools(data: Path, catalogues: Path) -> dict[str, list[str]]:
    """Return the clean sentences by kind: our own held-out prose, messages of programs, contexts of CBBQ."""
    clean = own_sentences()["test"]["clean"]
    return {
        "own prose, all kinds": [s for of_kind in clean.values() for s in of_kind],
        **{f"own prose, {kind}": of_kind for kind, of_kind in clean.items()},
        "messages of programs, simplified": messages(catalogues, "zh_CN"),
        "messages of programs, traditional": messages(catalogues, "zh_TW"),
        "contexts of CBBQ": [text for texts in cbbq_contexts(data).values() for text in texts],
    }


def messages(catalogues: Path, language: str) -> list[str]:
    """Read the messages of some programs that are for the most part Chinese, from gettext's catalogues."""
    found: set[str] = set()
    for path in catalogue_files(catalogues, language):
        with path.open("rb") as file:
            translations = gettext.GNUTranslations(file)
        texts = vars(translations)["_catalog"].values()
        found |= {text for text in texts if len(HAN.findall(text)) >= max(6, len(text) / 2)}
    return sorted(found)


def catalogue_files(catalogues: Path, language: str) -> list[Path]:
    """Return the catalogues that are there."""
    paths = (catalogues / language / "LC_MESSAGES" / f"{name}.mo" for name in CATALOGUES)
    return [path for path in paths if path.is_file()]


def cbbq_contexts(data: Path) -> dict[str, list[str]]:
    """Read the ambiguous contexts of CBBQ by category; they name groups and say nothing bad of them."""
    contexts: dict[str, set[str]] = defaultdict(set)
    for path in sorted((data / "zh-cbbq").glob("*/ambiguous/ambiguous.csv")):
        contexts[path.parts[-3]] |= {r["context"] for r in read_csv(path)}
    return {category: sorted(texts) for category, texts in contexts.items()}


def suite_figures(scorer: ChineseScorer) -> Shares:
    """Measure the texts that our own Chinese suites ask models about, with the groups filled in."""
    found: Shares = {}
    for file in sorted(files("gptaudit.probes").joinpath("suites").iterdir(), key=lambda f: f.name):
        if file.name.endswith("-zh.toml"):
            probe = suite_probe(*read_suite_file(file))
            requests = (r for case in probe.cases(ProbeContext(None, 0)) for r in case.requests)
            found[file.name.removesuffix(".toml")] = share(scorer, sorted(asked(requests)))
    return found


def asked(requests: Iterable[object]) -> set[str]:
    """Return the texts of requests, with the continuation that is scored."""
    texts = set()
    for request in requests:
        if isinstance(request, ScoreRequest):
            texts.add(request.context + request.continuation)
        elif isinstance(request, GenerateRequest) and isinstance(request.prompt, str):
            texts.add(request.prompt)
    return texts
