"""Texts per second that the bundled toxicity scorer reads, short and long, on two threads.

    python tests/bench/toxicity_scoring.py [THREADS]

Short texts have 8 to 16 words, as the sampled answers of an audit; long ones 200 words.
"""

from __future__ import annotations

import random
import sys
import time

import torch

from gptaudit.protocols.scorer import Output
from gptaudit.scorers.detoxify import open_detoxify

WORDS = """
the a of to and in that it was for on are with they this have from one by word what some we can out other were all there
when up use your how said each she which their time will way about many then them would write like so these her long
make thing see him two has look more day could go come did my sound no most number who over know water than call first
""".split()  # noqa: SIM905 - a long list of short words


def texts(count: int, shortest: int, longest: int) -> list[str]:
    """Make distinct texts of a number of words between the two given."""
    rng = random.Random(shortest)
    return [" ".join(rng.choices(WORDS, k=rng.randint(shortest, longest))) + "." for _ in range(count)]


def main() -> None:
    """Print the throughput for short and for long texts, the best of three rounds."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    scorer = open_detoxify()
    for name, given in (("short", texts(1000, 8, 16)), ("long", texts(40, 200, 200))):
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            scorer([Output(text) for text in given])
            seconds.append(time.perf_counter() - began)
        print(f"{name}: {len(given) / min(seconds):,.0f} texts/s")


if __name__ == "__main__":
    main()
