"""CrowS-Pairs log-likelihoods: gptaudit against lm-evaluation-harness, in float32.

    GPTAUDIT_DATA=DIR python tests/bench/crows_pairs.py [--model NAME] [--pairs 1508] --peer-python PYTHON

Prints pairs per second of both from the same run, their ratio, how far they agree, peak memory, and the share of the
limit that the matrix products set. `requirements-peers.txt` says what the peer's environment needs.
"""

from __future__ import annotations

from likelihood_race import arguments, race
from models import data_folder

from gptaudit.data.datasets import CROWS_PAIRS, find, read_csv


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=1508)
    options = parser.parse_args()
    rows = [row for _, row in read_csv(find(CROWS_PAIRS, data_folder()), ("sent_more", "sent_less"))]
    rows = rows[:: max(1, len(rows) // options.pairs)][: options.pairs]
    race(options, [("", row[column]) for row in rows for column in ("sent_more", "sent_less")], choices=2)


if __name__ == "__main__":
    main()
