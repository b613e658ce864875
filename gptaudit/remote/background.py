"""An event loop in a thread of its own, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """A context manager. What is still under way when it ends is cancelled.

    The caller's thread may have an event loop already, as in a notebook, and an interruption (Ctrl-C) reaches it
    without tearing this loop.
    """

    def __enter__(self) -> Self:
        """Start the thread."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is under way and end the thread."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def begin(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Start a coroutine and do not wait for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter an asynchronous context manager, and leave it at the end."""
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
