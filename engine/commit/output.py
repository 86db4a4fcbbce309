"""The exactly-once commit of scoring output: one run of one spec becomes visible, whole and once.

The protocol is that of lakehouse tables (Delta, Iceberg) on plain files or objects: parts under
content-addressed names, one record per part, one manifest per run, one log entry per version, each
created only if absent. It needs no lock and no clock: two drivers of the same job help each other,
and a driver, worker or zombie of either may die or freeze between any two operations.

    output = Output(location, run_key(spec, planned))
    output.preflight()
    if not output.committed():
        run = output.begin(spec, planned)
        for part in range(len(planned)):            # in workers, any order, any number of times
            if part not in run.done(): run.stage(part, ...)
        output.commit(run)
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import JsonValue

from engine.commit import latest
from engine.commit.apart import Apart, apart, claim
from engine.commit.deciding import Summary, clear_stage, decided
from engine.commit.layout import Layout, load, located
from engine.commit.manifest import KINDS, Head, Manifest, RunPlan
from engine.commit.publish import Publisher, publisher
from engine.commit.staging import Run
from engine.commit.versions import Taken, lost_race, refused, same_job
from engine.errors import MillraceError, OutputRefused
from engine.place.local import LocalPlace
from engine.storage import PLAIN, Access

IfExists: TypeAlias = Literal["error", "append", "overwrite", "version"]
"""What happens when the output is there."""

_APART: Mapping[IfExists, Apart] = {"append": "appended", "version": "versions"}


def run_key(spec: Mapping[str, JsonValue], planned: Sequence[int]) -> str:
    """Return the key of a run: the digest of all that its result depends on.

    Args:
        spec: Input listing with sizes and times, columns, code and model digests; plain JSON
            with nothing that changes from run to run.
        planned: Rows to read, per part.
    """
    return hashlib.sha256(_plan(spec, planned).encode()).hexdigest()


def _plan(spec: Mapping[str, JsonValue], planned: Sequence[int]) -> RunPlan:
    return RunPlan(planned=tuple(int(rows) for rows in planned), spec=dict(spec))


@dataclass(frozen=True)
class Output:
    """The place that one scoring job writes to, as its driver sees it.

    Attributes:
        location: The folder that readers will see: a path, or a URL such as
            ``s3://bucket/predictions``.
        key: What `run_key` returned for the job: lower-case hexadecimal.
        if_exists: What happens when something is there: ``error`` refuses all but this job's own
            rows; ``overwrite`` replaces what millrace wrote, and nothing else; ``append`` and
            ``version`` put the rows into a folder of their own, see `engine.commit.apart`.
        access: How an object store is reached; secrets by reference.
    """

    location: str | Path
    key: str
    if_exists: IfExists = "error"
    access: Access = PLAIN

    def __post_init__(self) -> None:
        """Resolve the location, once, on the driver: workers run in other folders.

        Raises:
            OutputRefused: The URL names no folder of a store.
            SpecError: The URL or the options cannot be.
        """
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.key):
            raise ValueError(f"not a run key: {self.key!r}")
        object.__setattr__(self, "location", self._base.told)

    @cached_property
    def _base(self) -> Layout:
        """Where the output itself is."""
        return located(self.location, self.access)

    @property
    def layout(self) -> Layout:
        """Where the rows and records of this job are; of a version, looked up each time.

        Raises:
            MillraceError: The store cannot be reached, or a record is damaged.
        """
        kind = _APART.get(self.if_exists)
        return apart(self._base, kind, self.key) if kind else self._base

    @property
    def told(self) -> str:
        """The path or URL at which readers find this job's rows, once they are committed."""
        with self._base.refusals():
            return self.layout.told

    @property
    def _overwrite(self) -> bool:
        return self.if_exists == "overwrite"

    @property
    def _publisher(self) -> Publisher:
        return publisher(self.layout)

    def preflight(self, began: float = math.inf) -> None:
        """Prove that the output can be written and is ours to write, before anything is computed.

        Args:
            began: When the run began, seconds since the epoch: another job's commit after that was
                a race. Only what is told depends on it.

        Raises:
            LostRace: Another job has committed to it since the run began.
            OutputRefused: It is read-only, no folder, taken, or on a storage that lets two writers
                create the same file.
            MillraceError: The disk is full, the store cannot be reached, or a record is damaged.
        """
        layout = self.layout
        with layout.refusals():
            layout.place.assert_fit(layout.name)
            try:
                self._admit(self._current())
            except Taken as taken:
                heads = layout.place.entries(layout.heads)
                if any(head.changed > began for head in heads):
                    raise lost_race(layout.told) from taken
                raise
            self._assert_ways()
            layout.place.probe(layout.temp, layout.target("data"))

    def scratch(self, elsewhere: Path) -> Path:
        """Return where all workers may keep files while they work: beside a local output.

        Args:
            elsewhere: A folder for that where the output is an object store's.
        """
        place = self.layout.place
        return place.path(self.layout.temp) if isinstance(place, LocalPlace) else elsewhere

    def committed(self) -> Manifest | None:
        """Return the manifest when readers have this job's result now, else None.

        Raises:
            MillraceError: A record is damaged or cannot be read.
        """
        layout = self.layout
        with layout.refusals():
            folder = self._current().folder
            manifest = load(Manifest, layout.place, folder.commit)
            if manifest is None or not folder.has(folder.published):
                return None
            if not self._publisher.shows(manifest):
                return None
            self._point()
            return manifest

    def begin(self, spec: Mapping[str, JsonValue], planned: Sequence[int]) -> Run:
        """Freeze the plan, or join the run that has frozen the same one before.

        Args:
            spec: See `run_key`.
            planned: Rows to read, per part.

        Raises:
            MillraceError: The run of this key has another plan.
            OutputRefused: The output cannot be written.
        """
        place = self.layout.place
        with self.layout.refusals():
            run, plan = self._current(), _plan(spec, planned).encode()
            name = run.folder.plan
            if not place.put_if_absent(name, plan) and place.read(name) != plan:
                hint = "the key must be the digest of the spec: see run_key"
                what = "Another plan has the key of this run."
                raise MillraceError(what, where=place.told(name), hint=hint)
            return run

    def commit(self, run: Run, summary: Summary | None = None) -> Manifest:
        """Check the ledger, commit, publish; what is done already is left as it is.

        Args:
            run: The run; all its parts are staged.
            summary: Makes ``statistics.json`` of what the parts have gathered; the same bytes of
                the same parts. Asked only while nothing is committed.

        Returns:
            The manifest that counts: that of the first driver to commit this run.

        Raises:
            MillraceError: Parts are missing, or rows were lost or doubled.
            LostRace: Another job has committed to the output meanwhile; nothing was touched.
            OutputRefused: Somebody has put files of another kind there; nothing was touched.
            CommitUnknown: The manifest was written, and neither success nor failure can be read.
        """
        with self.layout.refusals():
            manifest = decided(run, summary)
            if kind := _APART.get(self.if_exists):
                claim(self._base, kind, self.key)
            try:
                self._claim(run)
                self._publish(manifest)
            except Taken as taken:
                raise lost_race(self.layout.told) from taken
            self.layout.place.put_if_absent(run.folder.published, b"")
            clear_stage(run, manifest)
            self._point()
            return manifest

    def _publish(self, manifest: Manifest) -> None:
        try:
            if manifest.files("rejected"):
                self._publisher.publish(manifest, "rejected", self._overwrite)
            self._publisher.publish(manifest, "data", self._overwrite)
        finally:
            self._publisher.withdraw_stale_quarantine()

    def _current(self) -> Run:
        """Return the run to work on: the first generation of the key that is not spent."""
        generation = 0
        while self._spent(run := Run(self.layout, f"{self.key}.{generation}")):
            generation += 1
        return run

    def _spent(self, run: Run) -> bool:
        """Tell whether a committed run can no longer reach its readers.

        Readers had it and it was deleted or replaced, or a newer version came before it was
        published. The order matters: another driver may publish between the two looks.
        """
        folder = run.folder
        manifest = load(Manifest, self.layout.place, folder.commit)
        if manifest is None:
            return False
        versions = self.layout.versions()
        gone = (
            folder.has(folder.published)
            or (run.name in versions and versions[-1] != run.name)
            or not run.staged(manifest)
        )
        return gone and not self._publisher.whole(manifest)

    def _claim(self, run: Run) -> None:
        """Enter the run as the newest version, once; the log decides between different jobs."""
        while run.name not in (versions := self.layout.versions()):
            self._admit(run)
            head = self.layout.head(len(versions))
            self.layout.place.put_if_absent(head, Head(run=run.name).encode())

    def _admit(self, run: Run) -> None:
        """Refuse when the output is not ours to write."""
        newest = next(reversed(self.layout.versions()), run.name)
        before = self.layout.run(newest)
        published = before.has(before.published)  # before looking at the output
        manifest = load(Manifest, self.layout.place, run.folder.commit)
        for kind in KINDS:
            self._publisher.admit(run.name, kind, manifest, self._overwrite)
        if not (same_job(newest, run.name) or published or self._overwrite):
            raise refused(self.layout.told, f"the unfinished commit of another job, {newest}")

    def _assert_ways(self) -> None:
        """Refuse versions beside rows without one, and a pointer that is not ours."""
        if self.if_exists != "version":
            return
        if self._base.versions():
            raise OutputRefused(
                "The output holds rows that were written without a version.",
                where=self._base.told,
                hint='choose another output for `if_exists = "version"`',
            )
        latest.of(self._base)

    def _point(self) -> None:
        """Lead readers to the newest version, where there are versions."""
        if self.if_exists == "version":
            latest.point(self._base)
