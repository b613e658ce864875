"""`gptaudit data`: the public data sets that probes read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say
from gptaudit.errors import DataError, UsageError
from gptaudit.markers import hookimpl

if TYPE_CHECKING:
    from gptaudit.data.downloads import Report
    from gptaudit.plugins import Plugins
    from gptaudit.protocols.data_set import DataFile, DataSet

BUILT_IN = "gptaudit.data.datasets"
"""The plugin of the data sets that built-in probes read."""


@click.group()
def data() -> None:
    """Show, fetch and verify the public data sets that probes read."""


@data.command("list")
@_options.data
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_obj
def list_(plugins: Plugins, data: Path | None, *, as_json: bool) -> None:
    """List the data sets, and whether they are present and match the published files."""
    entries = [
        {**_entry(data_set, data), "plugin": plugin}
        for data_set, plugin in plugins.registered("data_sets").values()
    ]
    if as_json:
        say(json.dumps(entries, indent=1))
        return
    for entry in entries:
        say(entry["name"], bold=True)
        files = len(entry["files"])
        say(f"  {entry['rows']:,} rows in {files} file{'s'[: files != 1]}, {entry['licence']}")
        say(f"  {entry['source']}")
        say(f"  {entry['state']}")
        if entry["plugin"] != BUILT_IN:
            say(f"  of the plugin {entry['plugin']}")


@data.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_options.data
@click.pass_obj
def verify(plugins: Plugins, names: tuple[str, ...], data: Path | None) -> None:
    """Check that the named data sets, or all, are present and match the published files; exit 2 if not."""
    from gptaudit.data.datasets import faults, present, summary

    folder, bad = _folder(data), []
    for data_set in _chosen(plugins, names):
        found, there = faults(data_set, folder), present(data_set, folder)
        say(f"{data_set.name}: {summary(data_set, found)}")
        for file, fault in found.items():
            say(f"  {there.get(file, folder / file.path)}: {fault}")
        bad += [data_set.name] if set(found.values()) - {"unchecked"} else []
    if bad:
        msg = f"{folder}: missing or not as published: {', '.join(bad)}; download what is missing with: "
        raise DataError(f"{msg}gptaudit data fetch {' '.join(bad)} --data {folder}")


@data.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_options.data
@click.option("--force", is_flag=True, help="Replace files that differ from the published ones.")
@click.pass_obj
def fetch(plugins: Plugins, names: tuple[str, ...], data: Path | None, *, force: bool) -> None:
    """Download data sets from where they are published. This uses the network.

    A file that already matches the published one is kept. One that differs is an error without --force.
    """
    from gptaudit.data.datasets import faults, present
    from gptaudit.data.downloads import download

    folder, data_sets = _folder(data), _chosen(plugins, names)
    found = {file: fault for data_set in data_sets for file, fault in faults(data_set, folder).items()}
    wanting = [file for file, fault in found.items() if fault != "unchecked"]
    _refuse_what_cannot_be_checked(wanting, folder)
    there = {file: path for data_set in data_sets for file, path in present(data_set, folder).items()}
    differing = [str(there[file]) for file, fault in found.items() if fault == "differs"]
    if differing and not force:
        msg = (
            f"{', '.join(differing)}: not the published file; nothing was changed. To replace it, add --force"
        )
        raise DataError(msg)
    if not wanting:
        say(f"{', '.join(names)}: already in {folder}; nothing to fetch")
        return
    hosts = ", ".join(sorted({urlsplit(file.url).netloc for file in wanting}))
    say(f"Downloading from {hosts} to {folder}: {', '.join(file.path for file in wanting)}", err=True)
    for file in wanting:
        with _shown(file) as report:
            download(file, folder, report)
        say(str(folder / file.path))
    for data_set in data_sets:
        say(f"{data_set.name}: {data_set.licence}. Please cite: {data_set.citation}")


def _refuse_what_cannot_be_checked(files: Sequence[DataFile], folder: Path) -> None:
    for file in files:
        if not file.sha256:
            msg = f"{file.url}: its hash is not known, so a download could not be checked; "
            raise DataError(f"{msg}download it yourself and save it as {folder / file.path}")


@contextmanager
def _shown(file: DataFile) -> Iterator[Report]:
    """Show the progress of a download, on a terminal."""
    terminal = sys.stderr.isatty()

    def report(done: int, total: int | None) -> None:
        if terminal:
            share = f" of {total / 1e6:.1f}" if total else ""
            click.echo(f"\r{file.path}: {done / 1e6:.1f}{share} MB ", nl=False, err=True)

    try:
        yield report
    finally:
        if terminal:
            say(err=True)


def _entry(data_set: DataSet, folder: Path | None) -> dict[str, Any]:
    from gptaudit.data.datasets import faults, present, summary

    found, there = faults(data_set, folder), present(data_set, folder)
    return {
        "name": data_set.name,
        "rows": data_set.rows,
        "licence": data_set.licence,
        "source": data_set.source,
        "citation": data_set.citation,
        "state": summary(data_set, found) if folder else "no folder given: use --data DIR or GPTAUDIT_DATA",
        "files": [
            {
                "path": file.path,
                "url": file.url,
                "sha256": file.sha256,
                "bytes": there[file].stat().st_size if file in there else None,
                "state": found.get(file, "as published"),
            }
            for file in data_set.files
        ],
    }


def _folder(folder: Path | None) -> Path:
    if folder is None:
        msg = "no folder of data sets is given; name one with --data DIR or GPTAUDIT_DATA"
        raise UsageError(msg)
    return folder


def _chosen(plugins: Plugins, names: Sequence[str]) -> list[DataSet]:
    """Return the named data sets, or all."""
    found = [plugins.find("data_sets", name, name) for name in dict.fromkeys(names)]
    return found or list(plugins.data_sets.values())


@hookimpl
def gptaudit_register_commands(register: Callable[[click.Command], None]) -> None:
    """Register the command."""
    register(data)
