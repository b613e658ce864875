"""
Texts of the user's own that nothing may keep: `--secret FILE`.

One secret a line: what comes before it, a tab, and the secret; or, in a file whose name ends with `.jsonl`, a JSON
object with the keys `prefix` and `secret`. The two are put together as they are, so that a secret that begins a word
begins with the space before it. No message quotes a text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.files import as_text, read_bytes
from gptaudit.records import DataSource, SecretRequest
from gptaudit.text import well_formed

from .spaceless import is_spaced

FORMAT = "a prefix, a tab and the secret"
JSON_FORMAT = '{"prefix": "...", "secret": "..."}'


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text in two parts, and the line of its file; it has no `repr` that could be shown."""

    line: int
    prefix: str
    secret: str


@dataclass(frozen=True, slots=True, repr=False)
class SecretFile:
    """The secrets of a file, with the key by which they are hashed."""

    secrets: Sequence[Secret]
    key: bytes
    """Made of the whole file by scrypt, so that nobody without the file can try out likely secrets one by one: all
    lines would have to be guessed at once. Each such guess takes as long as asking the model."""

    def request(self, context: str, continuation: str) -> SecretRequest:
        """Return the request for a continuation of which hashes are kept."""
        return SecretRequest.of(context, continuation, self.key)

    def source(self) -> DataSource:
        """Return the source, which the hash of the key tells from that of other files."""
        known = hmac.digest(self.key, b"source", "sha256").hex()[:32]
        return DataSource(
            "secret texts",
            "The user's own texts; only hashes are kept.",
            "none",
            f"hmac:{known}",
            len(self.secrets),
        )


def read_secrets(path: Path) -> SecretFile:
    """Read a file; raise `DataError` naming the file, the line and the remedy, and quoting nothing."""
    content = read_bytes(path, error=DataError)
    lines = as_text(content, path, error=DataError).split("\n")
    read = _read_json if path.suffix == ".jsonl" else _read_tabbed
    found = [
        _checked(Secret(number, *read(line.rstrip("\r"), f"{path}, line {number}")), path)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not found:
        msg = f"{path}: has no secrets; write one a line: {JSON_FORMAT if read is _read_json else FORMAT}"
        raise DataError(msg)
    _refuse_twice(found, path)
    return SecretFile(found, hashlib.scrypt(content, salt=b"gptaudit --secret", n=2**14, r=8, p=1, dklen=32))


def _read_tabbed(line: str, where: str) -> tuple[str, str]:
    parts = line.split("\t")
    if len(parts) != 2:
        msg = f"{where}: expected {FORMAT}, found {len(parts) - 1} tabs; a file of JSON objects is named *.jsonl"
        raise DataError(msg)
    return parts[0], parts[1]


def _read_json(line: str, where: str) -> tuple[str, str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # the message may quote the line
        found = None
    if not isinstance(found, dict) or found.keys() != {"prefix", "secret"}:
        msg = f"{where}: expected the JSON object {JSON_FORMAT}, with these two keys and no other"
        raise DataError(msg)
    prefix, secret = found["prefix"], found["secret"]
    if not isinstance(prefix, str) or not isinstance(secret, str):
        msg = f"{where}: expected two texts, as in {JSON_FORMAT}"
        raise DataError(msg)
    return prefix, secret


def _checked(secret: Secret, path: Path) -> Secret:
    for problem in _problems(secret.prefix, secret.secret):
        msg = f"{path}, line {secret.line}: {problem}"
        raise DataError(msg)
    return secret


def _problems(prefix: str, secret: str) -> Iterator[str]:
    if not prefix.strip():
        yield "the prefix is empty; write what comes before the secret"
    if not secret.strip():
        yield "the secret is empty; write it after the tab"
    elif secret.strip() in prefix:
        yield "the prefix contains the secret, so that the model would only repeat it; end the prefix before it"
    if well_formed(prefix + secret) != prefix + secret:
        yield "a text has half of a surrogate pair, which UTF-8 cannot encode; write the character itself"
    if prefix and secret and is_spaced(prefix[-1]) and is_spaced(secret[0]):
        yield (
            "the secret begins in the middle of a word, as no model would write it; begin the secret with the space "
            "before it, or end the prefix with it"
        )


def _refuse_twice(secrets: Sequence[Secret], path: Path) -> None:
    seen: dict[str, int] = {}
    for secret in secrets:
        first = seen.setdefault(secret.prefix + secret.secret, secret.line)
        if first != secret.line:
            msg = (
                f"{path}, line {secret.line}: has the text of line {first}; leave one, since they count once"
            )
            raise DataError(msg)
