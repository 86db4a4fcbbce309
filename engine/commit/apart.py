"""Runs that have a folder of their own below the output: appended rows, and numbered versions.

Each is an output in itself, with records of its own, and is committed as any other: its folder
appears in one step on a disk, with ``_SUCCESS`` last on a store, and once. No file that is there
already is touched, whoever wrote it, and two runs have nothing in common that could get lost::

    predictions/run-<key>/                rows that a job has appended
    predictions/version-0001/             rows of one version
    predictions/latest                    link to the newest version; `latest.json` on a store
    predictions.quarantine/run-<key>/     their rejected rows
    predictions.millrace/
        appended/log/<n>.json             which job was the n-th to append
        appended/<key>/                   its plan, parts, manifest: see `engine.commit.layout`
        versions/log/<n>.json             which job made version n
        versions/<key>/
        versions/<key>/number.json        which that is

A job takes its number when all its rows are staged, so numbers have no gaps but for a driver that
died at that moment; the same job finds its number again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from engine.commit.layout import Layout, load, located
from engine.commit.manifest import Record
from engine.errors import OutputRefused
from engine.place.place import each
from engine.storage import PLAIN, Access

Apart: TypeAlias = Literal["appended", "versions"]
APART: tuple[Apart, Apart] = ("appended", "versions")

_FOLDER = re.compile(r"run-[0-9a-f]{16}|version-\d{4,}")
_KEY = 16  # hexadecimal digits of a run's key: 64 bits


class Claim(Record):
    """One entry of a log: the job that has this number.

    Attributes:
        job: First digits of its key.
    """

    job: str


class Number(Record):
    """What a log says of one job, where it is found without reading the log.

    Attributes:
        number: From 1.
    """

    number: int


def is_apart(name: str) -> bool:
    """Tell whether a file below an output is in the folder of one run."""
    first, slash, _ = name.partition("/")
    return bool(slash and _FOLDER.fullmatch(first))


def apart(base: Layout, kind: Apart, key: str) -> Layout:
    """Return where the rows and records of one job are.

    Args:
        base: The output.
        kind: Why they have a folder of their own.
        key: Key of the run. A version that has no number yet is nowhere.
    """
    job = key[:_KEY]
    found = load(Number, base.place, _number(base, kind, job)) if kind == "versions" else None
    return _layout(base, kind, job, found.number if found else 0)


def claim(base: Layout, kind: Apart, key: str) -> None:
    """Give a job its number, the next one, unless it has one.

    Raises:
        MillraceError: The storage fails.
    """
    job = key[:_KEY]
    while job not in (jobs := _jobs(base, kind)):
        entry = _entry(base, kind, len(jobs) + 1)
        base.place.put_if_absent(entry, Claim(job=job).encode())
    number = Number(number=jobs.index(job) + 1)
    base.place.put_if_absent(_number(base, kind, job), number.encode())


def numbered(base: Layout, kind: Apart) -> list[Layout]:
    """Return all jobs that have a number, in the order of the numbers."""
    jobs = _jobs(base, kind)
    return [_layout(base, kind, job, number) for number, job in enumerate(jobs, 1)]


def begun(base: Layout) -> list[Layout]:
    """Return all jobs with a folder of their own that have ever begun, in no order."""
    found = []
    for kind in APART:
        records = _folder(base, kind)
        tops = {e.name[len(records) + 1 :].split("/")[0] for e in base.place.entries(records)}
        found += [apart(base, kind, job) for job in sorted(tops - {"log"})]
    return found


def opened(location: str | Path, access: Access = PLAIN) -> tuple[Layout, list[Layout]]:
    """Return the output that a location is or is in, and all of what was asked for.

    Args:
        location: An output, or the folder of one run in it, such as ``predictions/version-0003``.
        access: How an object store is reached.

    Returns:
        The output; the layouts with rows of its own, oldest first: the output's own if it was
        ever committed to as a whole, and those of runs with folders of their own.

    Raises:
        OutputRefused: The URL names no prefix of a bucket.
        SpecError: The URL or the options cannot be.
    """
    layout = located(location, access)
    parent, _, folder = layout.told.rpartition("/")
    if _FOLDER.fullmatch(folder) and not layout.versions():
        try:
            base = located(parent, access)
        except OutputRefused:  # it lies in the bucket itself
            return layout, []
        return base, [one for one in _all(base) if one.folder == folder]
    return layout, [*([layout] if layout.versions() else []), *_all(layout)]


def _all(base: Layout) -> Iterator[Layout]:
    for kind in APART:
        yield from (layout for layout in numbered(base, kind) if layout.versions())


def _layout(base: Layout, kind: Apart, job: str, number: int) -> Layout:
    folder = f"run-{job}"
    if kind == "versions":
        folder = f"version-{number:04d}" if number else f"unnumbered-{job}"
    return replace(base, records=f"{kind}/{job}", folder=folder)


def _folder(base: Layout, kind: Apart) -> str:
    return f"{base.root}/{kind}"


def _entry(base: Layout, kind: Apart, number: int) -> str:
    return f"{_folder(base, kind)}/log/{number}.json"


def _number(base: Layout, kind: Apart, job: str) -> str:
    return f"{_folder(base, kind)}/{job}/number.json"


def _jobs(base: Layout, kind: Apart) -> list[str]:
    """Return the jobs that have a number, in order; read by name, more and more at a time."""
    jobs: list[str] = []
    step = 1
    while True:
        numbers = range(len(jobs) + 1, len(jobs) + 1 + step)
        names = [_entry(base, kind, number) for number in numbers]
        for entry in each(base.place, lambda name: load(Claim, base.place, name), names):
            if entry is None:
                return jobs
            jobs.append(entry.job)
        step = min(2 * step, base.place.at_once)
