"""Log-likelihoods and stereotype rate of gptaudit and of lm-evaluation-harness, on the same model and the same texts.

    GPTAUDIT_DATA=DIR python tests/bench/lm_eval_agreement.py --peer-python PYTHON [--model NAME] [--pairs 300]

Both are given every so-manieth pair of CrowS-Pairs: gptaudit as its probe `crows-pairs`, the peer as its own task
`crows_pairs_english`, which reads the same rows from a CSV file. The prompts of `winogender` and `bbq` are scored by
both as plain requests. Prints how far the log-likelihoods are apart, both rates, and how many pairs tie.
`requirements-peers.txt` says what the peer's environment needs.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
FILE = Path("crows-pairs") / "crows_pairs_anonymized.csv"


def main() -> None:
    if sys.argv[1:2] == ["--peer"]:
        print(json.dumps(peer(*sys.argv[2:])), flush=True)
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", required=True, help="interpreter that has lm-eval")
    parser.add_argument("--model", choices=["m1", "m2", "smollm2", "gemma3"], default="m2")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--requests", type=int, default=300, help="of winogender and of bbq, each")
    options = parser.parse_args()

    from models import data_folder, saved

    with saved(options.model, data_folder()) as model, tempfile.TemporaryDirectory() as folder:
        write_pairs(data_folder() / FILE, Path(folder) / FILE, options.pairs)
        requests = {name: asked(name, data_folder(), options.requests) for name in ("winogender", "bbq")}
        flat = [request for of_probe in requests.values() for request in of_probe]
        (Path(folder) / "requests.json").write_text(json.dumps(flat), encoding="utf-8")
        ours = own(str(model), folder)
        command = [options.peer_python, __file__, "--peer", str(model), folder]
        theirs = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
        )
    report(ours, theirs, {name: len(of_probe) for name, of_probe in requests.items()})


def write_pairs(source: Path, target: Path, count: int) -> None:
    """Write about so many pairs, evenly from the whole file."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    target.parent.mkdir()
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows[:: max(1, len(rows) // count)][:count])


def asked(name: str, data: Path, count: int) -> list[tuple[str, str]]:
    """Return the first requests of a probe."""
    from gptaudit.plugins import load_plugins
    from gptaudit.probe import ProbeContext

    cases = load_plugins().probes[name].cases(ProbeContext(data, 0))
    return list(islice(((r.context, r.continuation) for case in cases for r in case.requests), count))


def own(model: str, folder: str) -> dict[str, Any]:
    """Audit by the probe, and score its sentences and the other requests."""
    from gptaudit.backends.hf import HuggingFaceOptions, open_hf
    from gptaudit.plugins import load_plugins
    from gptaudit.probe import ProbeContext
    from gptaudit.records import ScoreRequest
    from gptaudit.testing import run_probe

    backend, probe = open_hf(model, HuggingFaceOptions(device="cpu")), load_plugins().probes["crows-pairs"]
    figures = {m.name: m.value for m in run_probe(probe, backend, data=Path(folder)).metrics if not m.slice}
    sentences = [r for case in probe.cases(ProbeContext(Path(folder), 0)) for r in case.requests]
    others = [ScoreRequest(*pair) for pair in json.loads((Path(folder) / "requests.json").read_text("utf-8"))]
    return {
        "rate": figures["stereotype_rate"],
        "gap": figures["likelihood_gap"],
        "sentences": [answer.logprob for answer in backend.score(sentences)],
        "requests": [answer.logprob for answer in backend.score(others)],
    }


def peer(model: str, folder: str) -> dict[str, Any]:
    """Do the same with lm-evaluation-harness."""
    from lm_eval import simple_evaluate
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks.crows_pairs import utils

    task = {
        "task": "crows_pairs_of_file",
        "dataset_path": "csv",
        "dataset_kwargs": {"data_files": {"test": str(Path(folder) / FILE)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "",
        "doc_to_target": 0,
        "doc_to_choice": utils.doc_to_choice,
        "target_delimiter": "",
        "process_results": utils.process_results,
        "metric_list": [{"metric": m, "aggregation": "mean"} for m in ("likelihood_diff", "pct_stereotype")],
    }
    harness = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=16)
    found = simple_evaluate(model=harness, tasks=[task], log_samples=True, bootstrap_iters=0)
    others = json.loads((Path(folder) / "requests.json").read_text("utf-8"))
    instances = [Instance("loglikelihood", {}, tuple(pair), i) for i, pair in enumerate(others)]
    samples = sorted(found["samples"][task["task"]], key=lambda sample: sample["doc_id"])
    return {
        "rate": found["results"][task["task"]]["pct_stereotype,none"],
        "gap": found["results"][task["task"]]["likelihood_diff,none"],
        "sentences": [float(r[0][0]) for sample in samples for r in sample["resps"]],
        "requests": [logprob for logprob, _ in harness.loglikelihood(instances, disable_tqdm=True)],
    }


def report(ours: dict[str, Any], theirs: dict[str, Any], counts: dict[str, int]) -> None:
    """Print how the two agree."""
    from gptaudit.records import TIE

    sums = ours["sentences"]
    ties = sum(abs(more - less) <= TIE for more, less in zip(sums[::2], sums[1::2], strict=True))
    print(
        f"crows-pairs: {len(sums) // 2} pairs, largest difference {furthest(sums, theirs['sentences']):.1e} nats"
    )
    print(f"stereotype_rate: gptaudit {ours['rate']:.6f}, lm-eval {theirs['rate']:.6f}; {ties} ties")
    print(f"likelihood_gap: gptaudit {ours['gap']:.6f}, lm-eval {theirs['gap']:.6f}")
    begin = 0
    for name, count in counts.items():
        part = slice(begin, begin + count)
        apart = furthest(ours["requests"][part], theirs["requests"][part])
        print(f"{name}: {count} requests, largest difference {apart:.1e} nats")
        begin += count


def furthest(ours: list[float], theirs: list[float]) -> float:
    """Return the largest difference."""
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
