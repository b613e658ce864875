"""Starting or joining a Ray cluster, and counting the replicas it has room for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

from gptaudit.errors import BackendLostError, UsageError

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves the machine unasked
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` the working folder would be copied to every node
}
OBJECT_STORE_BYTES = 80 * 2**20
"""Memory for requests and answers in transit; Ray accepts no less than 75 MiB."""
CONNECT_SECONDS = 5.0
JOIN_SECONDS = 30.0
QUIET = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
_ASK = "import ray._raylet as r, sys; r.GcsClient(address=sys.argv[1]).internal_kv_get(b'gptaudit', None)"


@contextmanager
def cluster(address: str) -> Iterator[ModuleType]:
    """Yield Ray, connected to the cluster at HOST:PORT, or without an address to one started for this block.

    On exit, a cluster that was joined stays up; only what this process started in it is ended.
    """
    os.environ.update(ENVIRONMENT)
    try:
        import ray
    except ImportError as error:
        msg = f"--engine ray: Ray cannot be imported ({error}); install it with: python -m pip install ray"
        raise UsageError(msg) from None
    terminate = signal.getsignal(signal.SIGTERM)
    if address:
        _join(ray, address)
    else:
        _start(ray)
    if threading.current_thread() is threading.main_thread():
        # Ray's own handler raises SystemExit, which would be taken for a fault of a plugin.
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield ray
    finally:
        ray.shutdown()


def is_reachable(address: str, *, attempts: int = 1) -> bool:
    """Return whether anything listens at HOST:PORT; attempts are one second apart."""
    host, _, port = address.rpartition(":")
    for attempt in range(attempts):
        if attempt:
            time.sleep(1)
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except OSError:
            continue
        return True
    return False


def room(ray: ModuleType, needs: Mapping[str, float]) -> int:
    """Count the replicas that the live nodes could hold, each with these resources."""
    return sum(
        int(min(node["Resources"].get(name, 0) // amount for name, amount in needs.items() if amount))
        for node in ray.nodes()
        if node["Alive"]
    )


def has_gpus(ray: ModuleType) -> bool:
    """Return whether any live node has a GPU."""
    return any(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])


def _start(ray: ModuleType) -> None:
    from ray._private import ray_constants

    # Without clusters Ray's servers listen on the loopback interface alone, as they do by default on macOS. There is
    # no public way: Ray replaces a `_node_ip_address` of 127.0.0.1 by the machine's outer address.
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(address="local", object_store_memory=OBJECT_STORE_BYTES, **QUIET)
    except Exception as error:
        if type(error) is not Exception:
            raise
        # This is all that Ray raises where its servers do not start in time, as on a machine that is too busy.
        msg = f"--engine ray: expected Ray to start on this machine, and it did not: {error}"
        raise BackendLostError(f"{msg} Run again when the machine is less busy") from None
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters


def _join(ray: ModuleType, address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not host or not port.isdecimal():
        msg = f"-b ray_address={address}: expected HOST:PORT, as `ray start --head` prints it"
        raise UsageError(msg)
    if not is_reachable(address):
        msg = f"-b ray_address={address}: nothing answers there; start a cluster with `ray start --head`"
        raise UsageError(msg)
    # Ray waits forever for a server that is not Ray's, and cannot be interrupted, so a subprocess tries first.
    try:
        subprocess.run(  # noqa: S603 - this Python, a constant program
            [sys.executable, "-c", _ASK, address], check=True, capture_output=True, timeout=JOIN_SECONDS
        )
        ray.init(address=address, **QUIET)
    except (subprocess.SubprocessError, ConnectionError, RuntimeError, ValueError) as error:
        cause = "" if isinstance(error, subprocess.SubprocessError) else f": {error}"
        msg = f"-b ray_address={address}: no Ray cluster that this machine is a node of can be joined there{cause}"
        raise UsageError(f"{msg}. Versions of Ray and Python must be the same on every node") from None
