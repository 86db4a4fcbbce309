"""What every target can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from engine.commit import StagedFile

IfExists: TypeAlias = Literal["error", "append", "overwrite"]


@dataclass(frozen=True)
class Rows:
    """The files of a committed run.

    Attributes:
        folder: Where they are.
        files: Parquet files, in order; names are relative to the folder.
    """

    folder: Path
    files: Sequence[StagedFile]

    @property
    def count(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    def path(self, file: StagedFile) -> Path:
        """Return where a file is."""
        return self.folder / file.name


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
