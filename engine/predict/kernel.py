"""The compiled kernel: called without numba, made once for a machine and kept on its disk.

The object file is keyed by the sources of the kernel, the versions of numba and llvmlite, and the
CPU; the file also carries its own digest, because a damaged one would end the process. Compiling
takes some seconds and 300 MB in a process of its own: drivers call `keep` before they start what
predicts, so that workers find the code there.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import ARRAYS, BLOCK, LANES, Array, Columns, Masked, Walked

Floats = npt.NDArray[np.float32]

_HERE = Path(__file__).parent
_SOURCES = ("arrays.py", "walk.py", "compiling.py")
_TIMEOUT = 900.0  # seconds; ten are usual, a crowded machine has taken a hundred
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Grid:
    """float32 cells where they lie, without a copy.

    Attributes:
        first: (features,) uint64, the address of each feature's first value.
        stride: Values from a row of a feature to its next row.
        rows: Number of rows.
    """

    first: npt.NDArray[np.uint64]
    stride: int
    rows: int

    @classmethod
    def of(cls, x: Floats) -> Grid:
        """Return the cells of a matrix (n, features), whatever its memory order.

        Raises:
            ValueError: It holds something else, or its rows run backwards.
        """
        down, across = x.strides
        if x.dtype != np.float32 or not x.flags.aligned or down % 4 or down < 0:
            raise ValueError(f"cannot be read in place: {x.dtype}, strides {x.strides}")
        first = x.ctypes.data + across * np.arange(x.shape[1], dtype=np.int64)
        return cls(first.astype(np.uint64), down // 4, len(x))


def score(
    x: Floats,
    columns: Columns,
    kind: Array,
    number: Array,
    narrow: Masked,
    wide: Masked,
    walked: Walked,
    out: npt.NDArray[np.float64],
) -> None:
    """Add raw scores to ``out``, without the GIL; see `engine.predict.walk`.

    Args:
        x: Rows (n, features) float32, in any memory order.
        columns: These and the next five as `engine.predict.tables.lay_out` makes them.
        kind: See there.
        number: See there.
        narrow: See there.
        wide: See there.
        walked: See there.
        out: (n, outputs) float64, C-contiguous.
    """
    grid = Grid.of(x)
    if out.shape[0] != grid.rows or not out.flags.c_contiguous or out.dtype != np.float64:
        raise ValueError(f"scores of {grid.rows} rows do not fit {out.dtype} of {out.shape}")
    numbers, codes = columns.feature.size + 1, columns.category.size
    space = (
        np.zeros((numbers, BLOCK), np.float32),
        np.zeros((codes, BLOCK), np.int32),
        np.empty(BLOCK, np.uint32),
        np.empty(BLOCK, np.uint64),
        np.empty(LANES, np.uint32),
        np.zeros((out.shape[1], BLOCK)),
    )
    arrays = [grid.first, *columns, kind, number, *narrow, *wide, *walked, out, *space]
    addresses = np.array([array.ctypes.data for array in arrays], np.uint64)
    sizes = [array.size for array in arrays]
    plan = np.array([*sizes, grid.stride, grid.rows, out.shape[1], numbers, codes], np.int64)
    assert len(arrays) == ARRAYS
    load()(addresses.ctypes.data, plan.ctypes.data)


@cache
def key() -> str:
    """Return what the machine code depends on, as a digest."""
    parts = [(_HERE / name).read_bytes() for name in _SOURCES]
    names = [version("numba"), version("llvmlite"), platform.system(), platform.machine(), _cpu()]
    return hashlib.sha256(b"\0".join([*parts, *(name.encode() for name in names)])).hexdigest()


def _cpu() -> str:
    """Return what tells CPUs apart that can do different things."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    telling = ("model", "flags", "Features", "CPU")
    return "\n".join(line for line in first if line.startswith(telling) and "MHz" not in line)


def keep() -> None:
    """Have the kernel compiled where it is not kept yet, without loading it.

    A machine that cannot compile it is told so when it predicts.
    """
    with suppress(RuntimeError):
        _object()


@cache
def load() -> Callable[[int, int], None]:
    """Return the kernel as a function of two addresses; compile it first where it never was.

    Raises:
        RuntimeError: It cannot be compiled.
    """
    from llvmlite import binding  # 40 MB, which who only keeps the code does not need

    from engine.predict.compiling import target

    head, _, code = _object().partition(b"\n")
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target())
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(json.loads(head)["name"])
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 4)(address)
    nothing = ctypes.create_string_buffer(64)  # what it would say of results and errors

    def call(addresses: int, plan: int, _alive: Any = engine) -> None:
        where = ctypes.addressof(nothing)
        if status := function(where, where + 32, addresses, plan):
            raise RuntimeError(f"the kernel returned {status}")

    return call


def _object() -> bytes:
    """Return the kept object file, or compile and keep it."""
    name = f"walk-{key()[:32]}.bin"
    folders = list(_folders())
    for folder in folders:
        if found := _read(folder / name):
            return found
    made = _compiled()
    for folder in folders:
        if _kept(folder / name, made):
            break
    return made


def _folders() -> Iterator[Path]:
    """Yield where machine code may be kept: beside the source, else in a folder of the user's."""
    yield _HERE / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(home) / "millrace"
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    yield Path(tempfile.gettempdir()) / f"millrace-{user}"


def _read(path: Path) -> bytes | None:
    """Return what was kept, if it is whole and nobody else could have written it."""
    try:
        with open(path, "rb") as stream:
            owner = os.fstat(stream.fileno()).st_uid
            data = stream.read()
    except OSError:
        return None
    if hasattr(os, "getuid") and owner not in (0, os.getuid()):
        return None
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    return rest if hashlib.sha256(rest).digest() == digest else None


def _kept(path: Path, made: bytes) -> bool:
    """Keep the object file, whole or not at all; say whether that was possible."""
    scratch = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".walk-")
        with os.fdopen(handle, "wb") as stream:
            stream.write(hashlib.sha256(made).digest() + made)
        os.chmod(scratch, 0o644)  # other users may run what this one has installed
        os.replace(scratch, path)
    except OSError:
        if scratch:
            with suppress(OSError):
                os.unlink(scratch)
        return False
    return True


def _compiled() -> bytes:
    """Have another process compile.

    Raises:
        RuntimeError: It could not; says what it complained of.
    """
    root = str(_HERE.parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "engine.predict.compiling"],
            capture_output=True,
            timeout=_TIMEOUT,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"the kernel was not compiled: {error}") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"the kernel was not compiled: {last}")
    return done.stdout
