"""The files that are read when a model's folder is loaded, wherever links and indices lead, and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gptaudit.errors import GptauditError
from gptaudit.files import read_text

INDEX = ".index.json"
"""Ending of a file that names the files of sharded weights, by their paths from the model's folder."""

FOLLOW = "follow_links=true"


def folder_files(
    folder: Path, *, follow_links: bool, error: type[GptauditError], remedy: str = f"-b {FOLLOW}"
) -> dict[str, Path]:
    """Return all files of a folder, and the weights that an index in it names, by their paths from the folder.

    A path that leaves the folder is refused with `error` unless `follow_links`: another model could be put there under
    the same name. A snapshot in the Hugging Face cache may lead into the cache's own store of files.
    """
    places = _own_places(folder)

    def check(path: Path, what: str) -> None:
        if not follow_links and not any(path.resolve().is_relative_to(place) for place in places):
            msg = f"{what}, which leaves the folder; put a copy into the folder, or add {remedy}"
            raise error(msg)

    found = {path.relative_to(folder).as_posix(): path for path in _walked(folder, check)}
    for name in [name for name in found if name.endswith(INDEX)]:
        for shard in _shards(found[name]):
            path = folder / shard
            check(path, f"{found[name]}: names {shard!r}")
            if path.is_file():
                found[shard] = path
    return dict(sorted(found.items()))


def digest(files: Mapping[str, Path], settings: str) -> str:
    """Hash settings and the names and contents of files."""
    whole = hashlib.sha256(settings.encode())
    for name, path in files.items():
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"\n{name} {content}".encode())
    return f"sha256:{whole.hexdigest()}"


def stamps(files: Mapping[str, Path]) -> dict[str, tuple[int, ...]]:
    """Return what shows that a file was written or replaced: where it lies on the disk, its size and its time."""
    found = {name: path.stat() for name, path in files.items()}
    return {name: (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found.items()}


def _own_places(folder: Path) -> list[Path]:
    """Return the folders that count as a model folder: itself, and for a snapshot the blobs of its repository."""
    real = folder.resolve()
    repository = real.parent.parent
    of_cache = real.parent.name == "snapshots" and repository.name.startswith("models--")
    return [real, repository / "blobs"] if of_cache else [real]


def _walked(folder: Path, check: Callable[[Path, str], None], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder, also where links lead, but not in circles; `check` is called for each link."""
    real = folder.resolve()
    if real in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and path.exists():
            check(path, f"{path}: a link to {path.resolve()}")
        if path.is_dir():
            yield from _walked(path, check, (*above, real))
        elif path.is_file():
            yield path


def _shards(index: Path) -> list[str]:
    """Return the files that an index of weights names; none for a file of another form, which nothing loads."""
    try:
        said = json.loads(read_text(index, error=GptauditError))
    except (ValueError, GptauditError):
        return []
    names = said.get("weight_map") if isinstance(said, dict) else None
    return sorted({str(name) for name in names.values()}) if isinstance(names, dict) else []
