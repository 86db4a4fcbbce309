"""Put each worker process into a memory cgroup of its own, before it has done anything.

Python imports this module at its start when `measure.run` puts this folder on ``PYTHONPATH``. Only
processes that multiprocessing has spawned (as Dask's nanny does) act; what they start is born into
their cgroup. The kernel does not move memory that was charged before, hence not later than here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def _confine() -> None:
    parent, limit = os.environ.get("BENCH_GROUP"), os.environ.get("BENCH_LIMIT")
    if not parent or not limit or not any("spawn_main" in word for word in sys.orig_argv):
        return
    if Path(parent).name in Path("/proc/self/cgroup").read_text():
        return  # born into a worker's cgroup
    group = Path(parent) / str(os.getpid())
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(limit)
    (group / "cgroup.procs").write_text(str(os.getpid()))


_confine()
