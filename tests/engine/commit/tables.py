"""Tables as parts: what the tests of the commit stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.commit import Run, Staged
from engine.commit.layout import Layout
from engine.encoding import encoded
from engine.place.local import LocalPlace


def stage(
    run: Run, part: int, table: pa.Table, rejected: pa.Table | None = None, **counts: Any
) -> Staged:
    """Stage tables as Parquet; the rest is what `Run.stage` takes."""
    return run.stage(
        part, [encoded(table)], [] if rejected is None else [encoded(rejected)], **counts
    )


def path_of(run: Run, name: str) -> Path:
    """Return the path of a record or staged file of a run on a disk."""
    place = run.layout.place
    assert isinstance(place, LocalPlace)
    return place.path(name)


def layout_path(layout: Layout, name: str) -> Path:
    """Return the path of a name of an output on a disk."""
    assert isinstance(layout.place, LocalPlace)
    return layout.place.path(name)
