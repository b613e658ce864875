"""A server of another program that a test starts on this machine."""

from __future__ import annotations

import socket
import time
from contextlib import closing

import pytest


def wait_for(server, port, log):
    """Wait until a process answers at a port, a minute at most; fail with the end of its log if it does not."""
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-2000:]
        with closing(socket.socket()) as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(log.read_text()[-2000:])
