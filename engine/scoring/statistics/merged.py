"""The states of all parts become one file, the same bytes whoever writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from engine.commit import PartRecord, Run
from engine.errors import MillraceError
from engine.scoring.statistics.figures import figures
from engine.scoring.statistics.gathering import FEATURES, PREDICTIONS
from engine.scoring.statistics.state import State, joined

AT_ONCE = 64
"""States that are read, and put together, at a time."""

THREADS = 4
"""Columns that are told at the same time: all rows are scored, and the cores are free."""

EXACT = ("rows", "nulls", "nan", "infinite", "min", "max")
"""Figures of all scored rows; all others are those of the sample."""


def merged(run: Run, parts: Sequence[PartRecord], step: int) -> bytes | None:
    """Return the content of ``statistics.json``.

    Args:
        run: The run; its states are staged.
        parts: Records of all parts, in order.
        step: Of how many rows one was drawn.

    Returns:
        The file; ``None`` when rows were scored by an attempt that did not gather statistics.

    Raises:
        MillraceError: A state is damaged.
    """
    if any(part.scored and part.statistics is None for part in parts):
        return None
    gathered = [part for part in parts if part.statistics is not None]
    if not gathered:
        return None
    starts = range(0, len(gathered), AT_ONCE)
    state = joined(joined(_read(run, gathered[at : at + AT_ONCE])) for at in starts)
    told = {
        "format": 1,
        "rows": {
            name: sum(getattr(part, name) for part in parts)
            for name in ("rows_in", "scored", "quarantined", "filtered", "unreadable")
        },
        "sample": {
            "rows": sum(part.statistics.rows for part in gathered if part.statistics),
            "one_of": step,
        },
        "exact": list(EXACT),
        FEATURES: _group(state, FEATURES),
        PREDICTIONS: _group(state, PREDICTIONS),
    }
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (text + "\n").encode()


def _group(state: State, group: str) -> dict[str, Any]:
    """Return the figures of the columns of a group, in their order."""

    def told(name: str) -> dict[str, Any]:
        values = state.sample[name] if name in state.sample.columns else None
        return figures(state.cells[name], values)

    own = [name for name in state.cells if name.startswith(f"{group}.")]
    with ThreadPoolExecutor(THREADS) as pool:  # NumPy sorts without holding the others up
        found = pool.map(told, own)
        return {name.partition(".")[2]: one for name, one in zip(own, found, strict=True)}


def _read(run: Run, parts: Sequence[PartRecord]) -> Iterator[State]:
    """Yield the states of parts, in their order."""
    files = [part.statistics for part in parts if part.statistics is not None]
    for file, content in zip(files, run.contents(files), strict=True):
        try:
            yield State.decode(content)
        except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
            where = run.layout.place.told(run.folder.file(file))
            hint = "delete this one file and run again"
            what = "The statistics of a part are damaged."
            raise MillraceError(what, where=where, hint=hint) from error
