"""When a partition is so late that it is run a second time elsewhere.

MapReduce runs what is left at the end of a job a second time and takes the first to finish (Dean
and Ghemawat, OSDI 2004, 3.6); LATE asks which of them will end last (Zaharia et al., OSDI 2008).
Spark waits until 0.9 of the tasks are done (`spark.speculation.quantile`) and looks for those that
run 3 times the median (`spark.speculation.multiplier`; 0.75 and 1.5 before 4.0). We take Spark's
multiple, and in place of the share that a thread is free and can get no other partition: a second
run then costs nothing that another one could have used.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

MULTIPLE = 3.0
"""Of the median: three times, as in Spark."""

LEAST_SECONDS = 10.0
"""Before that nothing is late: a process that starts again takes a few seconds."""


class Taken(NamedTuple):
    """What a finished partition took: its rows, and seconds in the worker."""

    rows: int
    seconds: float


def late_after(finished: Sequence[Taken], rows: int) -> float | None:
    """Return the seconds after which a partition is late; ``None`` while nothing is finished.

    A partition that has more rows than others may take longer, in proportion.

    Args:
        finished: Those of the same pass.
        rows: Rows of the partition.
    """
    if not finished:
        return None
    usual = median(one.seconds for one in finished)
    by_rows = median(one.seconds / max(one.rows, 1) for one in finished) * rows
    return max(LEAST_SECONDS, MULTIPLE * max(usual, by_rows))
