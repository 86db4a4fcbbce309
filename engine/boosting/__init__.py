"""LightGBM on data larger than memory: shards streamed into bins, ranks in child processes.

`fit` runs on the client, one task on each worker starts a rank in a child process, and the ranks
talk to each other (LightGBM's network for histograms, a hub for everything else).
"""

from typing import TYPE_CHECKING, Any

from engine.boosting.events import Fitted, RoundEvent, Timeouts
from engine.boosting.learning import Conduct, Learning
from engine.boosting.source import Rows, RowSource, ShardPart

if TYPE_CHECKING:
    from engine.boosting.gang.training import fit

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


def __getattr__(name: str) -> Any:
    """Import `fit` when it is asked for: a rank imports this package and must not load Dask."""
    if name == "fit":
        from engine.boosting.gang.training import fit

        return fit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
