"""Bounds of time and memory for a call of code that a model brings, such as its chat template."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

SECONDS = 10.0
"""In which a prompt is rendered; templates of real models take a millisecond."""
ENDING = 30.0
"""Seconds that a call may take to end once it is stopped."""
BYTES = 2**29
"""Memory that may be taken in addition."""


class _StoppedError(Exception):
    """Ends the call in its thread."""


def bounded(call: Callable[[], T]) -> T:
    """Return what a call returns, or raise what it raises.

    Raises:
        TimeoutError: it took more than `SECONDS`.
        MemoryError: it wanted more than `BYTES` of memory; on Linux only.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised below
            raised.append(error)

    thread = Thread(target=work, daemon=True)
    with _little_memory():
        thread.start()
        thread.join(SECONDS)
        late = thread.is_alive()
        if late:
            _stop(thread)
    if late:
        msg = f"did not end in {SECONDS:g} s"
        raise TimeoutError(msg)
    if raised:
        raise raised[0]
    return returned[0]


def _stop(thread: Thread) -> None:
    """Raise an exception in a thread at its next instruction of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_StoppedError)
    )
    thread.join(ENDING)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Refuse more memory to the process, where the system can: meanwhile, it does nothing else."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(
        resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
