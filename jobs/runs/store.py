"""The store: where run folders are, on a disk or in an object store."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.errors import SpecError
from engine.place.local import LocalPlace
from engine.place.objects import ObjectPlace
from engine.place.place import Place, each
from engine.storage import PLAIN, Access
from engine.storage.places import in_store
from jobs.runs.folder import Run
from jobs.spec.problems import nearest

STORE = ".millrace/runs"
"""Where the run folders are, from the current directory."""

LAST = "@last"

NOTHING: Mapping[str, Any] = MappingProxyType({})

_ID = re.compile(r"\d{8}-(\d{6}-)?[0-9a-f]{6,8}")


@dataclass(frozen=True)
class Store:
    """A place of run folders.

    Attributes:
        location: Its path or URL; an absolute path.
        access: How an object store is reached.
        place: The place.
    """

    location: str
    access: Access
    place: Place

    @classmethod
    def at(cls, location: str | Path, access: Access = PLAIN) -> Store:
        """Return the store at a path or URL; nothing is made there yet.

        Raises:
            OutputRefused: It is a web server.
            SpecError: The URL cannot be.
        """
        if in_store(str(location)):
            place: Place = ObjectPlace.below(str(location), access)
            return cls(str(location), access, place)
        folder = Path(location).absolute()
        return cls(str(folder), access, LocalPlace(folder, folder / ".tmp"))

    def create(self, job: Mapping[str, Any], selection: Mapping[str, Any] = NOTHING) -> Run:
        """Make a new run folder, PENDING.

        Args:
            job: The resolved job, as JSON values.
            selection: What of it is wanted.
        """
        content = json.dumps(job, indent=2, default=str).encode()
        while True:
            run = Run(self.place, _fresh())
            with self.place.refusals(run.id):
                if self.place.put_if_absent(f"{run.id}/job.json", content):
                    run.write_selection(selection)
                    run.log.begin()
                    return run

    def runs(self) -> list[Run]:
        """Return the runs, the oldest first; unfinished beginnings are left out."""
        runs = [Run(self.place, name) for name in self._ids()]
        begun = each(self.place, self._begun, [run.id for run in runs])
        return [run for run, there in zip(runs, begun, strict=True) if there]

    def find(self, name: str) -> Run:
        """Return the run with an id, or whose id or last part starts so, or the newest.

        Args:
            name: An id, the beginning of one or of its last part, or ``@last``.

        Raises:
            SpecError: There is none, or more than one.
        """
        ids = self._ids()
        last = next(filter(self._begun, reversed(ids)), None)
        if name == LAST and last is not None:
            return Run(self.place, last)
        if last is None:
            hint = "`millrace run JOB` starts one; `--store` looks elsewhere"
            raise SpecError("there are no runs", where=self.location, hint=hint)
        fitting = [one for one in ids if one == name] or [
            one for one in ids if one.startswith(name) or one.rpartition("-")[2].startswith(name)
        ]
        if len(fitting) > 1:
            where = ", ".join(fitting[-10:])
            what = f"{name!r} is the beginning of several runs"
            raise SpecError(what, where=where, hint="say more")
        if not fitting:
            what = f"there is no run {name!r}{nearest(name, ids[-100:])}"
            raise SpecError(what, where=self.location, hint="`millrace list` shows them all")
        return Run(self.place, fitting[0])

    def _begun(self, name: str) -> bool:
        return self.place.size(f"{name}/state/0.json") is not None

    def _ids(self) -> list[str]:
        with self.place.refusals(""):
            return [name for name in self.place.folders("") if _ID.fullmatch(name)]


def _fresh() -> str:
    """Return an id: ids in the order of their text are in the order of time, to a millisecond."""
    now = datetime.now(UTC)
    # The last part names a run by itself: so it begins with what differs, not with the day.
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond * 4095 // 10**6:03x}{uuid.uuid4().hex[:5]}"
