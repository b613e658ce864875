"""Run the jobs of a study in worker processes, with one torch thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path

from gptaudit.calibration.phantom import NotLearnedError
from gptaudit.calibration.study import Job
from gptaudit.calibration.subjects import seeing
from gptaudit.calibration.trials import Bench, Outcome, keep_outcome
from gptaudit.errors import UsageError
from gptaudit.probe import Probe


@dataclass(frozen=True, slots=True)
class Setup:
    """Arguments that a worker needs to create its bench."""

    decoders: Path
    data: Path | None
    without: tuple[str, ...]
    """Plugins to leave out."""

    def bench(self) -> Bench:
        """Load the plugins; scorers are opened on first use."""
        from gptaudit.plugins import load_plugins
        from gptaudit.run.scorers import Scorers

        plugins = load_plugins(self.without)
        return Bench(plugins, Scorers(plugins, {}), self.decoders, self.data)


def do_job(bench: Bench, job: Job, probes: Mapping[str, Probe]) -> list[Outcome]:
    """Train a decoder, try the job's probes on it, and save each outcome at once."""
    decoder = job.decoder
    try:
        backend = bench.open(decoder)
    except NotLearnedError as error:
        outcomes = [bench.failed(name, decoder, error) for name, _ in job.probes]
        for (_, file), outcome in zip(job.probes, outcomes, strict=True):
            keep_outcome(file, outcome)
        return outcomes
    outcomes = []
    for name, file in job.probes:
        outcomes.append(bench.try_probe(probes[name], decoder, backend))
        keep_outcome(file, outcomes[-1])
    return outcomes


def in_workers(jobs: Sequence[Job], setup: Setup, workers: int) -> Generator[list[Outcome]]:
    """Yield the outcomes of each job as it finishes.

    Closing the iterator, as after an interrupt or an error, terminates the workers at once: unfinished decoders are
    lost, saved outcomes stay. Raises `UsageError` if a worker exited unexpectedly, for example for lack of memory.
    """
    # spawned: a fork of a process in which torch has started threads can hang
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        for done in as_completed([pool.submit(_do, setup, job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool:
        msg = "a worker process exited unexpectedly, possibly for lack of memory; try fewer with --workers"
        raise UsageError(msg) from None
    finally:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Ignore Ctrl-C (the parent terminates its workers), exit when the parent is killed, and use one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - a worker has one
    wait([parent.sentinel])
    os._exit(1)


@cache
def _bench(setup: Setup) -> Bench:
    return setup.bench()


def _do(setup: Setup, job: Job) -> list[Outcome]:
    bench = _bench(setup)
    return do_job(bench, job, seeing(bench.plugins))
