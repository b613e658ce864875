"""The page of `gptaudit view`, served within a test."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from threading import Thread

from aiohttp import web
from gptaudit.reports.viewer import listening, viewer

from gptaudit.evidence.cases import StoredCases
from gptaudit.language import ENGLISH


@contextmanager
def served(folder, title, language=ENGLISH):
    """Serve the cases of a run folder from a thread, under a title and in a language; give the port."""
    loop, socket = asyncio.new_event_loop(), listening(0)
    port = socket.getsockname()[1]

    async def begin():
        runner = web.AppRunner(viewer(StoredCases(folder), title, port, language))
        await runner.setup()
        await web.SockSite(runner, socket).start()
        return runner

    def serve():
        runner = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = Thread(target=serve)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
