"""The state of a run: a log that only ever grows by the next number.

``state/0.json``, ``state/1.json``, … are created by put-if-absent. Two drivers that both want to go
on from entry n both want to create n + 1: one of them gets it and the other is told so. That is
compare-and-set on any file system and object store, without a lock that a dead process could keep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cluster.processes import ProcessName
from engine.errors import MillraceError
from engine.place.place import Place, each

_NUMBERED = re.compile(r"(\d+)\.json")


class State(StrEnum):
    """Where a run stands."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMMITTING = "COMMITTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    COMMIT_UNKNOWN = "COMMIT_UNKNOWN"

    @property
    def active(self) -> bool:
        """Whether a driver is at work, unless it died."""
        return self in (State.STARTING, State.RUNNING, State.COMMITTING)


_ENDINGS = frozenset({State.FAILED, State.CANCELLED, State.LOST})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.STARTING, State.CANCELLED}),
    State.STARTING: frozenset({State.RUNNING, State.SUCCEEDED}) | _ENDINGS,
    State.RUNNING: frozenset({State.COMMITTING, State.SUCCEEDED}) | _ENDINGS,
    # After the commit the next step may run, or the job is done.
    State.COMMITTING: frozenset({State.RUNNING, State.SUCCEEDED, State.COMMIT_UNKNOWN}) | _ENDINGS,
    State.SUCCEEDED: frozenset(),
    # Resuming is the same code as running.
    State.FAILED: frozenset({State.STARTING}),
    State.CANCELLED: frozenset({State.STARTING}),
    State.LOST: frozenset({State.STARTING, State.CANCELLED}),
    State.COMMIT_UNKNOWN: frozenset({State.STARTING}),
}
"""The states that may follow each state."""


class StateConflict(MillraceError):
    """Another driver has moved the run on, or the step is not allowed from here."""


@dataclass(frozen=True)
class Entry:
    """One entry of the log.

    Args:
        number: Position, from 0.
        state: The state from here on.
        time: When, in UTC.
        driver: The process that wrote it.
        message: Why, when that is worth saying.
        code: Exit code of the command, of a state that ends a run.
    """

    number: int
    state: State
    time: datetime
    driver: ProcessName
    message: str = ""
    code: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "state": str(self.state), "time": self.time.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Entry:
        """Read back what ``to_dict`` returned."""
        return cls(
            number=values["number"],
            state=State(values["state"]),
            time=datetime.fromisoformat(values["time"]),
            driver=ProcessName(**values["driver"]),
            message=values["message"],
            code=values.get("code"),
        )


@dataclass(frozen=True)
class StateLog:
    """The entries of one run.

    Args:
        place: Where the run folders are.
        folder: Name of the folder with the numbered files.
    """

    place: Place
    folder: str

    def entries(self) -> list[Entry]:
        """Return all entries in order."""
        return self._read(self._numbers())

    def last(self) -> Entry:
        """Return the newest entry.

        Raises:
            StateConflict: There is none: the run was not created to its end.
        """
        entries = self._read(self._numbers()[-1:])
        if not entries:
            where = self.place.told(self.folder)
            raise StateConflict("the run has no state", where=where)
        return entries[-1]

    def first(self) -> Entry:
        """Return the oldest entry: when the run was created.

        Raises:
            StateConflict: There is none.
        """
        entries = self._read([0])
        if not entries:
            raise StateConflict("the run has no state", where=self.place.told(self.folder))
        return entries[0]

    def begin(self) -> Entry:
        """Write entry 0: PENDING.

        Raises:
            StateConflict: The log was begun before.
        """
        return self._put(0, State.PENDING, "")

    def advance(
        self, seen: Entry, state: State, message: str = "", code: int | None = None
    ) -> Entry:
        """Move the run on from the entry that the caller has seen.

        Args:
            seen: The newest entry that the caller knows.
            state: The state to move to.
            message: Why, when that is worth saying.
            code: Exit code of the command, of a state that ends a run.

        Raises:
            StateConflict: The log has a newer entry, or the state may not follow.
        """
        if state not in TRANSITIONS[seen.state]:
            raise StateConflict(f"a run that is {seen.state} cannot become {state}")
        return self._put(seen.number + 1, state, message, code)

    def _numbers(self) -> list[int]:
        names = (entry.name.rpartition("/")[2] for entry in self.place.entries(self.folder))
        matches = map(_NUMBERED.fullmatch, names)
        return sorted(int(match[1]) for match in matches if match)

    def _read(self, numbers: Sequence[int]) -> list[Entry]:
        texts = each(self.place, self.place.read, list(map(self._name, numbers)))
        return [Entry.from_dict(json.loads(text)) for text in texts if text is not None]

    def _name(self, number: int) -> str:
        return f"{self.folder}/{number}.json"

    def _put(self, number: int, state: State, message: str, code: int | None = None) -> Entry:
        entry = Entry(number, state, datetime.now(UTC), ProcessName.here(), message, code)
        name, content = self._name(number), json.dumps(entry.to_dict()).encode()
        # A store may lose the answer and refuse our own second request: so it is read back.
        if not self.place.put_if_absent(name, content) and self.place.read(name) != content:
            raise StateConflict(
                "another process has moved this run on",
                where=self.place.told(name),
                hint="`millrace status` shows who works on it",
            )
        return entry
