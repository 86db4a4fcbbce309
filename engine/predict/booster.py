"""LightGBM's own predictor: the reference, in a process of its own, and the fallback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.predict.reference import HEADER, REFUSED

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_TIMEOUT = 120.0  # seconds, for a few hundred rows
_SCRIPT = str(Path(__file__).with_name("reference.py"))


class ReferenceUnavailable(Exception):
    """The other process gave no answer, for a reason that says nothing about the model."""


def reference_scores(text: str, x: Rows) -> Scores:
    """Ask LightGBM, in a throw-away process, for the raw scores of a few rows.

    Args:
        text: Model text that ``trees.parse`` has accepted.
        x: (n, features) float32.

    Returns:
        (n * outputs,) float64.

    Raises:
        ModelError: LightGBM refuses the model or crashes on it.
        ReferenceUnavailable: The process did not start, was killed, or took too long.
    """
    blob = text.encode()
    message = HEADER.pack(len(blob), *x.shape) + blob + np.ascontiguousarray(x).tobytes()
    found = find_spec("lightgbm")  # and not import it
    if found is None or found.origin is None:
        raise ReferenceUnavailable("LightGBM is not installed")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", _SCRIPT, str(Path(found.origin).with_name("libpath.py"))],
            input=message,
            capture_output=True,
            timeout=_TIMEOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReferenceUnavailable(str(error)) from error
    complaint = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode == REFUSED or -done.returncode in _CRASHES:
        what = complaint if done.returncode == REFUSED else f"crashed ({done.returncode})"
        raise ModelError(
            f"LightGBM cannot use the model: {what}",
            hint="the model text is damaged; take the bundle from its source again",
        )
    if done.returncode != 0 or len(done.stdout) % 8:
        raise ReferenceUnavailable(f"exit status {done.returncode}: {complaint}")
    return np.frombuffer(done.stdout, np.float64)


def load(text: str) -> Any:
    """Return a ``lightgbm.Booster`` in this process; slow to import."""
    import lightgbm

    return lightgbm.Booster(model_str=text)
