"""LightGBM on data larger than memory: shards streamed into bins, ranks in child processes.

`fit` runs on the client, one task on each worker starts a rank in a child process, and the ranks
talk to each other (LightGBM's network for histograms, a hub for everything else).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.boosting.events import Fitted, RoundEvent, Timeouts
    from engine.boosting.gang.training import fit
    from engine.boosting.learning import Conduct, Learning
    from engine.boosting.source import Rows, RowSource, ShardPart

__all__ = [
    "Conduct",
    "Fitted",
    "Learning",
    "RoundEvent",
    "RowSource",
    "Rows",
    "ShardPart",
    "Timeouts",
    "fit",
]

_LATER = {
    "Conduct": "engine.boosting.learning",
    "Fitted": "engine.boosting.events",
    "Learning": "engine.boosting.learning",
    "RoundEvent": "engine.boosting.events",
    "RowSource": "engine.boosting.source",
    "Rows": "engine.boosting.source",
    "ShardPart": "engine.boosting.source",
    "Timeouts": "engine.boosting.events",
    "fit": "engine.boosting.gang.training",
}


def __getattr__(name: str) -> object:
    """Import on first use: a rank must not load Dask, and who makes bins needs LightGBM alone."""
    if name not in _LATER:
        raise AttributeError(f"module 'engine.boosting' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
