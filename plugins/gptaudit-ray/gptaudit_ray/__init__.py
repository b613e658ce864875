"""The engine `ray`, which answers the requests of an audit with many replicas of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptaudit import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from gptaudit.protocols.engine import EngineType, Work
    from gptaudit.records import Answer, Request


@dataclass(frozen=True, slots=True)
class RayOptions:
    """Options of `--engine ray`, for `-b KEY=VALUE`."""

    ray_address: str = ""
    """HOST:PORT of a running cluster; by default one is started on this machine for the duration of the audit."""
    ray_replicas: int | None = None
    """Number of replicas; by default as many as there are processors (or GPUs) and memory for."""
    ray_cpus: int = 1
    """Processors of a replica, and so its torch threads."""
    ray_gpus: float | None = None
    """GPUs of a replica; by default one where the cluster has any, else none."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a number that no replica can have."""
        if self.ray_cpus < 1:
            msg = f"ray_cpus must be at least 1; found {self.ray_cpus}"
            raise ValueError(msg)
        if self.ray_replicas is not None and self.ray_replicas < 1:
            msg = f"ray_replicas must be at least 1; found {self.ray_replicas}"
            raise ValueError(msg)
        if self.ray_gpus is not None and self.ray_gpus < 0:
            msg = f"ray_gpus must not be negative; found {self.ray_gpus}"
            raise ValueError(msg)


def run(work: Work) -> Generator[tuple[Request, Answer]]:
    """Answer the requests on replicas. See `gptaudit.protocols.engine.Engine`."""
    from gptaudit_ray.engine import answers

    return answers(work)


@hookimpl
def gptaudit_register_engines(register: Callable[[EngineType], None]) -> None:
    """Register the engine."""
    from gptaudit.protocols.engine import EngineType

    register(
        EngineType("ray", "replicas of the model, in many processes or on many machines", run, RayOptions)
    )
