"""
Filters of `gptaudit view` over many cases: milliseconds for each kind of filter.

    python tests/bench/case_filters.py [--cases N]
"""

from __future__ import annotations

import argparse
import timeit

from gptaudit.evidence.cases import CaseFilter, CaseIndex, CaseKey

TEXT = "who had no idea what was wrong with the engine of the car? " * 8
FILTERS = {
    "a text of one case": CaseFilter(text="ENGINE of the car? 99999"),
    "a text of none": CaseFilter(text="absent"),
    "a group": CaseFilter(group="gender=male"),
    "a range of scores": CaseFilter(score="toxicity", least=0.2, most=0.7),
    "a probe and an outcome": CaseFilter("probe-3", "unscored"),
}


def main() -> None:
    """Print the best of three for each filter."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    count = parser.parse_args().cases
    index = object.__new__(CaseIndex)
    index.keys = [
        CaseKey(
            f"probe-{i % 30}",
            i,
            f"case-{i}",
            "scored",
            {"gender": "female"},
            {"toxicity": i / count},
            f"{TEXT}{i}",
        )
        for i in range(count)
    ]
    for name, wanted in FILTERS.items():
        taken = min(timeit.repeat(lambda wanted=wanted: index.find(wanted), number=1, repeat=3))
        print(f"{name}: {1000 * taken:.0f} ms for {count:,} cases")


if __name__ == "__main__":
    main()
