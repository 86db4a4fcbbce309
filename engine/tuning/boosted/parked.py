"""The children of this worker that have run a trial and wait for the next one of their study.

Such a child has its imports done and the rows of all folds loaded.
"""

from __future__ import annotations

import time
from collections import defaultdict

from engine.boosting.gang.child import Child
from engine.tuning.boosted.work import WAIT_SECONDS, TrialWork

PROGRAM = "engine.tuning.boosted.process"

_waiting: defaultdict[str, list[tuple[float, Child]]] = defaultdict(list)
"""Children by study, each with the time since which it waits."""


def taken(work: TrialWork) -> Child:
    """Return a child for a trial: one that waits, or a new one."""
    waiting = _waiting[work.bench.study]
    while waiting:
        since, child = waiting.pop()
        if time.monotonic() - since < WAIT_SECONDS / 2:  # it ends itself when it has waited long
            return child
        child.close()
    return Child(PROGRAM, work.threads)


def park(study: str, child: Child) -> None:
    """Let a child wait that has ended a trial as it should."""
    _waiting[study].append((time.monotonic(), child))


def close(study: str) -> None:
    """End the children of a study that wait."""
    for _, child in _waiting.pop(study, ()):
        child.close()
