"""What is written down about an output: plan, part records, manifest, version log.

Each record is put if absent and never changed; `engine.commit.layout` says under which name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.canonical import canonical
from engine.ledger import Counts, Ledger

SUCCESS = "_SUCCESS"

Kind = Literal["data", "rejected"]
KINDS: tuple[Kind, Kind] = ("data", "rejected")

RecordT = TypeVar("RecordT", bound="Record")


class Record(BaseModel):
    """A JSON file that is written once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def encode(self) -> bytes:
        """Return the canonical JSON bytes."""
        return canonical(self.model_dump(mode="json"))


class StagedFile(Record):
    """One file of rows.

    Attributes:
        name: Its name below the stage and below the folder that readers see; ``/`` between folders,
            and the first 12 digits of the digest: ``month=2024-01/part-00003-<digest>.parquet``.
        rows: Rows in it.
        bytes: Its size.
        sha256: Digest of all its bytes, hexadecimal.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


class Accounted(Record):
    """A record that says where rows went.

    Attributes:
        inputs: Rows read, scored, quarantined and filtered, by input file.
        reasons: Quarantined rows by reason.
        unread: Rows that could not be read, by input file; they are not among those read.
    """

    inputs: Mapping[str, tuple[int, int, int, int]]
    reasons: dict[str, int]
    unread: dict[str, int] = {}

    @property
    def ledger(self) -> Ledger:
        """Where the rows of each input file went."""
        files = {path: Counts(*rows) for path, rows in self.inputs.items()}
        return Ledger(files, self.reasons, self.unread)

    @property
    def unreadable(self) -> int:
        """Rows that could not be read, of all files."""
        return sum(self.unread.values())


class Unread(Record):
    """Rows of one file that could not be read.

    Attributes:
        file: Path of the input file.
        first: First of them within the file, from 0.
        rows: How many.
        error: Why.
    """

    file: str
    first: int
    rows: int
    error: str


class BadPart(Record):
    """Why a part was set aside.

    Attributes:
        error: What failed, and where.
        unread: Its rows that could not even be read; the others are in quarantine.
    """

    error: str
    unread: tuple[Unread, ...] = ()


class PartRecord(Accounted):
    """One partition is done: where its rows went.

    Attributes:
        part: Index of the partition.
        rows_in: Rows that were to be read; all of them were unless the part is bad.
        filtered: Rows that the data set's own ``where`` left out.
        data: Files of the predictions, one row for each row scored; a folder holds one at most.
        rejected: Files of the quarantined rows; none when there are none.
        missing: Missing values in scored rows, by column whose share of them is limited.
        attempt: Unique id of the attempt that won.
        worker: Where it ran.
        bad: Why the part was set aside, if it was; then nothing of it is scored.
        statistics: State of its scored rows, where statistics are gathered; its rows are those of
            the sample in it.
        crossed: Scored rows whose quantiles had to be put in order; None without an interval.
    """

    part: int
    rows_in: int
    filtered: int
    data: tuple[StagedFile, ...]
    rejected: tuple[StagedFile, ...]
    missing: dict[str, int]
    attempt: str
    worker: str
    bad: BadPart | None = None
    statistics: StagedFile | None = None
    crossed: int | None = None

    @property
    def scored(self) -> int:
        """Rows that have a prediction."""
        return sum(file.rows for file in self.data)

    @property
    def quarantined(self) -> int:
        """Rows that have a reason instead."""
        return sum(file.rows for file in self.rejected)

    @property
    def lost(self) -> int:
        """Rows that are nowhere; negative when there are more than there should be."""
        return self.rows_in - self.scored - self.quarantined - self.filtered - self.unreadable

    @property
    def files(self) -> tuple[StagedFile, ...]:
        """All files of the part."""
        return self.data + self.rejected + self.gathered

    @property
    def gathered(self) -> tuple[StagedFile, ...]:
        """The file of its statistics, if it has one; readers never see it."""
        return (self.statistics,) if self.statistics else ()


class RunPlan(Record):
    """What a run is to do, frozen before its first part.

    Attributes:
        planned: Rows to read, per part.
        spec: The scoring spec: input listing, code and model digests, columns.
    """

    planned: tuple[int, ...]
    spec: dict[str, JsonValue]


class Manifest(Accounted):
    """The committed result of a run.

    Attributes:
        format: Version of this record.
        run: The run that made it, ``<key>.<generation>``.
        rows_in: Rows in; equals scored + quarantined + filtered + unreadable.
        scored: Rows in the output.
        quarantined: Rows in the quarantine.
        filtered: Rows left out by the data set's own ``where``.
        parts: All parts, in order.
        statistics: ``statistics.json`` beside this record, where statistics were gathered.
    """

    format: Literal[1] = 1
    run: str
    rows_in: int
    scored: int
    quarantined: int
    filtered: int
    parts: tuple[PartRecord, ...]
    statistics: StagedFile | None = None

    @property
    def crossed(self) -> int | None:
        """Rows whose quantiles had to be put in order; None where no part has an interval."""
        found = [part.crossed for part in self.parts if part.crossed is not None]
        return sum(found) if found else None

    @property
    def bad_parts(self) -> tuple[PartRecord, ...]:
        """Parts that were set aside, in order."""
        return tuple(part for part in self.parts if part.bad)

    def files(self, kind: Kind) -> tuple[StagedFile, ...]:
        """Return the files that the published folder of this kind holds, in part order."""
        if kind == "data":
            return tuple(file for part in self.parts for file in part.data)
        return tuple(file for part in self.parts for file in part.rejected)


class Head(Record):
    """One entry of the version log: the run that made this version of the output."""

    run: str
