"""A process that scores the same requests again and again, with gptaudit or with lm-evaluation-harness.

    python likelihood_worker.py gptaudit|lm-eval FOLDER [BATCH]

Reads the requests from the first line of stdin, `[[context, continuation], ...]`. Every further line is a command to
score them, answered by a line with the seconds it took, those of the CPU, the log-likelihoods and the peak memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable

Score = Callable[[], list[float]]


def gptaudit(folder: str, requests: list[list[str]], batch: int) -> Score:
    """Score as an audit does: the local engine, with requests in the order of their texts."""
    from gptaudit.backends.hf import HuggingFaceOptions, open_hf
    from gptaudit.engine.asking import ask
    from gptaudit.engine.local import local
    from gptaudit.protocols.engine import Work
    from gptaudit.records import ScoreRequest, request_text

    backend = open_hf(folder, HuggingFaceOptions(device="cpu", batch_tokens=batch or 1024))
    asked = [ScoreRequest(context, continuation) for context, continuation in requests]
    distinct = sorted(set(asked), key=request_text)

    def score() -> list[float]:
        found = dict(ask(local, Work(distinct, 0, backend)))
        return [found[request].logprob for request in asked]

    backend.score(distinct[:4])
    return score


def lm_eval(folder: str, requests: list[list[str]], batch: int) -> Score:
    """Score with lm-evaluation-harness; 32 is its fastest batch size here."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=batch or 32)
    asked = [Instance("loglikelihood", {}, tuple(request), i) for i, request in enumerate(requests)]

    def score() -> list[float]:
        return [logprob for logprob, _ in model.loglikelihood(asked, disable_tqdm=True)]

    model.loglikelihood(asked[:4], disable_tqdm=True)
    return score


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr
    os.environ["HF_HUB_OFFLINE"] = "1"
    name, folder, *batch = sys.argv[1:]
    requests = json.loads(sys.stdin.readline())
    scorer = {"gptaudit": gptaudit, "lm-eval": lm_eval}[name]
    score = scorer(folder, requests, int(batch[0]) if batch else 0)
    for _ in sys.stdin:
        begun, used = time.perf_counter(), time.process_time()
        logprobs = score()
        turn = {
            "seconds": time.perf_counter() - begun,
            "cpu": time.process_time() - used,
            "logprobs": logprobs,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(turn), file=out, flush=True)


if __name__ == "__main__":
    main()
