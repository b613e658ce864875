"""CrowS-Pairs log-likelihoods on one Ray replica against two, each on one processor.

    GPTAUDIT_DATA=DIR python tests/bench/ray_replicas.py [--model NAME] [--pairs 1508]

Needs plugins/gptaudit-ray and two processors that do nothing else. The seconds are those of the whole run: starting
Ray, opening the replicas, answering, shutting down. Prints how far the two runs agree, too.
"""

from __future__ import annotations

import argparse
import os
import time

from gptaudit_ray import RayOptions, run
from models import MODELS, data_folder, saved

from gptaudit.data.datasets import CROWS_PAIRS, find, read_csv
from gptaudit.plugins import load_plugins
from gptaudit.protocols.engine import Work
from gptaudit.records import ScoreRequest
from gptaudit.run.target import open_target


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="m1")
    parser.add_argument("--pairs", type=int, default=1508)
    options = parser.parse_args()
    rows = [row for _, row in read_csv(find(CROWS_PAIRS, data_folder()), ("sent_more", "sent_less"))]
    rows = rows[:: max(1, len(rows) // options.pairs)][: options.pairs]
    texts = {row[column] for row in rows for column in ("sent_more", "sent_less")}
    requests = [ScoreRequest("", text) for text in sorted(texts, key=len, reverse=True)]
    seconds, answers = {}, {}
    print(f"{len(requests)} sentences, {options.model}, load before the runs {os.getloadavg()[0]:.1f}")
    with saved(options.model, data_folder()) as folder:
        target = f"hf:{folder}"
        backend, _ = open_target(target, {"device": "cpu"}, load_plugins())
        for replicas in (1, 2):
            settings = RayOptions(ray_replicas=replicas, ray_gpus=0)
            work = Work(requests, 0, backend, target=target, options={"device": "cpu"}, settings=settings)
            begun = time.perf_counter()
            answers[replicas] = dict(run(work))
            seconds[replicas] = time.perf_counter() - begun
            rate = len(requests) / seconds[replicas]
            print(f"{replicas} replicas: {seconds[replicas]:.1f} s, {rate:.1f} sentences/s")
    apart = max(abs(answers[1][request].logprob - answers[2][request].logprob) for request in requests)
    print(f"ratio {seconds[1] / seconds[2]:.2f}; largest difference of a log-likelihood {apart:.1e}")


if __name__ == "__main__":
    main()
