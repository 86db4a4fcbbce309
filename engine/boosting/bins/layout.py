"""How LightGBM 4.7 lays out its binary dataset file, and how one is made.

The file is sections with their lengths: a header, metadata (labels, weights, groups), then one
section for each group of features, of which the end is the stored bins.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.native import lightgbm

Array = npt.NDArray[Any]

TOKEN = b"______LightGBM_Binary_File_Token______\n"
FIRST = (len(TOKEN) + 7) // 8 * 8


BITS = (4, 8, 16)
"""What a cell takes: up to 16, 256 and 65,536 bins."""


class Unsupported(Exception):
    """The file is not laid out as this module knows it."""


def filled(reference: Any, rows: int, x: Array, file: Path) -> None:
    """Save a dataset of so many rows, of which the last ones are x."""
    lib, call = lightgbm().basic._LIB, lightgbm().basic._safe_call
    x = np.ascontiguousarray(x, np.float32)
    handle = ctypes.c_void_p()
    call(lib.LGBM_DatasetCreateByReference(
        reference._handle, ctypes.c_int64(rows), ctypes.byref(handle)
    ))  # fmt: skip
    try:
        call(lib.LGBM_DatasetPushRows(
            handle, x.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(0), ctypes.c_int32(len(x)),
            ctypes.c_int32(x.shape[1]), ctypes.c_int32(rows - len(x)),
        ))  # fmt: skip
        file.unlink(missing_ok=True)
        call(lib.LGBM_DatasetSaveBinary(handle, str(file).encode()))
    finally:
        call(lib.LGBM_DatasetFree(handle))


def sections(file: Path) -> list[tuple[int, int]]:
    """Return offset and size of header, metadata and groups."""
    found, size = [], os.path.getsize(file)
    with file.open("rb") as stream:
        if stream.read(len(TOKEN)) != TOKEN:
            raise Unsupported("another token")
        at = FIRST
        while at < size:
            stream.seek(at)
            (length,) = struct.unpack("<Q", stream.read(8))
            found.append((at + 8, length))
            at += 8 + length
    if at != size or len(found) < 3:
        raise Unsupported("sections do not add up")
    return found


def groups(header: bytes) -> dict[int, int]:
    """Return the group of each used feature."""
    features, total = struct.unpack_from("<ii", header[8:12] + header[16:20])
    at = 80 + (4 * total + 7) // 8 * 8
    (groups,) = struct.unpack_from("<i", header, at)
    if groups != features:
        raise Unsupported("features share a group")
    real = np.frombuffer(header, np.int32, features, at + 8)
    group = np.frombuffer(header, np.int32, features, at + 8 + (4 * features + 7) // 8 * 8)
    if sorted(group) != list(range(features)) or len(set(real.tolist())) != features:
        raise Unsupported("another header")
    return dict(zip(real.tolist(), group.tolist(), strict=True))


def stored_size(rows: int, bits: int) -> int:
    """Return the bytes that so many rows of a feature of 4, 8 or 16 bits take, filled up to 8."""
    return ((rows * bits + 7) // 8 + 7) // 8 * 8
