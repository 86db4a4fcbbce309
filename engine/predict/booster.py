"""LightGBM's own predictor: the reference, in a process of its own, and the fallback.

``python -m engine.predict.booster`` is that process: model and rows on its standard input, raw
scores on its standard output. It keeps LightGBM's memory-unsafe reader away from the worker, and
it can hide dask, pandas and scikit-learn from ``import lightgbm``, which then takes a tenth of the
time.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

_HEADER = struct.Struct("<3Q")  # bytes of the model, rows, features
_HIDDEN = ("dask", "matplotlib", "pandas", "pyarrow", "sklearn")
_REFUSED = 3  # exit status: LightGBM read the model and said no
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_TIMEOUT = 120.0  # seconds, for an import and a few hundred rows
_ADDRESS_SPACE = 8 << 30  # bytes: a length field gone wild ends here


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
    message = _HEADER.pack(len(blob), *x.shape) + blob + np.ascontiguousarray(x).tobytes()
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "engine.predict.booster"],
            input=message,
            capture_output=True,
            timeout=_TIMEOUT,
            env={**os.environ, **single, "PYTHONPATH": path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReferenceUnavailable(str(error)) from error
    complaint = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode == _REFUSED or -done.returncode in _CRASHES:
        what = complaint if done.returncode == _REFUSED else f"crashed ({done.returncode})"
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


def _answer() -> int:
    """Serve one request and return the exit status."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # LightGBM logs to standard output
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    for name in _HIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]
    size, rows, features = _HEADER.unpack(sys.stdin.buffer.read(_HEADER.size))
    text = sys.stdin.buffer.read(size).decode()
    x = np.frombuffer(sys.stdin.buffer.read(), np.float32).reshape(rows, features)
    import lightgbm

    try:
        raw = load(text).predict(x, raw_score=True, num_threads=1)
    except lightgbm.basic.LightGBMError as error:
        sys.stderr.write(f"{error}".replace("\n", " ") + "\n")
        return _REFUSED
    out.write(np.ascontiguousarray(raw, np.float64).tobytes())
    out.close()
    return 0


if __name__ == "__main__":
    sys.exit(_answer())
