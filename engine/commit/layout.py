"""Where everything about one output is: names of its records, its stage, its readers' folders.

The folder that readers see holds parts and an empty ``_SUCCESS``, nothing else, since common
readers count or choke on anything more. All records live beside it::

    predictions/                          parts and _SUCCESS
    predictions.quarantine/               rejected rows, where there are any
    predictions.millrace/
        HEAD/<n>.json                     which run made version n of the output
        runs/<key>.<g>/plan.json          what the run is to do, frozen
        runs/<key>.<g>/stage/             parts under names with their digest
        runs/<key>.<g>/parts/<i>.json     part i is done; the first attempt wins
        runs/<key>.<g>/statistics.json    what is known of the rows, where it was gathered
        runs/<key>.<g>/commit.json        the manifest; from here on the run is done
        runs/<key>.<g>/published          readers have it, the stage is no longer needed
        tmp/                              scratch
        appended/, versions/              records of runs with a folder of their own: see `apart`

Each record is put if absent and never changed. Names are relative to the place of the output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from engine.commit.manifest import Head, Kind, RecordT, StagedFile
from engine.errors import MillraceError
from engine.place.local import LocalPlace
from engine.place.objects import ObjectPlace
from engine.place.place import Place
from engine.storage import PLAIN, Access

_SUFFIX: Mapping[Kind, str] = {"data": "", "rejected": ".quarantine"}
_RECORDS = ".millrace"
_TEMP = "tmp"


def load(kind: type[RecordT], place: Place, name: str) -> RecordT | None:
    """Read a record; None when it has not been written.

    Raises:
        MillraceError: It was damaged after it was written, or the store fails.
        OSError: It cannot be read.
    """
    data = place.read(name)
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        hint = "restore the file, or choose another output; nothing was deleted"
        raise MillraceError("This record is damaged.", where=place.told(name), hint=hint) from error


@dataclass(frozen=True)
class RunFolder:
    """The records and the stage of one run.

    Attributes:
        place: Where they lie.
        path: Name of their folder.
    """

    place: Place
    path: str

    @property
    def name(self) -> str:
        """The run: ``<key>.<generation>``."""
        return self.path.rpartition("/")[2]

    @property
    def plan(self) -> str:
        """File of the `RunPlan`."""
        return f"{self.path}/plan.json"

    @property
    def stage(self) -> str:
        """Folder of the staged files."""
        return f"{self.path}/stage"

    @property
    def parts(self) -> str:
        """Folder of the part records."""
        return f"{self.path}/parts"

    @property
    def commit(self) -> str:
        """File of the `Manifest`."""
        return f"{self.path}/commit.json"

    @property
    def statistics(self) -> str:
        """File of what is known of the scored rows; the manifest says whether there is one."""
        return f"{self.path}/statistics.json"

    @property
    def published(self) -> str:
        """Empty file: readers have had the result."""
        return f"{self.path}/published"

    def record(self, part: int) -> str:
        """File of one `PartRecord`."""
        return f"{self.parts}/{part:05d}.json"

    def file(self, file: StagedFile) -> str:
        """Name of a staged file."""
        return f"{self.stage}/{file.name}"

    def staged(self, file: StagedFile) -> bool:
        """Tell whether the file is in the stage, in its full size."""
        return self.place.size(self.file(file)) == file.bytes

    def has(self, name: str) -> bool:
        """Tell whether a record is there."""
        return self.place.size(name) is not None


@dataclass(frozen=True)
class Layout:
    """Where everything about one output is.

    Attributes:
        place: The storage that holds the output and its records side by side.
        name: The output's name in it.
        records: Folder of the records below ``<name>.millrace``; empty for that itself.
        folder: Folder of the rows below the output; empty for the output itself.
    """

    place: Place
    name: str
    records: str = ""
    folder: str = ""

    @property
    def told(self) -> str:
        """The path or URL that readers use."""
        return self.place.told(self.target("data"))

    @property
    def root(self) -> str:
        """Folder of all records."""
        root = f"{self.name}{_RECORDS}"
        return f"{root}/{self.records}" if self.records else root

    @property
    def temp(self) -> str:
        """Folder for scratch files, one for all that is written to the output."""
        return f"{self.name}{_RECORDS}/{_TEMP}"

    @property
    def runs(self) -> str:
        """Folder of all runs."""
        return f"{self.root}/runs"

    @property
    def heads(self) -> str:
        """Folder of the version log."""
        return f"{self.root}/HEAD"

    def target(self, kind: Kind) -> str:
        """Return the folder that readers of this kind of rows see."""
        target = f"{self.name}{_SUFFIX[kind]}"
        return f"{target}/{self.folder}" if self.folder else target

    def run(self, name: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.place, f"{self.runs}/{name}")

    def head(self, version: int) -> str:
        """File of one `Head`."""
        return f"{self.heads}/{version}.json"

    def refusals(self) -> AbstractContextManager[None]:
        """Say what the storage's refusals inside mean for this output."""
        return self.place.refusals(self.name)

    def versions(self) -> list[str]:
        """Return the run of every version so far, oldest first.

        Read by name and not by listing the folder: a network file system may list late.
        """
        runs: list[str] = []
        while (entry := load(Head, self.place, self.head(len(runs)))) is not None:
            runs.append(entry.run)
        return runs


def located(location: str | Path, access: Access = PLAIN) -> Layout:
    """Return where an output lies: a folder of this machine, or a prefix of a bucket.

    Args:
        location: A path, made absolute with links resolved; or a URL of ``file``, ``s3``, ``gs``,
            ``az`` or ``abfs``.
        access: How a store is reached.

    Raises:
        OutputRefused: The URL names no prefix of a bucket.
        SpecError: The URL or the options cannot be.
    """
    text = str(location)
    if "://" in text and not text.startswith("file://"):
        place, name = ObjectPlace.of(text, access)
        return Layout(place, name)
    path = Path(os.path.realpath(unquote(urlsplit(text).path) if "://" in text else text))
    layout = Layout(LocalPlace(path.parent, path), path.name)
    return Layout(LocalPlace(path.parent, path.parent / layout.temp), path.name)
