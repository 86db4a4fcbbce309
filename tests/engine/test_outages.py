"""An outage is told from bad data by what was raised, and is waited for so long and no longer."""

from __future__ import annotations

import errno
import os

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError, MillraceError, ModelFailed, Outage
from engine.outages import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENCE_SECONDS,
    given_up,
    next_pause,
    outage_of,
)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    return error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/out/x")

OUTAGES = [
    FULL,
    OSError(errno.EIO, "Input/output error"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    OSError(errno.EMFILE, "too many"),
    # Polars puts the system's number into a text.
    RuntimeError("No space left on device (os error 28)"),
    raised(InputError("cannot parse", where="/in/a"), OSError(errno.ESTALE, "stale")),
    raised(RuntimeError("wrapped"), raised(ValueError("twice"), FULL)),
    Outage("the store does not answer", where="s3://b/k"),
]
OTHERS = [
    OSError("the disk blinked"),  # no number: pyarrow says so of damaged pages
    FileNotFoundError(errno.ENOENT, "gone"),
    PermissionError(errno.EACCES, "no"),
    InputError("the file says (os error 28)"),
    ModelFailed("crashed"),
    ValueError("no"),
    MillraceError("plain"),
]


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_what_the_system_or_a_store_says_is_an_outage(error: BaseException) -> None:
    outage = outage_of(error, "part 3")
    assert outage is not None and outage.exit_code == 75 and outage.where
    named = getattr(error, "where", None) or getattr(error, "filename", None)
    assert named is None or outage.where == named


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_what_lies_in_the_data_is_none(error: BaseException) -> None:
    assert outage_of(error, "part 3") is None


def test_pyarrow_says_which_error_of_the_system_it_met() -> None:
    with pytest.raises(OSError) as caught, pa.OSFile("/dev/full", "wb") as sink:
        sink.write(b"x" * 2**20)
    assert outage_of(caught.value, "part 3") is not None


@given(st.floats(0, 1e6), st.lists(st.floats(0, 100), min_size=200, max_size=200))
def test_pauses_grow_and_end(start: float, tries: list[float]) -> None:
    now, pause, before = start, next_pause(None, start), 0.0
    assert pause is not None and pause.seconds == FIRST_PAUSE
    for took in tries:
        assert before <= pause.seconds <= LONGEST_PAUSE and pause.until >= now
        before, now = pause.seconds, pause.until + took
        after = next_pause(pause, now)
        if after is None:
            assert now - start >= PATIENCE_SECONDS * (1 - 1e-9)
            return
        assert now - start <= PATIENCE_SECONDS * (1 + 1e-9) and after.since == start
        pause = after
    raise AssertionError("it never ends")


def test_the_end_says_how_long_it_was_waited() -> None:
    error = given_up(Outage("the store is away", where="s3://b", hint="look"), 612.3)
    assert "tried again for 612 s" in error.what and error.where == "s3://b"
    assert "kept" in str(error.hint)
