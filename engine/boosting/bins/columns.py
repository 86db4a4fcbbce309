"""How each feature is stored, learnt from LightGBM, and the stored bytes of values.

One row per bin is pushed and the bytes are read back, so that nothing about how values map to
bytes is assumed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.buckets import Buckets
from engine.boosting.bins.layout import Unsupported, block, filled, groups, sections

Array = npt.NDArray[Any]

BUCKETS = 16 * 2**20
"""Entries of the bucket tables of all features, 2 bytes each.

LightGBM's bounds around zero are +-1e-35, so that the narrowest buckets are 60,000 for values from
0 to 1: 10,000 features would take 1.2 GB. Their buckets are wider.
"""


@dataclass(frozen=True)
class Column:
    """How one feature is stored.

    Attributes:
        feature: Its position in a row.
        group: Its section among the groups.
        prefix: Bytes of that section before the data.
        packed: Whether two rows share a byte.
        bounds: Upper bounds (float32) of a number, or None of a category.
        buckets: What finds the bin of a number quickly; None where looking up is as good.
        limit: Codes of a category from here on are unknown.
        table: The stored byte of each bin; missing is the last, negative codes the one before.
    """

    feature: int
    group: int
    prefix: int
    packed: bool
    bounds: Array | None
    buckets: Buckets | None
    limit: int
    table: Array

    def bytes_of(self, v: Array) -> Array:
        """Return the stored byte of each value, uint8."""
        b = self._code(v) if self.bounds is None else self._bin(v)
        missing = np.isnan(v)
        if missing.any():
            b[missing] = len(self.table) - 1
        return self.table.take(b)

    def _code(self, v: Array) -> Array:
        negative = ~((v > -1) & (v < 2.0**31))  # LightGBM's cast to int gives a negative number
        b = np.minimum(np.where(negative, 0, v), self.limit).astype(np.int64)
        b[negative] = self.limit + 1
        return b

    def _bin(self, v: Array) -> Array:
        assert self.bounds is not None
        if self.buckets is None:
            return np.searchsorted(self.bounds[:-1], v)
        return self.buckets.find(v, self.bounds)


def learn(reference: Any, width: int, folder: Path) -> list[Column]:
    """Return how LightGBM stores each used feature.

    Raises:
        Unsupported: Bundles, sparse bins, or more than 256 bins.
    """
    file = folder / "learn.bin"
    sizes = []
    for rows in (16, 64):
        filled(reference, rows, np.zeros((1, width)), file)
        sizes.append([size for _, size in sections(file)[2:]])
    content, found = file.read_bytes(), sections(file)
    columns, samples = [], []
    found_groups = groups(content[found[0][0] :][: found[0][1]])
    buckets = max(2, BUCKETS // max(1, len(found_groups)))  # 2: keys of either sign never share one
    for feature, group in found_groups.items():
        at, size = found[2 + group]
        grown = sizes[1][group] - sizes[0][group]
        if grown not in (48, 24):
            raise Unsupported(f"feature {feature} is not stored densely in a byte")
        prefix = size - block(64, grown == 24)
        column, sample = _column(
            feature, group, prefix, grown == 24, content[at : at + prefix], buckets
        )
        columns.append(column)
        samples.append(sample)
    rows = max(map(len, samples))
    x = np.zeros((rows, width), np.float32)
    for column, sample in zip(columns, samples, strict=True):
        x[: len(sample), column.feature] = sample
    filled(reference, rows, x, file)
    stored = stored_bytes(columns, file, rows)
    for index, (column, sample) in enumerate(zip(columns, samples, strict=True)):
        column.table[:] = stored[index][: len(sample)]
    return columns


def _column(
    feature: int, group: int, prefix: int, packed: bool, content: bytes, buckets: int
) -> tuple[Column, Array]:
    numbers = struct.unpack_from("<iiiiiiiiii", content, 0)
    bins, missing, kind = (struct.unpack_from("<i", content, at)[0] for at in (32, 40, 64))
    if any(numbers[0:6:2]) or numbers[6] != 1 or missing not in (0, 1, 2) or kind not in (0, 1):
        raise Unsupported("another group")
    if kind == 1:
        limit = int(np.frombuffer(content, np.int32, bins, 104).max()) + 1
        sample = np.array([*range(limit + 1), -1, np.nan], np.float32)
        table = np.zeros(len(sample), np.uint8)
        return Column(feature, group, prefix, packed, None, None, limit, table), sample
    upper = np.frombuffer(content, np.float64, bins - (missing == 2), 104)[:-1]
    with np.errstate(over="ignore"):
        near = upper.astype(np.float32)
    down = np.where(near > upper, np.nextafter(near, np.float32(-np.inf)), near) + np.float32(0)
    bounds = np.append(down, np.float32(np.inf)).astype(np.float32)
    sample = np.append(bounds, np.float32(np.nan))
    table = np.zeros(len(sample), np.uint8)
    found = Buckets.of(down, buckets)
    return Column(feature, group, prefix, packed, bounds, found, 0, table), sample


def stored_bytes(columns: list[Column], file: Path, rows: int) -> list[Array]:
    """Return what a file holds for each column, uint8, shape (rows,)."""
    content, found = np.fromfile(file, np.uint8), sections(file)
    stored = []
    for column in columns:
        at = found[2 + column.group][0] + column.prefix
        stored_block = content[at : at + block(rows, column.packed)]
        if column.packed:
            stored_block = np.stack([stored_block & 15, stored_block >> 4], axis=1).reshape(-1)
        stored.append(stored_block[:rows])
    return stored
