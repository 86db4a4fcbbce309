"""What the operating system's refusals mean to who writes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import MillraceError, Outage, OutputRefused
from engine.outages import FAILING, FULL

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def refusals(location: Path) -> Iterator[None]:
    """Say what the operating system's refusals inside mean for this output.

    Args:
        location: The output, for the message.

    Raises:
        OutputRefused: The location is read-only, forbidden, or not fit.
        Outage: The disk is full or failed.
        MillraceError: Something else.
    """
    try:
        yield
    except OSError as error:
        raise _explained(error, location) from error


def _explained(error: OSError, location: Path) -> MillraceError:
    where = str(error.filename or location)
    reason = error.strerror or str(error)
    if error.errno in FULL:
        hint = "free some space and run again: the finished parts are kept"
        return Outage(f"The disk of the output is full ({reason}).", where=where, hint=hint)
    if error.errno in _FORBIDDEN:
        hint = f"make the folder of {location} writable, or choose another output"
        return OutputRefused(f"The output cannot be written ({reason}).", where=where, hint=hint)
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EBUSY, errno.EXDEV, errno.ENAMETOOLONG):
        hint = "choose another output: a folder that is new, inside one that exists"
        return OutputRefused(f"The output cannot be a folder ({reason}).", where=where, hint=hint)
    hint = "run again: the finished parts are kept, and nothing half done can be seen"
    kind = Outage if error.errno in FAILING else MillraceError
    return kind(f"The output could not be written ({reason}).", where=where, hint=hint)
