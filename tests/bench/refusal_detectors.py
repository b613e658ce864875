"""
The refusal scorer beside detectors that look for strings, on the answers of finished audits.

    gptaudit run hf:MODEL -b chat=true -p behaviours --attack rot13 -o RUN
    python tests/bench/refusal_detectors.py RUN --strings NAME=FILE.json... [--examples 3]

Such a detector calls an answer refused that has one of its strings, and any other answer a success of the attack. FILE
is its list as published: {"strings": [...], "at": "anywhere" or "start", "case_sensitive": true or false}. Lists are in

* garak (NVIDIA/garak), garak/detectors/mitigation.py: `MitigationBypass` (anywhere) and `Prefixes` (at the start);
* HarmBench (centerforaisafety/HarmBench), eval_utils.py: `advbench_metric_test_prefixes` (anywhere, with upper and
  lower case), those of llm-attacks (Zou et al. 2023); and baselines/check_refusal_utils.py: `REFUSAL_PREFIXES`
  (anywhere);
* XSTest (Röttger et al. 2024), classify_completions_strmatch.py (at the start).

Printed are, for the harmful requests of each probe, the success rate by each detector beside the compliance rate here,
raw and corrected, with 95 % intervals; how far the two agree that an answer is a success, and that it is a refusal (in
part or whole), with Cohen's kappa; and the share of harmless requests that are refused. Then the answers to harmful
requests by their label here, and how many of each label a detector calls refused. `--examples` draws answers from each
cell where the two differ; what is neither refused nor help here is a success or a refusal there, and differs always.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from statistics import fmean

from gptaudit.gate.decide import read_audit
from gptaudit.gate.pairing import Audit
from gptaudit.records import Metric, ProbeResult
from gptaudit.scorers.refusal import OUTCOMES
from gptaudit.stats.intervals import mean_interval
from gptaudit.stats.kappa import cohens_kappa

LEVEL = 0.95
REFUSALS = ("refused", "partly")
SUCCESS, HARMLESS = "compliance_rate", "over_refusal_rate"
COLUMNS = (
    "probe",
    "detector",
    "answers",
    "success",
    "agree on success",
    "kappa",
    "agree on refusal",
    "kappa",
    "harmless refused",
)


@dataclass(frozen=True)
class Detector:
    """Strings of which an answer that is called refused has one."""

    name: str
    strings: tuple[str, ...]
    at_start: bool
    case_sensitive: bool

    @classmethod
    def read(cls, argument: str) -> Detector:
        """Read the detector of `NAME=FILE.json`."""
        name, _, file = argument.partition("=")
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        if found["at"] not in ("anywhere", "start"):
            msg = f'{file}, key at: expected "anywhere" or "start", found {found["at"]!r}'
            raise argparse.ArgumentTypeError(msg)
        return cls(name, tuple(found["strings"]), found["at"] == "start", found["case_sensitive"])

    def refuses(self, answer: str) -> bool:
        """Return whether the answer has one of the strings, white space before it aside."""
        said = self._read(answer).lstrip()
        if self.at_start:
            return said.startswith(tuple(map(self._read, self.strings)))
        return any(self._read(string) in said for string in self.strings)

    def _read(self, text: str) -> str:
        return text if self.case_sensitive else text.lower()


@dataclass(frozen=True)
class Rated:
    """An answer with its label here."""

    cluster: str
    is_harmful: bool
    prompt: str
    text: str
    label: str


def rated(audit: Audit, probe: ProbeResult) -> Iterator[Rated]:
    """Yield the answers that the refusal scorer rated for a probe; of one under attack, those under attack."""
    for m in audit.measurements[probe.id]:
        for said in m.evidence.exchanges if m.evidence else ():
            is_harmful = bool(m.values.get("harmful", 1.0))
            yield Rated(m.cluster, is_harmful, said.prompt, said.output, next(iter(said.scores)))


def rows(probe: ProbeResult, answers: Sequence[Rated], detectors: Sequence[Detector]) -> Iterator[list[str]]:
    """Yield the cells of the figures here, and of each detector."""
    harmful = [one for one in answers if one.is_harmful]
    harmless = [one for one in answers if not one.is_harmful]
    whole = {m.name: m for m in probe.metrics if not m.slice}
    for name, corrected in (("gptaudit, raw", False), ("gptaudit, corrected", True)):
        figures = (_figure(whole.get(metric), corrected=corrected) for metric in (SUCCESS, HARMLESS))
        success, refused = figures
        yield [probe.id, name, str(len(harmful)), success, "", "", "", "", refused]
    clusters = [one.cluster for one in harmful]
    for detector in detectors:
        refused_by = [detector.refuses(one.text) for one in harmful]
        yield [
            probe.id,
            detector.name,
            str(len(harmful)),
            _share([not refused for refused in refused_by], clusters),
            *_agreement([not r for r in refused_by], [one.label == "complied" for one in harmful], clusters),
            *_agreement(refused_by, [one.label in REFUSALS for one in harmful], clusters),
            _share([detector.refuses(one.text) for one in harmless], [one.cluster for one in harmless]),
        ]


def _figure(metric: Metric | None, *, corrected: bool) -> str:
    found = metric.corrected if metric and corrected else metric
    return _text(found.value, found.low, found.high) if found else ""


def _share(counts: Sequence[bool], clusters: Sequence[str]) -> str:
    if not counts:
        return ""
    interval = mean_interval(list(map(float, counts)), clusters, level=LEVEL, seed=0, binary=True)
    return _text(fmean(counts), interval.low, interval.high)


def _agreement(by_detector: Sequence[bool], here: Sequence[bool], clusters: Sequence[str]) -> tuple[str, str]:
    """Return the share of answers with the same verdict, and kappa with its interval."""
    kappa, interval = cohens_kappa(by_detector, here, clusters, level=LEVEL)
    same = fmean(a == b for a, b in zip(by_detector, here, strict=True))
    return f"{same:.2f}", _text(kappa, interval.low, interval.high)


def _text(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def by_label(name: str, answers: Sequence[Rated], detectors: Sequence[Detector]) -> Iterator[list[str]]:
    """Yield how many answers to harmful requests have each label, and how many of them a detector calls refused."""
    harmful = [one for one in answers if one.is_harmful]
    found = {"answers": Counter(one.label for one in harmful)} | {
        detector.name: Counter(one.label for one in harmful if detector.refuses(one.text))
        for detector in detectors
    }
    for by, counts in found.items():
        yield [name, by, *(str(counts[label]) for label in OUTCOMES)]


def examples(answers: Sequence[Rated], detectors: Sequence[Detector], most: int, seed: int) -> Iterator[str]:
    """Yield the answers drawn from each cell where a detector and the label here differ."""
    for detector, label, refuses in product(detectors, OUTCOMES, (True, False)):
        if (label == "complied" and not refuses) or (label in REFUSALS and refuses):
            continue
        cell = [
            one
            for one in answers
            if one.is_harmful and one.label == label and detector.refuses(one.text) == refuses
        ]
        drawn = Random(f"{seed}/{detector.name}/{label}/{refuses}").sample(cell, min(most, len(cell)))
        for one in drawn:
            yield f"\n{detector.name}: {'refused' if refuses else 'success'}; here: {label} ({len(cell)} such)"
            yield f"  asked: {one.prompt!r}\n  answer: {one.text!r}"


def table(head: Sequence[str], found: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for cells in [head, ["---"] * len(head), *found]:
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Print the tables, and the examples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("run", type=Path, help="folder of a finished audit")
    parser.add_argument(
        "--strings", action="append", default=[], type=Detector.read, metavar="NAME=FILE.json"
    )
    parser.add_argument("--examples", type=int, default=0, help="answers of each cell where the two differ")
    parser.add_argument("--seed", type=int, default=0, help="of the examples")
    arguments = parser.parse_args()
    audit, detectors = read_audit(arguments.run / "results.json"), arguments.strings
    found = {
        probe.id: (probe, list(rated(audit, probe)))
        for probe in audit.result.probes
        if probe.status == "scored" and any(metric.name == SUCCESS for metric in probe.metrics)
    }
    table(COLUMNS, [row for probe, answers in found.values() for row in rows(probe, answers, detectors)])
    print()
    labels = [row for name, (_, answers) in found.items() for row in by_label(name, answers, detectors)]
    table(["probe", "called refused by", *OUTCOMES], labels)
    every = [one for _, answers in found.values() for one in answers]
    for line in examples(every, detectors, arguments.examples, arguments.seed):
        print(line)


if __name__ == "__main__":
    main()
