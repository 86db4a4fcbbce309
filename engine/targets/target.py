"""What every target can do."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from engine.commit import Manifest, Output, StagedFile
from engine.place.local import LocalPlace
from engine.place.place import Place

IfExists: TypeAlias = Literal["error", "append", "overwrite"]


@dataclass(frozen=True)
class Rows:
    """The files of a committed run.

    Attributes:
        place: The disk or store that they are on.
        folder: Name of their folder there.
        files: Parquet files, in order; names are relative to the folder.
    """

    place: Place
    folder: str
    files: Sequence[StagedFile]

    @classmethod
    def of(cls, output: Output, manifest: Manifest) -> Rows:
        """Return the rows that readers of an output have from a run."""
        layout = output.layout
        return cls(layout.place, layout.target("data"), manifest.files("data"))

    @property
    def count(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    def open(self, file: StagedFile) -> io.BufferedIOBase:
        """Return a file as a seekable stream; an object is held in memory, a part at most."""
        return self.place.open(f"{self.folder}/{file.name}")

    def path(self, file: StagedFile) -> Path:
        """Return where a file is on the disk.

        Raises:
            ValueError: It is on a store.
        """
        if not isinstance(self.place, LocalPlace):
            raise ValueError(f"no path: {file.name}")
        return self.place.path(f"{self.folder}/{file.name}")


class Target(Protocol):
    """A table that gets the rows of one run, identified by the run's key."""

    def admit(self) -> None:
        """Prove that the table can be written, before anything is computed.

        Raises:
            OutputRefused: It is there and was not to be, or is no table that we may write.
            SpecError: A library is missing.
        """
        ...

    def publish(self, rows: Rows) -> bool:
        """Add the rows in one transaction, unless the table has had them from this run.

        Returns:
            Whether the rows are new to the table; of two drivers of one run at the same moment
            both may say so.

        Raises:
            OutputRefused: The table is not ours to write, or has other columns.
            CommitUnknown: Whether the transaction landed cannot be told.
            MillraceError: It did not land.
        """
        ...
