"""Download of published files, each verified by its hash before it is stored under its name."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from os import getpid
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from gptaudit.errors import DataError
from gptaudit.markers import VERSION
from gptaudit.protocols.data_set import DataFile

Report: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes received so far, and the total if the server states it."""

SECONDS = 30.0
"""Longest wait for the next bytes from the server."""

MOST_BYTES = 2**30
"""Limit for one file: no published file is as large, and an endless response must not fill the disk."""

_BLOCK = 2**16
_HERE = {"localhost", "127.0.0.1", "::1"}


def download(file: DataFile, folder: Path, report: Report) -> None:
    """Download a file to its published path in `folder`, replacing a file that exists there.

    The content goes to a temporary file, which is renamed if its hash is right and deleted otherwise. Raises
    `DataError`, with a message of one sentence, if the server cannot be reached, lacks the file, closes the
    connection early, or sends something other than the published file, or if the disk cannot be written.
    """
    partial = folder / f".{Path(file.path).name}.{getpid()}.part"
    target = folder / file.path
    with _as_data_error(file):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = _receive(file.url, partial, report)
            if found != file.sha256:
                msg = f"{file.url}: not the published file: expected sha256 {file.sha256}, found {found}; not kept"
                raise DataError(msg)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _receive(url: str, into: Path, report: Report) -> str:
    """Download a URL into a new file; return the SHA-256 of the content."""
    digest, done = sha256(), 0
    request = urllib.request.Request(_secure(url), headers={"User-Agent": f"gptaudit/{VERSION}"})  # noqa: S310
    with _OPENER.open(request, timeout=SECONDS) as response, into.open("xb") as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        report(0, total)
        while block := response.read(_BLOCK):
            digest.update(block)
            file.write(block)
            done += len(block)
            report(done, total)
            if done > MOST_BYTES:
                msg = f"{url}: expected at most {MOST_BYTES} bytes, received more; not kept"
                raise DataError(msg)
    if total is not None and done < total:
        msg = f"{url}: the connection broke off after {done} of {total} bytes; try again"
        raise DataError(msg)
    return digest.hexdigest()


def _secure(url: str) -> str:
    """Return the URL if it is https, or http on this machine; raise `DataError` otherwise."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE):
        return url
    msg = f"{url}: expected an https URL"
    raise DataError(msg)


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:  # noqa: ANN401
        return super().redirect_request(req, fp, code, msg, headers, _secure(newurl))


_OPENER = urllib.request.build_opener(_SecureRedirects)


@contextmanager
def _as_data_error(file: DataFile) -> Iterator[None]:
    """Turn errors of the network and the disk into a `DataError` with a message of one sentence."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        msg = f"{file.url}: the server answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        msg = f"{file.url}: cannot be reached: {getattr(error.reason, 'strerror', None) or error.reason}"
    except TimeoutError:
        msg = f"{file.url}: nothing came for {SECONDS:.0f} seconds; try again"
    except (http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
        msg = f"{file.url}: the connection broke off ({type(error).__name__}); try again"
    except OSError as error:
        msg = f"{error.filename or file.path}: cannot be written: {error.strerror or error}"
    else:
        return
    raise DataError(msg)
