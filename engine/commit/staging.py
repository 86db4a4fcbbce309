"""A partition's result becomes a staged file and a part record; the first attempt wins.

This half of the commit runs in the worker. It may run twice at once, or long after the driver has
given the worker up: nothing it writes can replace what is there.
"""

from __future__ import annotations

import hashlib
import io
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.commit.layout import Layout, RunFolder, load
from engine.commit.manifest import (
    KINDS,
    BadPart,
    Manifest,
    PartRecord,
    RunPlan,
    StagedFile,
    Unread,
)
from engine.errors import MillraceError
from engine.ledger import Counts
from engine.place.place import each


@dataclass(frozen=True)
class Encoded:
    """One file of a part, as an encoding made it of rows: not yet named, not yet anywhere.

    Attributes:
        rows: Rows in it.
        content: All its bytes.
        suffix: What its name ends in, with the dot.
        folder: Where it lies below the output, ``month=2024-01/region=7``; empty for the output
            itself. Values that may hold anything must be percent-encoded.
        piece: Its place among the files of the part in this folder, from 0; None: the only one.
    """

    rows: int
    content: memoryview
    suffix: str = ".parquet"
    folder: str = ""
    piece: int | None = None


@dataclass(frozen=True)
class Staged:
    """What staging a part came to.

    Attributes:
        record: The record that counts: the first attempt's, which may not be ours.
        differs: An earlier attempt made other bytes of the same input. The rows are safe, but
            the model or the preparation is not deterministic: worth a warning.
    """

    record: PartRecord
    differs: bool


@dataclass(frozen=True)
class Run:
    """One run of one output, as the workers know it; made by `engine.commit.Output.begin`.

    Attributes:
        layout: Where the output is.
        name: ``<key>.<generation>``.
    """

    layout: Layout
    name: str

    @property
    def folder(self) -> RunFolder:
        """The run's records and stage."""
        return self.layout.run(self.name)

    def plan(self) -> RunPlan:
        """Return the frozen plan.

        Raises:
            MillraceError: The run was not begun, or the plan is damaged.
        """
        place = self.layout.place
        plan = load(RunPlan, place, self.folder.plan)
        if plan is None:
            raise MillraceError("This run was never begun.", where=place.told(self.folder.path))
        return plan

    def done(self) -> dict[int, PartRecord]:
        """Return the parts that need no work any more, by index.

        A record whose file is missing does not count: staging that part again puts it back.

        Raises:
            MillraceError: A record is damaged or cannot be read.
        """
        with self.layout.refusals():
            manifest = load(Manifest, self.layout.place, self.folder.commit)
            if manifest is not None:
                return {record.part: record for record in manifest.parts}
            parts = [str(part) for part in range(len(self.plan().planned))]
            found = each(self.layout.place, lambda part: self._kept(int(part)), parts)
            return {record.part: record for record in found if record is not None}

    def _kept(self, part: int) -> PartRecord | None:
        """Return the record of a part whose files are all there."""
        record = load(PartRecord, self.layout.place, self.folder.record(part))
        return record if record is not None and self._intact(record) else None

    def _intact(self, record: PartRecord) -> bool:
        return all(self.folder.staged(file) for file in record.files)

    def contents(self, files: Sequence[StagedFile]) -> list[bytes]:
        """Return all bytes of staged files, in their order; a store is asked for several at once.

        Raises:
            MillraceError: One is missing.
        """
        place, names = self.layout.place, [self.folder.file(file) for file in files]
        found = []
        for name, content in zip(names, each(place, place.read, names), strict=True):
            if content is None:
                what = "This staged file vanished."
                raise MillraceError(what, where=place.told(name), hint="run again")
            found.append(content)
        return found

    def open(self, file: StagedFile) -> io.BufferedIOBase:
        """Return a staged file as a seekable stream; an object is held in memory."""
        return self.layout.place.open(self.folder.file(file))

    def staged(self, manifest: Manifest) -> bool:
        """Tell whether all rows of the run's manifest are in the stage, in full size."""
        files = [file for kind in KINDS for file in manifest.files(kind)]
        sizes = {self.folder.file(file): file.bytes for file in files}
        found = each(self.layout.place, self.layout.place.size, list(sizes))
        return found == list(sizes.values())

    def stage(
        self,
        part: int,
        data: Sequence[Encoded],
        rejected: Sequence[Encoded] = (),
        *,
        rows_in: int,
        filtered: int = 0,
        reasons: Mapping[str, int] | None = None,
        inputs: Mapping[str, Counts] | None = None,
        missing: Mapping[str, int] | None = None,
        worker: str = "",
        bad: BadPart | None = None,
        statistics: Encoded | None = None,
        crossed: int | None = None,
    ) -> Staged:
        """Make one part's rows durable and record them, once.

        Args:
            part: Index of the partition.
            data: The predictions, a file a folder; where nothing was scored, a file of no rows
                tells readers the columns.
            rejected: The quarantined rows, with their reasons; files of no rows are left out.
            rows_in: Rows that were to be read.
            filtered: Rows that the data set's own ``where`` left out.
            reasons: Quarantined rows by reason.
            inputs: Where the rows of each input file went.
            missing: Missing values in scored rows, by column whose share of them is limited.
            worker: Where this runs, for the record.
            bad: Why nothing of the part is scored, when it is set aside.
            statistics: State of the scored rows, which readers do not see.
            crossed: Scored rows whose quantiles had to be put in order, if there is an interval.

        Raises:
            MillraceError: Rows were lost or doubled on the way, or the disk is full.
            OutputRefused: The output cannot be written.
            ValueError: Two files of one kind lie in one folder, or a folder leads elsewhere.
        """
        some = [file for file in rejected if file.rows]
        mark = self.layout.place.mark(self.name)
        files = _named("part", part, data, mark), _named("rejected", part, some, mark)
        state = _named("statistics", part, [statistics] if statistics else [], mark)
        record = PartRecord(
            part=part,
            rows_in=rows_in,
            filtered=filtered,
            data=tuple(files[0]),
            rejected=tuple(files[1]),
            inputs=inputs or {},
            reasons=dict(reasons or {}),
            missing=dict(missing or {}),
            attempt=uuid.uuid4().hex,
            worker=worker,
            bad=bad,
            unread=_by_file(bad.unread) if bad else {},
            statistics=next(iter(state), None),
            crossed=crossed,
        )
        if record.lost:
            raise MillraceError(imbalance(record), where=f"part {part}")
        with self.layout.refusals():
            return self._settle(record, {**files[0], **files[1], **state})

    def _settle(self, record: PartRecord, contents: Mapping[StagedFile, memoryview]) -> Staged:
        """Put the files, then the record; whoever put the record first has done the part."""
        place, name, folder = self.layout.place, self.folder.record(record.part), self.folder
        winner = load(PartRecord, place, name)
        if winner is None or not (self._intact(winner) or folder.has(folder.commit)):
            files = {file.name: file for file in contents}
            each(place, lambda one: self._put_file(files[one], contents[files[one]]), list(files))
            if place.put_if_absent(name, record.encode()):
                return Staged(record, differs=False)
            winner = load(PartRecord, place, name)  # after a lost reply it may be ours
        if winner is None:
            where = place.told(name)
            raise MillraceError("This record vanished.", where=where, hint="run again")
        return Staged(winner, differs=_digests(winner) != _digests(record))

    def _put_file(self, file: StagedFile, content: memoryview) -> None:
        place, name = self.layout.place, self.folder.file(file)
        if not place.put_if_absent(name, content) and not self.folder.staged(file):
            hint = "delete this one file and run again"
            raise MillraceError("This staged file is damaged.", where=place.told(name), hint=hint)


def imbalance(record: PartRecord) -> str:
    """Return the sentence that says how a part's rows do not add up."""
    return (
        f"Part {record.part} read {record.rows_in} rows, but {record.scored} scored + "
        f"{record.quarantined} quarantined + {record.filtered} filtered + {record.unreadable} "
        "unreadable rows came out."
    )


def _by_file(unread: Sequence[Unread]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for part in unread:
        rows[part.file] += part.rows
    return dict(rows)


def _digests(record: PartRecord) -> list[str]:
    return [file.sha256 for file in record.files]


def _named(
    word: str, part: int, files: Sequence[Encoded], mark: str
) -> dict[StagedFile, memoryview]:
    """Return the content of each file under its name.

    Raises:
        ValueError: Readers would see the files in another order than they were made in, or a
            folder leads out of the output.
    """
    folders = [file.folder for file in files]
    if len({(file.folder, file.piece) for file in files}) < len(files):
        raise ValueError(f"part {part} has two files in one folder")
    if wrong := [folder for folder in folders if folder and not _below(folder)]:
        raise ValueError(f"no folder of an output: {wrong[0]!r}")
    return {_describe(word, part, file, mark): file.content for file in files}


def _below(folder: str) -> bool:
    """Tell whether a relative folder stays below the output and is seen by readers."""
    return all(name and not name.startswith((".", "_")) for name in folder.split("/"))


def _describe(word: str, part: int, file: Encoded, mark: str) -> StagedFile:
    digest = hashlib.sha256(file.content).hexdigest()
    called = hashlib.sha256(f"{mark} {digest}".encode()).hexdigest() if mark else digest
    number = f"{part:05d}" if file.piece is None else f"{part:05d}-{file.piece:05d}"
    name = f"{word}-{number}-{called[:12]}{file.suffix}"
    path = f"{file.folder}/{name}" if file.folder else name
    return StagedFile(name=path, rows=file.rows, bytes=file.content.nbytes, sha256=digest)
