"""Sending requests to replicas, and collecting their answers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import psutil

from gptaudit.errors import BackendLostError, GptauditError, PluginError, UsageError
from gptaudit.protocols.backend import StreamingBackend
from gptaudit.protocols.engine import Work
from gptaudit.records import Answer, Failure, Request
from gptaudit_ray.backlog import DEATHS, Backlog, Chunk
from gptaudit_ray.cluster import cluster, has_gpus, is_reachable, room
from gptaudit_ray.replica import Opening, Replica, identity

IN_FLIGHT = 2
"""Calls sent to a replica at once: one is computed, the next waits there while answers are stored here."""
CHECK_SECONDS = 5.0
"""Time between checks of the cluster; Ray ends this process if the head node is unreachable for a minute."""
GIVE_UP = 8
"""Requests in a row that are given up because workers died, before the model is lost."""

Answered: TypeAlias = list[tuple[Request, Answer]]

_log = logging.getLogger("gptaudit")


def answers(work: Work) -> Generator[tuple[Request, Answer]]:
    """Answer the requests on replicas. See `gptaudit.protocols.engine.Engine`."""
    if isinstance(work.backend, StreamingBackend):
        msg = f"--engine ray: {work.target} keeps many requests under way by itself; leave --engine out"
        raise UsageError(msg)
    requests = iter(work.requests)
    first = next(requests, None)
    if first is None:
        return
    work = replace(work, requests=chain((first,), requests))
    with cluster(work.settings.ray_address) as ray:
        needs = _needs(ray, work)
        yield from Pool(ray, work, needs, _size(ray, work, needs)).answers()


@dataclass(eq=False, slots=True)
class Member:
    """A replica, and the calls sent to it."""

    actor: Any
    opening: Any
    """The call that opens the model; None when that is done."""
    node: str = ""
    calls: deque[tuple[Any, Chunk]] = field(default_factory=deque)
    """Calls and their chunks, in the order in which the replica answers them."""

    @property
    def is_free(self) -> bool:
        """Whether it can get another call; a chunk during which a worker died is computed alone."""
        suspect = self.calls and self.calls[0][1].deaths > 0
        return self.opening is None and len(self.calls) < IN_FLIGHT and not suspect

    @property
    def next_result(self) -> Any:
        """The result that the replica returns next, or None."""
        return self.opening or (self.calls[0][0] if self.calls else None)


class Pool:
    """Replicas that answer the requests of a `Work`, each request once.

    A replica that dies is replaced, if there is room, and its calls are sent again. If a request killed it, the request
    is in the first of these calls.
    """

    def __init__(self, ray: ModuleType, work: Work, needs: dict[str, float], size: int) -> None:
        self._ray = ray
        self._needs = needs
        self._identity = identity(work.backend)
        self._opening = Opening(
            work.target,
            dict(work.options),
            work.seed,
            work.low_precision,
            work.settings.ray_cpus,
            str(Path.cwd()),
        )
        self._backlog = Backlog(work.requests, size)
        self._answered = 0
        self._given_up = 0
        """Number of requests in a row that were given up."""
        self._dead_openings = 0
        """Number of replicas in a row that died before their model was open."""
        self._address: str = ray.get_runtime_context().gcs_address
        self._checked = time.monotonic()
        self._members = [self._started() for _ in range(size)]

    def answers(self) -> Iterator[tuple[Request, Answer]]:
        """Yield each request with its answer, as replicas return them."""
        answered: Answered = []
        while self._deal():  # before the yield, so that replicas compute while answers are stored
            yield from answered
            answered = self._take()
        yield from answered
        if self._answered != self._backlog.taken:
            msg = f"{self._backlog.taken} requests were taken, and {self._answered} answered"
            raise RuntimeError(msg)

    def _started(self) -> Member:
        cpus, gpus, memory = (self._needs[name] for name in ("CPU", "GPU", "memory"))
        remote = self._ray.remote(num_cpus=cpus, num_gpus=gpus, memory=memory, scheduling_strategy="SPREAD")
        actor = remote(Replica).remote()
        return Member(actor, actor.open.remote(self._opening))

    def _deal(self) -> bool:
        """Send calls to every free replica; return whether any answer is still to come."""
        for member in self._members:
            while member.is_free:
                chunk = self._backlog.take(idle=not member.calls)
                if chunk is None:
                    break
                member.calls.append((member.actor.answer.remote(chunk.requests), chunk))
        return bool(self._backlog) or any(member.calls for member in self._members)

    def _take(self) -> Answered:
        """Wait up to `CHECK_SECONDS` for a replica to return; return its answers."""
        self._check_cluster()
        awaited = {member.next_result: member for member in self._members if member.next_result is not None}
        done, _ = self._ray.wait(list(awaited), num_returns=1, timeout=CHECK_SECONDS)
        return self._result(awaited[done[0]]) if done else []

    def _result(self, member: Member) -> Answered:
        """Handle what a replica returned, and return its answers; raise what it raised."""
        from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError

        try:
            value = self._ray.get(member.next_result)
        except RayTaskError as error:
            if isinstance(error.cause, GptauditError):
                raise error.cause from None
            raise  # a bug; the message has the traceback from the replica
        except (RayActorError, OutOfMemoryError, ObjectLostError) as error:
            if getattr(error, "actor_init_failed", False):
                msg = f"gptaudit-ray cannot be imported on a node of the Ray cluster ({_cause(error)})"
                raise PluginError(f"{msg}. Install the same packages on every node") from None
            return self._died(member, error)
        if member.opening is not None:
            self._opened(member, *value)
            return []
        _, chunk = member.calls.popleft()
        self._given_up = 0
        answers, seconds = value
        self._backlog.pace.observe(chunk.requests[0].kind, seconds)
        return self._counted(list(zip(chunk.requests, answers, strict=True)))

    def _opened(self, member: Member, node: str, found: dict[str, str]) -> None:
        member.node, member.opening = node, None
        self._dead_openings = 0
        for what, here in self._identity.items():
            if found[what] != here:
                msg = f"node {node} of the Ray cluster has another {what}: {found[what]}; here it is {here}"
                raise BackendLostError(f"{msg}. Put the same on every node")

    def _died(self, member: Member, error: Exception) -> Answered:
        """Replace a replica that died, and queue its requests again; return those that are given up, as failures."""
        self._ray.kill(member.actor)
        self._members.remove(member)
        if member.opening is not None:
            self._died_opening(_cause(error))
            return []
        self._members.append(self._started())
        cause = _cause(error)
        _log.warning("a replica on node %s died; its requests are asked again (%s)", member.node, cause)
        if not member.calls:
            return []
        (_, first), *others = member.calls
        self._backlog.give_back(chunk for _, chunk in others)
        lost = self._backlog.lost(first)
        return [] if lost is None else self._give_up(lost, cause)

    def _died_opening(self, cause: str) -> None:
        """Replace a replica that died before its model was open, or go on without it."""
        self._dead_openings += 1
        if self._dead_openings <= DEATHS:
            self._members.append(self._started())
        elif self._members:
            _log.warning(
                "going on with %d replicas: others die as they open the model (%s)", len(self._members), cause
            )
        else:
            msg = f"the workers of the Ray cluster die as they open the model ({cause})"
            raise BackendLostError(f"{msg}. Fewer replicas need less memory: -b ray_replicas=N")

    def _give_up(self, request: Request, cause: str) -> Answered:
        self._given_up += 1
        if self._given_up == GIVE_UP:
            msg = f"workers of the Ray cluster die of every request ({cause})"
            raise BackendLostError(f"{msg}. Ray's logs say why; on the machine of the node, see /tmp/ray")
        message = f"worker processes died while they answered this request ({cause})"
        return self._counted([(request, Failure("worker-died", message))])

    def _counted(self, answered: Answered) -> Answered:
        self._answered += len(answered)
        return answered

    def _check_cluster(self) -> None:
        """Raise `BackendLostError` if no replica can ever answer again."""
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        if not is_reachable(self._address, attempts=5):
            msg = f"the head node of the Ray cluster, {self._address}, no longer answers"
            raise BackendLostError(msg)
        if room(self._ray, self._needs) == 0:
            msg = "every node of the Ray cluster that could hold a replica is gone"
            raise BackendLostError(msg)
        self._checked = time.monotonic()


def _needs(ray: ModuleType, work: Work) -> dict[str, float]:
    """Return the resources of a replica, with as much memory as this process takes with the model open."""
    settings = work.settings
    gpus = settings.ray_gpus if settings.ray_gpus is not None else float(has_gpus(ray))
    return {"CPU": settings.ray_cpus, "GPU": gpus, "memory": psutil.Process().memory_info().rss}


def _size(ray: ModuleType, work: Work, needs: dict[str, float]) -> int:
    """Return how many replicas to start."""
    most = room(ray, needs)
    wanted: int = work.settings.ray_replicas or most
    if not 0 < wanted <= most:
        each = f"{needs['CPU']} processors, {needs['GPU']:g} GPUs and {needs['memory'] / 2**20:.0f} MiB"
        msg = f"--engine ray: there is room for {most} replicas, each with {each}; {max(wanted, 1)} wanted"
        raise UsageError(f"{msg}. See -b ray_replicas, ray_cpus and ray_gpus")
    return wanted


def _cause(error: Exception) -> str:
    """Return the first sentence of the last line of Ray's message; the lines before it describe the actor."""
    return str(error).strip().splitlines()[-1].strip().partition(". ")[0]
