"""An outage is told from bad data, and waited for: with growing pauses, for a stated time.

A store that does not answer, a full disk, a machine without file descriptors: no part is to blame,
so none is set aside for it. What a store's own library repeats (`engine.storage.stores`, about half
a minute) comes before this.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from engine.errors import MillraceError, Outage

PATIENCE_SECONDS = 600.0
"""So long a partition is tried again: a failover, a restart, somebody who frees a disk. Longer ones
are for the next run, which keeps what is finished."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between two tries of a partition; each pause is twice the one before."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BROKEN = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EREMOTEIO}
_CUT_OFF = {
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETRESET,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.EPIPE,
    errno.ETIMEDOUT,
}
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOLCK}
FAILING = FULL | _BROKEN | _CUT_OFF | _SHORT
"""What the operating system says when a disk, a network or the machine itself fails (errno(3))."""

_IN_WORDS = re.compile(r"\(os error (\d+)\)")
"""How Rust's libraries (Polars) put it where they have no exception of the system."""


def outage_of(error: BaseException, where: str) -> Outage | None:
    """Return the outage that an error tells of, or that it was raised from; ``None`` if none.

    Args:
        error: What a call raised.
        where: The place, where the error names none.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Outage):
            return cause
        if (code := _code(cause)) in FAILING:
            return system_outage(code, _place(error, cause) or where)
        cause = cause.__cause__
    return None


def system_outage(code: int, where: str) -> Outage:
    """Return what to raise for an errno of `FAILING`."""
    what = "the disk is full" if code in FULL else "the disk, the network or this machine fails"
    hint = "free some space" if code in FULL else "look at the file system and the machine"
    return Outage(f"{what} ({os.strerror(code)})", where=where, hint=f"{hint}, and run again")


def _code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _IN_WORDS.search(str(error))
    return int(found[1]) if found and not isinstance(error, MillraceError) else None


def _place(error: BaseException, cause: BaseException) -> str | None:
    if isinstance(error, MillraceError) and error.where:
        return error.where
    name = getattr(cause, "filename", None)
    return str(name) if name else None


@dataclass(frozen=True)
class Pause:
    """A partition waits until it is tried again.

    Attributes:
        since: When it met the outage first; seconds of any clock, as all times here.
        seconds: How long this pause is.
        until: When it ends.
    """

    since: float
    seconds: float
    until: float

    @property
    def left(self) -> float:
        """Seconds that the outage is still waited for, at the end of this pause."""
        return max(0.0, self.since + PATIENCE_SECONDS - self.until)


def next_pause(before: Pause | None, now: float) -> Pause | None:
    """Return the pause after a try that met an outage; ``None`` when patience has ended.

    Args:
        before: The pause before that try; ``None``: it was the first.
        now: The time.
    """
    if before is None:
        return Pause(now, FIRST_PAUSE, now + FIRST_PAUSE)
    if now - before.since >= PATIENCE_SECONDS:
        return None
    seconds = min(LONGEST_PAUSE, 2 * before.seconds)
    return Pause(before.since, seconds, now + seconds)


def given_up(outage: Outage, seconds: float) -> Outage:
    """Return the error that ends a run: the outage, and how long it was waited for."""
    return Outage(
        f"{outage.what}: tried again for {seconds:,.0f} s",
        where=outage.where,
        hint="run the job again when that is over: the finished parts are kept",
    )
