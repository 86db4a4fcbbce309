"""The environment of child processes."""

from __future__ import annotations

import os
import sys


def child_environment(threads: int) -> dict[str, str]:
    """Return the variables of a child: the parent's import path, and as many threads as it may use.

    Args:
        threads: For OpenMP (LightGBM), Polars and BLAS.
    """
    names = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path}
