"""LightGBM's raw scores of a few rows, by its C interface, in a throw-away process.

``python reference.py LIBPATH`` is that process; it needs the standard library alone. ``import
lightgbm`` would bring NumPy, SciPy and more: 0.7 s of CPU and 65 MB (measured) in every worker that
scores, for a comparison that takes a millisecond. LIBPATH is the package's own module that finds
and loads its shared library. Model and rows come on standard input, scores go to standard output.
The process keeps LightGBM's memory-unsafe reader of models away from the worker.

Functions and constants: https://lightgbm.readthedocs.io/en/stable/C-API.html
"""

import ctypes
import importlib.util
import os
import resource
import struct
import sys

HEADER = struct.Struct("<3Q")  # bytes of the model, rows, features
REFUSED = 3  # exit status: LightGBM read the model and said no

_ADDRESS_SPACE = 8 << 30  # bytes: a length field gone wild ends here
_FLOAT32 = 0  # C_API_DTYPE_FLOAT32
_RAW_SCORE = 1  # C_API_PREDICT_RAW_SCORE


class _Refused(Exception):
    """LightGBM said no."""


class _LightGBM:
    """The shared library; its functions return a status, which is looked at here."""

    def __init__(self, libpath: str) -> None:
        spec = importlib.util.spec_from_file_location("libpath", libpath)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._library: ctypes.CDLL = module._LIB
        self._library.LGBM_GetLastError.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments):
            raise _Refused(self._library.LGBM_GetLastError().decode(errors="replace"))


def _scores(lightgbm: _LightGBM, text: bytes, x: bytes, rows: int, features: int) -> bytes:
    """Return raw scores (rows, outputs) as float64, of float32 rows (rows, features)."""
    booster, count, length = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int64()
    lightgbm.call(
        "LGBM_BoosterLoadModelFromString", text, ctypes.byref(count), ctypes.byref(booster)
    )
    lightgbm.call("LGBM_BoosterGetNumClasses", booster, ctypes.byref(count))
    out = (ctypes.c_double * (rows * count.value))()
    lightgbm.call(
        "LGBM_BoosterPredictForMat",
        booster,
        ctypes.c_char_p(x),
        ctypes.c_int(_FLOAT32),
        ctypes.c_int32(rows),
        ctypes.c_int32(features),
        ctypes.c_int(1),  # row after row
        ctypes.c_int(_RAW_SCORE),
        ctypes.c_int(0),  # from the first iteration
        ctypes.c_int(-1),  # to the last
        b"num_threads=1",
        ctypes.byref(length),
        out,
    )
    assert length.value == len(out)
    return bytes(out)


def _answer() -> int:
    """Serve one request and return the exit status."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # LightGBM logs to standard output
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    size, rows, features = HEADER.unpack(sys.stdin.buffer.read(HEADER.size))
    text, x = sys.stdin.buffer.read(size), sys.stdin.buffer.read()
    try:
        found = _scores(_LightGBM(sys.argv[1]), text, x, rows, features)
    except _Refused as error:
        sys.stderr.write(f"{error}".replace("\n", " ") + "\n")
        return REFUSED
    out.write(found)
    out.close()
    return 0


if __name__ == "__main__":
    sys.exit(_answer())
