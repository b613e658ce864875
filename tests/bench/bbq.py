"""BBQ answers by log-likelihood: gptaudit against lm-evaluation-harness, in float32.

    GPTAUDIT_DATA=DIR python tests/bench/bbq.py [--model NAME] [--items 400] [--choices 3|12] --peer-python PYTHON

Takes the first items of Age.jsonl. With 12 choices the "unknown" answer stands in ten phrasings beside the two groups.
Prints what `crows_pairs.py` prints.
"""

from __future__ import annotations

import json
from typing import Any

from likelihood_race import arguments, race
from models import data_folder

UNKNOWN = (
    "Can't answer",
    "Can't be determined",
    "Cannot be determined",
    "Cannot be known",
    "Not answerable",
    "Not enough information",
    "Not known",
    "The answer is not known",
    "Undetermined",
    "Unknown",
)


def answers(item: dict[str, Any], choices: int) -> list[str]:
    """Return the answers to choose from."""
    if choices == 3:
        return [item[f"ans{i}"] for i in range(3)]
    return [*(item[f"ans{i}"] for i in range(3) if item["answer_info"][f"ans{i}"][1] != "unknown"), *UNKNOWN]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--choices", type=int, choices=[3, 12], default=3)
    options = parser.parse_args()
    lines = (data_folder() / "bbq" / "data" / "Age.jsonl").read_text(encoding="utf-8").splitlines()
    requests = [
        (f"{item['context']}\n\nQ: {item['question']}\nA:", f" {answer}")
        for item in map(json.loads, lines[: options.items])
        for answer in answers(item, options.choices)
    ]
    race(options, requests, options.choices)


if __name__ == "__main__":
    main()
