"""How each feature is stored, learnt from LightGBM, and the stored bytes of values.

One row per bin is pushed and the bytes are read back, so that nothing about how values map to
bytes is assumed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.buckets import Buckets
from engine.boosting.bins.layout import (
    BITS,
    Unsupported,
    filled,
    groups,
    sections,
    stored_size,
)

Array = npt.NDArray[Any]

BUCKETS = 16 * 2**20
"""Entries of the bucket tables of all features, 2 bytes each.

LightGBM's bounds around zero are +-1e-35, so that the narrowest buckets are 60,000 for values from
0 to 1: 10,000 features would take 1.2 GB. Their buckets are wider.
"""


ZERO = np.float32(1e-35)
"""LightGBM's ``kZeroThreshold`` (include/LightGBM/meta.h)."""


@dataclass(frozen=True)
class Column:
    """How one feature is stored.

    Attributes:
        feature: Its position in a row.
        group: Its section among the groups.
        prefix: Bytes of that section before the data.
        bits: What a cell takes: 4 (two rows share a byte), 8 or 16.
        bounds: Upper bounds (float32) of a number, or None of a category.
        buckets: What finds the bin of a number quickly; None where looking up is as good.
        limit: Codes of a category from here on are unknown.
        table: The stored number of each bin, uint8 or uint16; missing is the last, negative codes
            the one before.
    """

    feature: int
    group: int
    prefix: int
    bits: int
    bounds: Array | None
    buckets: Buckets | None
    limit: int
    table: Array

    def stored(self, v: Array) -> Array:
        """Return what is stored of each value."""
        b = self._code(v) if self.bounds is None else self._bin(v)
        missing = np.isnan(v)
        if missing.any():
            b[missing] = len(self.table) - 1
        return self.table.take(b)

    @cached_property
    def values(self) -> Array:
        """A value of each bin, float32, by stored number: trees send it the way of all in the bin.

        Thresholds of trees are the upper bounds of bins, and their sets hold codes that have a bin.
        """
        values = np.full(256 if self.bits < 16 else 1 << 16, np.nan, np.float32)
        if self.bounds is None:
            values[self.table[: self.limit]] = np.arange(self.limit, dtype=np.float32)
            return values  # codes from the limit on, negative and missing ones are in no set
        within = self.bounds.copy()
        # LightGBM reads what is as close to zero as the bounds around it as zero.
        within[(within < 0) & (within > -2 * ZERO)] = -2 * ZERO
        within[(within > 0) & (within < 2 * ZERO)] = 0
        values[self.table[: len(within)]] = within
        return values

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
        Unsupported: Bundles, or sparse bins.
    """
    file = folder / "learn.bin"
    sizes = []
    for rows in (16, 64):
        filled(reference, rows, np.zeros((1, width)), file)
        sizes.append([size for _, size in sections(file)[2:]])
    content, found = file.read_bytes(), sections(file)
    columns, samples = [], []
    grouped = groups(content[found[0][0] :][: found[0][1]])
    buckets = max(2, BUCKETS // max(1, len(grouped)))  # 2: keys of either sign never share one
    for feature, group in grouped.items():
        at, size = found[2 + group]
        bits = _bits(feature, sizes[1][group] - sizes[0][group])
        prefix = size - stored_size(64, bits)
        place = (feature, group, prefix, bits)
        column, sample = _column(place, content[at : at + prefix], buckets)
        columns.append(column)
        samples.append(sample)
    rows = max(map(len, samples), default=1)
    x = np.zeros((rows, width), np.float32)
    for column, sample in zip(columns, samples, strict=True):
        x[: len(sample), column.feature] = sample
    filled(reference, rows, x, file)
    for column, sample, numbers in zip(columns, samples, stored(columns, file, rows), strict=True):
        column.table[:] = numbers[: len(sample)]
    return columns


def _bits(feature: int, grown: int) -> int:
    """Return the bits of a cell, from how much 48 rows more have added."""
    for bits in BITS:
        if grown == stored_size(64, bits) - stored_size(16, bits):
            return bits
    raise Unsupported(f"feature {feature} is not stored densely")


def _column(place: tuple[int, int, int, int], content: bytes, buckets: int) -> tuple[Column, Array]:
    """Return a column whose table is empty, and a value of each of its bins."""
    numbers = struct.unpack_from("<iiiiiiiiii", content, 0)
    bins, missing, kind = (struct.unpack_from("<i", content, at)[0] for at in (32, 40, 64))
    if any(numbers[0:6:2]) or numbers[6] != 1 or missing not in (0, 1, 2) or kind not in (0, 1):
        raise Unsupported("another group")
    dtype = np.uint16 if place[-1] == 16 else np.uint8
    if kind == 1:
        limit = int(np.frombuffer(content, np.int32, bins, 104).max()) + 1
        sample = np.array([*range(limit + 1), -1, np.nan], np.float32)
        return Column(*place, None, None, limit, np.zeros(len(sample), dtype)), sample
    upper = np.frombuffer(content, np.float64, bins - (missing == 2), 104)[:-1]
    with np.errstate(over="ignore"):
        near = upper.astype(np.float32)
    down = np.where(near > upper, np.nextafter(near, np.float32(-np.inf)), near) + np.float32(0)
    bounds = np.append(down, np.float32(np.inf)).astype(np.float32)
    sample = np.append(bounds, np.float32(np.nan))
    found = Buckets.of(down, buckets)
    return Column(*place, bounds, found, 0, np.zeros(len(sample), dtype)), sample


def stored(columns: list[Column], file: Path, rows: int) -> list[Array]:
    """Return what a file holds for each column, uint8 or uint16, shape (rows,)."""
    content, found = np.fromfile(file, np.uint8), sections(file)
    result = []
    for column in columns:
        at = found[2 + column.group][0] + column.prefix
        cells = content[at : at + stored_size(rows, column.bits)]
        if column.bits == 4:
            cells = np.stack([cells & 15, cells >> 4], axis=1).reshape(-1)
        result.append(cells.view(column.table.dtype)[:rows])
    return result
