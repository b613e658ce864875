"""The page of `gptaudit view`: every case of an audit, read-only, for this machine's browser alone."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from math import inf
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from gptaudit.probes.kinds.matched_pairs import PARTS

from gptaudit.evidence.cases import CaseFilter, CaseIndex, StoredCases
from gptaudit.language import ENGLISH, told_in, tr

from .cases import CASE_COLUMNS, case_rows, name_words, reader_words, row_json, told_case
from .csv_table import csv_lines
from .html import environment
from .sample import outcome_choices

HOST = "127.0.0.1"

PAGE = 100
"""Cases that are listed at once."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

STATIC = {
    "/cases.js": ("cases.js", "text/javascript"),
    "/view.js": ("view.js", "text/javascript"),
    "/view.css": ("view.css", "text/css"),
}
"""Path -> file of this package, and its type."""


def listening(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine, 0 for a free one; raise `OSError` if it is taken."""
    return socket.create_server((HOST, port))


def viewer(cases: StoredCases, title: str, port: int, language: str = ENGLISH) -> web.Application:
    """Return the application that serves the cases on a port of this machine; it reads and changes nothing."""
    return _Viewer(cases, title).application(port, language)


class _Viewer:
    def __init__(self, cases: StoredCases, title: str) -> None:
        self._cases = cases
        self._index = CaseIndex(cases)
        self._title = title

    def application(self, port: int, language: str) -> web.Application:
        application = web.Application(middlewares=[_guard(port), _telling(language)])
        application.on_response_prepare.append(_add_headers)
        for path in STATIC:
            application.router.add_get(path, _static)
        application.router.add_get("/", self._page)
        application.router.add_get("/filters", self._filters)
        application.router.add_get("/cases", self._listed)
        application.router.add_get("/case", self._case)
        application.router.add_get("/cases.csv", self._table)
        return application

    async def _page(self, _: web.Request) -> web.Response:
        page = environment().get_template("view.html").render(title=self._title)
        return web.Response(text=page, content_type="text/html", charset="utf-8")

    async def _filters(self, _: web.Request) -> web.Response:
        """Return what can be chosen, each with the number of its cases, and what the script says."""
        keys = self._index.keys
        groups = Counter(f"{axis}={group}" for key in keys for axis, group in key.groups.items())
        scores = sorted({name for key in keys for name in key.values} - {*PARTS})
        return web.json_response(
            {
                "words": {**reader_words(), "failed": tr("The audit could not be read: {why}", why="{why}")},
                "probe": _numbered(Counter(key.probe for key in keys)),
                "outcome": outcome_choices(Counter(key.outcome for key in keys)),
                "group": _numbered(groups),
                "score": [(name, name_words(name)) for name in scores],
            }
        )

    async def _listed(self, request: web.Request) -> web.Response:
        """Return how many cases match, and some of them from `start` on, without their texts."""
        found = self._index.find(_wanted(request))
        start = _number(request, "start")
        listed = [self._row(n) for n in found[start : start + PAGE]]
        return web.json_response({"total": len(found), "cases": listed})

    def _row(self, number: int) -> dict[str, Any]:
        key = self._index.keys[number]
        return {"number": number, **row_json(key, key.probe)}

    async def _case(self, request: web.Request) -> web.Response:
        """Return a case with its texts."""
        number = _number(request, "number")
        if number >= len(self._index.keys):
            raise web.HTTPNotFound
        return web.json_response(told_case(self._cases.read(self._index.keys[number])))

    async def _table(self, request: web.Request) -> web.StreamResponse:
        """Return all cases that match as CSV."""
        response = web.StreamResponse(
            headers={
                "Content-Disposition": "attachment; filename=cases.csv",
                "Content-Type": "text/csv; charset=utf-8",
            }
        )
        await response.prepare(request)
        for line in csv_lines(CASE_COLUMNS, self._rows(_wanted(request))):
            await response.write(line.encode())
        await response.write_eof()
        return response

    def _rows(self, wanted: CaseFilter) -> Iterator[tuple[object, ...]]:
        for number in self._index.find(wanted):
            yield from case_rows(self._cases.read(self._index.keys[number]))


def _guard(port: int) -> Middleware:
    """Return what refuses every request that another site or another name of this machine could have made."""
    hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        own = request.host in hosts and (origin is None or origin == f"http://{request.host}")
        if not own or request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise web.HTTPForbidden(text="this page answers its own address on this machine alone")
        return await handler(request)

    return guard


def _telling(language: str) -> Middleware:
    """Return what answers in a language."""

    @web.middleware
    async def telling(request: web.Request, handler: Handler) -> web.StreamResponse:
        with told_in(language):
            return await handler(request)

    return telling


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _static(request: web.Request) -> web.Response:
    name, kind = STATIC[request.path]
    text = files("gptaudit.reports").joinpath("static", name).read_text("utf-8")
    return web.Response(text=text, content_type=kind, charset="utf-8")


def _wanted(request: web.Request) -> CaseFilter:
    asked = request.query
    return CaseFilter(
        asked.get("probe"),
        asked.get("outcome"),
        asked.get("group"),
        asked.get("text"),
        asked.get("score"),
        _end(request, "least", -inf),
        _end(request, "most", inf),
    )


def _end(request: web.Request, name: str, otherwise: float) -> float:
    """Return an end of a range of scores."""
    try:
        return float(request.query.get(name, otherwise))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name}: expected a number") from None


def _numbered(many: Counter[str]) -> list[tuple[str, str]]:
    """Return what a filter offers, each with its number of cases."""
    return [(name, f"{name} ({cases})") for name, cases in sorted(many.items())]


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise web.HTTPBadRequest(text=f"{name}: expected a whole number")
    return int(text)
