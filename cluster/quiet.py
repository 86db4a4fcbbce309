"""A Dask preload for the workers: Ctrl-C and error messages are the driver's affair.

A terminal sends Ctrl-C to the whole process group. Workers that died of it by themselves would each
print a traceback, and the nanny would start them anew while the driver is closing. And a task that
raises is told to the driver, which says it once and in words; Dask's worker would log its traceback
at each try.
"""

from __future__ import annotations

import logging
import signal


def dask_setup(worker: object) -> None:
    """Make this worker, and the processes that it starts, ignore SIGINT; quieten its log.

    Args:
        worker: The Dask worker; the name and signature are what Dask looks for in a preload.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
