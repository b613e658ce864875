"""The Ray actor: one replica of the model, in a worker process of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.engine.local import answer_chunk
from gptaudit.errors import GptauditError, TargetError
from gptaudit.evidence.provenance import package_version
from gptaudit.plugins import load_plugins
from gptaudit.records import Answer, Request
from gptaudit.run.target import open_target

if TYPE_CHECKING:
    from gptaudit.protocols.backend import Backend

PACKAGES = ("gptaudit", "torch", "transformers", "tokenizers")
"""Packages that affect answers; their versions must be the same on every node."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Opening:
    """Arguments with which a replica opens the model."""

    target: str
    options: Mapping[str, str]
    seed: int
    low_precision: bool
    threads: int
    folder: str
    """The driver's working folder, so that relative paths and modules mean the same in a replica."""


def identity(backend: Backend) -> dict[str, str]:
    """Return what affects the answers: the model's fingerprint, and versions (`2.13.0+cpu` counts as `2.13.0`)."""
    versions = {f"version of {name}": package_version(name).partition("+")[0] for name in PACKAGES}
    return {"fingerprint": backend.fingerprint, **versions}


class Replica:
    """Opens the model, then answers chunks in the order of the calls."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._seed = 0
        self._low_precision = False

    def open(self, opening: Opening) -> tuple[str, dict[str, str]]:
        """Open the model on as many threads as the replica has processors; return the node and the `identity`.

        Raises `TargetError` if it cannot be opened.
        """
        import ray

        node = ray.util.get_node_ip_address()
        for name in THREADS:
            os.environ[name] = str(opening.threads)
        # As in the main process: huggingface_hub reports its use unless told not to.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        if Path(opening.folder).is_dir():
            os.chdir(opening.folder)
        try:
            self._backend, _ = open_target(opening.target, opening.options, load_plugins())
        except GptauditError as error:
            msg = f"the model can be opened here, but not on node {node} of the Ray cluster: {error}"
            raise TargetError(msg) from None
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(opening.threads)
        self._seed, self._low_precision = opening.seed, opening.low_precision
        return node, identity(self._backend)

    def answer(self, requests: Sequence[Request]) -> tuple[list[Answer], float]:
        """Answer requests of one kind; return the answers, and the seconds it took."""
        if self._backend is None:
            msg = "a replica was asked before its model was open"
            raise RuntimeError(msg)
        begun = time.monotonic()
        answers = answer_chunk(self._backend, requests, self._seed, low_precision=self._low_precision)
        return list(answers), time.monotonic() - begun
