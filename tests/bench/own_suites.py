"""
The suites of matched pairs in audits of real models: what each shows, and which figure one would trust.

    gptaudit run hf:MODEL -s bias -o FOLDER
    python tests/bench/own_suites.py FOLDER...

One row for each suite and audit: association with its interval, area under the ROC curve, default, stereotype rate;
then the reliability of the association, how far it is the same again with other wordings. The association of each term,
or of each block, is computed from a random half of the templates, or of the words that the block was filled with, and
from the other half. Their correlation over the terms of a group, or over blocks, for twice the length (Spearman and
Brown 1910), is the share of the variance between them that is not of the wording.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from gptaudit.gate.decide import read_audit
from gptaudit.records import Measurement, ProbeResult

SPLITS = 200
FEWEST = 4
"""Items that a correlation takes; a suite whose words differ between blocks may have fewer in both halves."""
COLUMNS = ("association", "association_auroc", "default", "stereotype_rate")

Pair = tuple[bool, float]
"""Whether a pair is of the first direction, and the log-likelihood lead of the first group."""
Leads = Mapping[str, Mapping[str, list[Pair]]]
"""Term or block -> wording -> its pairs."""


def leads(measurements: Iterable[Measurement]) -> Leads:
    """Sort the pairs by item and wording: the template of a term, or the words of a block."""
    found: dict[str, dict[str, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for m in measurements:
        if m.unscored is None:
            wording = m.crossed or "/".join(sorted(m.case.split("/")[-2:]))
            found[m.cluster][wording].append((m.values["first_group"] > 0, m.values["first_group_lead"]))
    return found


def reliability(items: Leads, generator: np.random.Generator) -> float:
    """Return the mean over random halves of the wordings of the correlation between halves, for twice the length."""
    directions = np.array(
        [fmean(first for pairs in of.values() for first, _ in pairs) for of in items.values()]
    )
    """1 and 0 for the terms of either group, which differ by the default, and 0.5 for blocks, which do not."""
    wordings = sorted({wording for of_item in items.values() for wording in of_item})
    found = []
    for _ in range(SPLITS):
        order = generator.permutation(len(wordings))
        half = {wordings[i] for i in order[: len(order) // 2]}
        both = np.array(
            [[_of_item(pairs, half, inside=inside) for inside in (True, False)] for pairs in items.values()]
        )
        known = np.isfinite(both).all(axis=1)
        for direction in set(directions[known]):
            of_direction = known & (directions == direction)
            both[of_direction] -= both[of_direction].mean(axis=0)
        if known.sum() > FEWEST:
            r = float(np.corrcoef(both[known].T)[0, 1])
            found.append(2 * r / (1 + r))
    return fmean(found) if found else float("nan")


def _of_item(pairs: Mapping[str, list[Pair]], half: set[str], *, inside: bool) -> float:
    """Return an item's association in a half of the wordings; NaN without pairs."""
    found = [
        lead if first else -lead for word in pairs if (word in half) == inside for first, lead in pairs[word]
    ]
    return fmean(found) if found else float("nan")


def rows(folders: Sequence[Path]) -> Iterator[list[str]]:
    """Yield the cells of each suite of each audit."""
    for folder in folders:
        audit = read_audit(folder / "results.json")
        for probe in audit.result.probes:
            whole = {m.name: m for m in probe.metrics if not m.slice}
            if probe.status != "scored" or "association" not in whole:
                continue
            yield [
                probe.id,
                folder.name,
                *_figures(probe),
                f"{_reliability(audit.measurements[probe.id]):.2f}",
            ]


def _figures(probe: ProbeResult) -> Iterator[str]:
    for name in COLUMNS:
        metric = next(m for m in probe.metrics if m.name == name and not m.slice)
        yield f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def _reliability(measurements: Iterable[Measurement]) -> float:
    return reliability(leads(measurements), np.random.default_rng(0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    found = sorted(rows(parser.parse_args().folders))
    for cells in [["suite", "audit", *COLUMNS, "reliability"], ["---"] * 7, *found]:
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
