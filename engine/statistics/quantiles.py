"""Quantiles of a column by a t-digest of Apache DataSketches.

Why not its KLL sketch: KLL draws random bits that cannot be seeded, so two runs differ. The
t-digest (Dunning 2019, "Computing extremely accurate quantiles using t-digests") has no random
part: the same partitions merged in the same order give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

K = 4000
"""Compression: about 5,000 centroids, 80 KB a column; rank error 0.05 % (0.3 % at 1000)."""


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of the finite values of a numeric column.

    Attributes:
        state: The serialised sketch; empty bytes when there are no values.
    """

    state: bytes = b""

    @classmethod
    def of(cls, values: pl.Series) -> Quantiles:
        """Return the sketch of a numeric or boolean series."""
        from datasketches import tdigest_double

        wide = values.cast(pl.Float64)
        known = wide.filter(wide.is_finite())
        if known.is_empty():
            return cls()
        sketch = tdigest_double(K)
        sketch.update(known.to_numpy(writable=True))
        return cls(sketch.serialize())

    def merge(self, other: Quantiles) -> Quantiles:
        """Return the sketch of both sets of values together."""
        from datasketches import tdigest_double

        if not self.state or not other.state:
            return self if self.state else other
        sketch = tdigest_double.deserialize(self.state)
        sketch.merge(tdigest_double.deserialize(other.state))
        return Quantiles(sketch.serialize())

    def at(self, share: float) -> float:
        """Return the value below which this share (0 to 1) of values lies; NaN without any."""
        from datasketches import tdigest_double

        if not self.state:
            return float("nan")
        return float(tdigest_double.deserialize(self.state).get_quantile(share))
