"""An event loop in a background thread, for synchronous callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """A context manager that runs an event loop in a thread; on exit, running coroutines are cancelled.

    In a thread of its own, because the caller's thread may already have an event loop, as in a notebook, and because
    Ctrl-C interrupts the caller's thread and not this loop.
    """

    def __enter__(self) -> Self:
        """Start the thread."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel running coroutines and end the thread."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def begin(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Start a coroutine without waiting for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter and exit an asynchronous context manager in the loop."""
        stack = AsyncExitStack()
        value = self.run(stack.enter_async_context(manager))
        try:
            yield value
        finally:
            self.run(stack.aclose())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._ready.set()
        await self._ended.wait()
