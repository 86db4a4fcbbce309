"""A data set as a Dask DataFrame: rows, types, divisions, lengths; no more is read than asked."""

import pickle
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.contract import Contract, Rule
from engine.data import frames
from engine.data.dataset import Dataset
from engine.data.source import Source
from engine.errors import InputChanged, SpecError
from engine.reserved import ROW

dd = pytest.importorskip("dask.dataframe")

WHEN = datetime(2025, 1, 1)
SMALL = 400
"""Bytes of a partition in these tests: several partitions from a few rows."""


def table(rows: int = 40) -> pl.DataFrame:
    """Return a column of each kind, with missing values in each but the first two."""
    seldom = [None if i % 7 == 3 else i for i in range(rows)]
    return pl.DataFrame(
        {
            "id": pl.Series(range(rows), dtype=pl.Int32),
            "x": [i / 2 for i in range(rows)],
            "n": pl.Series(seldom, dtype=pl.UInt8),
            "s": [None if i is None else f"t{i}" for i in seldom],
            "b": [None if i is None else i % 2 == 0 for i in seldom],
            "d": [None if i is None else date(2025, 1, 1) + timedelta(i) for i in seldom],
            "t": pl.Series(
                [None if i is None else WHEN + timedelta(hours=i) for i in seldom],
                dtype=pl.Datetime("us", "Europe/Paris"),
            ),
            "p": pl.Series(
                [None if i is None else Decimal(i) / 4 for i in seldom], dtype=pl.Decimal(12, 2)
            ),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of 20 rows in row groups of 5."""
    for i, part in enumerate(table().iter_slices(20)):
        part.write_parquet(tmp_path / f"{i}.parquet", row_group_size=5)
    return tmp_path


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes."""
    with connect(LocalCluster(workers=2, memory="500 MiB")) as opened:
        yield opened


def framed(dataset: Dataset, columns: list[str] | None = None) -> "dd.DataFrame":
    """Return the frame of a data set in partitions of some rows."""
    wanted = columns or list(dataset.schema)
    return frames.to_dask(dataset.source, dataset.partitions(wanted, SMALL), wanted)


def back(frame: pd.DataFrame) -> pl.DataFrame:
    """Return pandas rows as Polars, without the index."""
    return pl.from_pandas(frame.reset_index(drop=True))


def test_rows_and_types_are_those_of_the_data_set(folder: Path) -> None:
    frame = framed(Dataset.open(str(folder)))
    assert frame.npartitions > 4
    rows = frame.compute(scheduler="threads")
    assert back(rows).equals(table())
    assert rows.index.equals(pd.RangeIndex(40).rename(ROW))
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["s"] == "string"
    assert kinds["t"] == "timestamp[us, tz=Europe/Paris][pyarrow]"
    assert kinds["p"] == "decimal128(12, 2)[pyarrow]"
    assert kinds["n"] == "uint8[pyarrow]"


def test_the_meta_is_exactly_what_partitions_give(folder: Path) -> None:
    frame = framed(Dataset.open(str(folder)))
    for part in range(frame.npartitions):
        real = frame.partitions[part].compute(scheduler="synchronous")
        pd.testing.assert_series_equal(real.dtypes, frame.dtypes)
        assert (real.index.dtype, real.index.name) == (frame.index.dtype, frame.index.name)


def test_divisions_are_the_first_rows_and_the_last_one(folder: Path) -> None:
    frame = framed(Dataset.open(str(folder)))
    starts = [
        frame.partitions[i].compute(scheduler="synchronous").index[0]
        for i in range(frame.npartitions)
    ]
    assert frame.divisions == (*starts, 39)
    assert frame.loc[7:9, "id"].compute(scheduler="synchronous").tolist() == [7, 8, 9]


def test_filter_and_contract_keep_the_index_sorted_and_within_divisions(folder: Path) -> None:
    dataset = Dataset.open(str(folder), where="id % 3 = 0", contract=Contract({"x": Rule(max=15)}))
    frame = framed(dataset, ["id"])
    rows = frame.compute(scheduler="synchronous")
    assert rows.index.tolist() == rows["id"].tolist() == [i for i in range(31) if i % 3 == 0]
    for i, (low, high) in enumerate(zip(frame.divisions, frame.divisions[1:], strict=False)):
        part = frame.partitions[i].compute(scheduler="synchronous")
        assert all(low <= row < high or row == 39 for row in part.index)


def test_lengths_are_known_or_refused(folder: Path) -> None:
    plain = Dataset.open(str(folder))
    parts = plain.partitions(["id", "x"], SMALL)
    known = frames.lengths(plain.source, parts)
    frame = frames.to_dask(plain.source, parts, ["id", "x"])
    assert known == tuple(map(len, map(frame.get_partition, range(frame.npartitions))))
    array = frame.astype("float64").to_dask_array(lengths=known)
    assert array.shape == (40, 2) and array.dtype == np.float64
    assert array.sum(axis=0).compute(scheduler="synchronous").tolist() == [780.0, 390.0]
    for dropping in (
        Dataset.open(str(folder), where="id > 3"),
        Dataset.open(str(folder), contract=Contract({"id": Rule(max=3)})),
        Dataset.open(str(folder), contract=Contract({"x": Rule(type="float32")})),
    ):
        with pytest.raises(SpecError, match="may drop rows"):
            frames.lengths(dropping.source, parts)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the columns that each read asks for."""
    calls: list[list[str]] = []
    read = Source.read

    def recorded(self: Source, partition: object, columns: list[str]) -> object:
        calls.append(list(columns))
        return read(self, partition, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(Source, "read", recorded)
    return calls


@pytest.mark.parametrize(
    ("use", "columns"),
    [
        (lambda f: f["x"].sum(), ["x"]),
        (lambda f: f[["s", "id"]], ["id", "s"]),
        (lambda f: f[f.id > 3]["x"].max(), ["id", "x"]),
        (lambda f: f.assign(y=f.x * 2)[["y"]], ["x"]),
        (lambda f: f[[]], []),
    ],
)
def test_only_the_columns_in_use_are_read(
    folder: Path, asked: list[list[str]], use: object, columns: list[str]
) -> None:
    frame = framed(Dataset.open(str(folder)))
    use(frame).compute(scheduler="synchronous")  # type: ignore[operator]
    assert asked == [columns] * frame.npartitions


def test_the_name_of_the_graph_tells_equal_from_changed(folder: Path) -> None:
    one, two = framed(Dataset.open(str(folder))), framed(Dataset.open(str(folder)))
    other = framed(Dataset.open(str(folder), where="id > 3"))
    table(20).write_parquet(folder / "1.parquet")
    names = {f._name for f in (one, two, other, framed(Dataset.open(str(folder))))}
    assert one._name == two._name and len(names) == 3


def test_a_data_set_without_rows_is_a_frame_without_rows(tmp_path: Path) -> None:
    table(0).write_parquet(tmp_path / "0.parquet")
    frame = framed(Dataset.open(str(tmp_path)))
    assert len(frame) == 0
    assert frame.dtypes["p"] == framed_dtype(tmp_path.parent, "p")


def framed_dtype(folder: Path, column: str) -> object:
    """Return the pandas type of a column of data that have rows."""
    (folder / "some").mkdir()
    table(3).write_parquet(folder / "some" / "0.parquet")
    return framed(Dataset.open(str(folder / "some"))).dtypes[column]


def test_worker_processes_compute_it(folder: Path, session: Session) -> None:
    frame = framed(Dataset.open(str(folder)))
    assert back(frame.compute(scheduler=session.client)).equals(table())
    assert frame["x"].sum().compute(scheduler=session.client) == 390.0
    groups = frame.groupby("b", dropna=True)["x"].mean().compute(scheduler=session.client)
    truth = table().drop_nulls("b").group_by("b").agg(pl.col("x").mean())
    assert dict(groups.items()) == dict(truth.iter_rows())
    described = frame[["id", "x"]].describe().compute(scheduler=session.client)
    assert described.loc["mean", "x"] == 9.75
    joined = frame[["id"]].join(frame[["x"]]).compute(scheduler=session.client)
    assert joined["x"].tolist() == [i / 2 for i in joined["id"]]


def test_a_task_carries_its_own_files_only(folder: Path) -> None:
    tasks = framed(Dataset.open(str(folder))).optimize().dask
    graphs = {key[1]: pickle.dumps(task) for key, task in tasks.items()}
    assert b"0.parquet" in graphs[0] and b"1.parquet" not in graphs[0]
    last = graphs[max(graphs)]
    assert b"1.parquet" in last and b"0.parquet" not in last


def test_a_changed_file_is_told_from_the_task(folder: Path, session: Session) -> None:
    frame = framed(Dataset.open(str(folder)))
    table(7).write_parquet(folder / "1.parquet")
    with pytest.raises(InputChanged, match="changed"):
        frame.compute(scheduler=session.client)


def test_dask_ml_and_scikit_learn_learn_from_it(folder: Path) -> None:
    preprocessing = pytest.importorskip("dask_ml.preprocessing")
    linear_model = pytest.importorskip("sklearn.linear_model")
    wrappers = pytest.importorskip("dask_ml.wrappers")
    dataset = Dataset.open(str(folder))
    numbers = framed(dataset, ["id", "x"]).astype("float64")
    scaled = preprocessing.StandardScaler().fit_transform(numbers)
    rows = scaled.compute(scheduler="synchronous")
    assert np.allclose(rows.mean(), 0) and np.allclose(rows.std(ddof=0), 1)
    parts = frames.lengths(dataset.source, dataset.partitions(["id", "x"], SMALL))
    array = numbers.to_dask_array(lengths=parts)
    model = wrappers.Incremental(linear_model.SGDRegressor(random_state=0, alpha=0, eta0=1e-4))
    for _ in range(30):
        model.partial_fit(array[:, :1], array[:, 1])
    assert model.predict(array[:, :1]).compute(scheduler="synchronous")[-1] == pytest.approx(
        19.5, rel=0.1
    )
