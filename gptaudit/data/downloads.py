"""Fetching published files over the network, each checked by its hash before it gets its name."""

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

import gptaudit
from gptaudit.data.datasets import DataFile
from gptaudit.errors import DataError

Report: TypeAlias = Callable[[int, int | None], None]
"""Takes the bytes that have come, and how many there will be where the server says so."""

SECONDS = 30.0
"""Without a byte from the server, before it is given up."""

MOST_BYTES = 2**30
"""Of one file: no published file is as large, and a server that never ends must not fill the disk."""

_BLOCK = 2**16
_HERE = {"localhost", "127.0.0.1", "::1"}


def download(file: DataFile, folder: Path, report: Report) -> None:
    """Fetch a file into its published place in `folder`, over whatever stands there.

    The content goes to a temporary file, which takes the name when its hash is right and is deleted otherwise.
    Raises `DataError`, in one sentence, where the server cannot be reached, lacks the file, breaks off, or sends
    something else than what was published.
    """
    partial = folder / f".{Path(file.path).name}.{getpid()}.part"
    target = folder / file.path
    with _said(file):
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
    """Write what a URL holds into a file; return its sha256."""
    digest, done = sha256(), 0
    request = urllib.request.Request(_secure(url), headers={"User-Agent": f"gptaudit/{gptaudit.__version__}"})  # noqa: S310
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
                msg = f"{url}: more than {MOST_BYTES} bytes came, which no published file has"
                raise DataError(msg)
    if total is not None and done < total:
        msg = f"{url}: the connection broke off after {done} of {total} bytes; try again"
        raise DataError(msg)
    return digest.hexdigest()


def _secure(url: str) -> str:
    """Return a URL whose server proves who it is, or that of this machine; refuse any other."""
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
def _said(file: DataFile) -> Iterator[None]:
    """Turn whatever the network or the disk does into one sentence."""
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
