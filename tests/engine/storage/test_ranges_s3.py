"""Row ranges of a row group in an S3 server: equal to the rows, and only their pages fetched."""

import io

import numpy as np
import polars as pl
import pytest
from storage_servers import Bucket

from engine.errors import InputChanged
from engine.formats.columnar import parquet
from engine.formats.columnar.parquet import Parquet
from engine.plan import Slice
from engine.storage import objects


def test_row_ranges_are_fetched_by_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 100_000))
    frame = pl.DataFrame({"a": noise[0], "b": noise[1]})
    stored = io.BytesIO()
    frame.write_parquet(stored, row_group_size=100_000, data_page_size=40_000)
    bucket.put("x.parquet", stored.getvalue())
    file = Parquet().list(f"{bucket.url}/x.parquet", bucket.access)[0]
    Parquet().inspect(file)
    monkeypatch.setattr(parquet, "_WORTH", 0)
    fetched, read = [], objects.read

    def counted(url: str, start: int, stop: int, *rest: object) -> bytes:
        fetched.append(stop - start)
        return read(url, start, stop, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(objects, "read", counted)
    for start in (0, 12_345, 24_690, 37_035):
        found = Parquet().read(file, Slice(0, start, 12_345, start), ["b", "a"])
        assert found.equals(frame.slice(start, 12_345).select("b", "a"))
    assert sum(fetched) < 0.75 * file.size
    bucket.put("x.parquet", stored.getvalue()[::-1])
    with pytest.raises(InputChanged):
        Parquet().read(file, Slice(0, 80_000, 10_000, 80_000), ["b"])
