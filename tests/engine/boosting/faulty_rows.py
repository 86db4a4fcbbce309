"""Rows whose reading goes wrong once: what a restart must get over.

A module beside the tests, because ranks must be able to import what their source is made of.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from boosting_rows import Drawn

from engine.boosting import Rows


class Once(Drawn):
    """The fault happens the first time that its partition is read."""

    def _go_wrong(self, rows: Rows) -> Rows:
        assert self.folder is not None
        if (self.folder / "pid").exists():
            return rows
        return super()._go_wrong(rows)


class Late(Drawn):
    """The first rank, number `at`, that asks for the rows never gets them, nor joins the others."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _late, (vars(self),)


def _late(fields: dict[str, Any]) -> Late:
    folder: Path = fields["folder"]
    if _rank() != fields["at"]:
        return Late(**fields)
    try:
        (folder / "late").open("x").close()
    except FileExistsError:
        return Late(**fields)
    time.sleep(3600)
    raise AssertionError("somebody should have ended this process")


def _rank() -> int:
    """Return the rank whose process unpickles us; only its own frame knows."""
    frame = sys._getframe()
    while "work" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    return int(frame.f_locals["work"].rank)
