"""Rows of any task reach a rank with their labels, weights, starts and queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from distributed import Client

from engine.boosting import Rows
from engine.data.dataset import Dataset
from engine.errors import ContractRefused
from engine.features.pipeline import Pipeline
from engine.place.kept import Kept
from engine.rejected.bad_rows import BadRows
from engine.split import TRAIN, VALID, Split
from engine.training.fitting import Prepared, prepare
from engine.training.preparing import MatrixSource, TrainingData
from engine.vectors import VectorColumns

ROWS = 3_000
FEATURES = (pl.col("x").cast(pl.Float32), pl.col("z").cast(pl.Float32))
BY_QUERY = Split("hash", valid=0.2, test=0.2, columns=("session",))


def table(rows: int = ROWS) -> pl.DataFrame:
    draw = np.random.default_rng(7)
    x = draw.normal(size=rows)
    session = np.sort(draw.integers(0, rows // 9, rows))
    return pl.DataFrame(
        {
            "x": x,
            "z": draw.normal(size=rows),
            "kind": np.array(["ash", "elm", "oak"])[np.digitize(x, [-0.5, 0.5])],
            "visits": draw.poisson(np.exp(x / 2)).astype(float),
            "days": draw.uniform(0.5, 3.0, rows),
            "session": [f"s{one:05d}" for one in session],
            "clicks": np.digitize(x, [-1, 0, 1]).astype(np.int8),
        }
    ).with_columns(pl.when(pl.int_range(rows) % 50 == 0).then(None).otherwise("kind").alias("kind"))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as one:
        yield one


def opened(folder: Path, frame: pl.DataFrame | None = None) -> Dataset:
    frame = table() if frame is None else frame
    for part in range(2):
        piece = frame[part * frame.height // 2 : (part + 1) * frame.height // 2]
        piece.write_parquet(folder / f"{part}.parquet", row_group_size=250)
    return Dataset.open(str(folder / "*.parquet"))


def prepared(
    client: Client, dataset: Dataset, data: TrainingData, target_bytes: int = 20_000
) -> tuple[Prepared, list[Rows], list[Rows]]:
    """Survey, then read training and validation rows as a rank does."""
    pipeline = Pipeline(columns=("x", "z"))
    resolved = pipeline.resolve(dataset.schema, forbidden=data.target_columns)
    data = replace(data, inputs=resolved.inputs)
    partitions = dataset.partitions(data.columns, target_bytes)
    assert len(partitions) > 2
    bad = BadRows(Kept.of(Path("unused")), True, None)
    done = prepare(
        client,
        data,
        pipeline,
        resolved,
        partitions,
        threads=2,
        sample_rows=500,
        seed=1,
        bad=bad,
        progress=lambda _: None,
    )
    source = MatrixSource(done.data, done.pipeline, done.learned)
    train, valid = [], []
    for entry in done.shard_parts(partitions):
        train.append(source.read(entry.partition, "train"))
        valid.append(source.read(entry.partition, "valid"))
        assert (len(train[-1].y), len(valid[-1].y)) == (entry.train, entry.valid)
    return done, train, valid


def together(rows: list[Rows], name: str) -> np.ndarray:
    return np.concatenate([getattr(one, name) for one in rows])


def test_a_multiclass_job(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    split = Split("stratified", valid=0.25, columns=("__target",))
    data = TrainingData(dataset.source, "kind", split, (), task="multiclass")
    done, train, valid = prepared(client, dataset, data)
    assert done.data.classes == ("ash", "elm", "oak")
    assert done.survey.counts["unlabelled"] == ROWS // 50
    known = table().drop_nulls("kind")["kind"].value_counts().sort("kind")["count"].to_list()
    counts = done.survey.labels["train"].counted
    held = done.survey.labels["valid"].counted
    assert [a + b for a, b in zip(counts, held, strict=True)] == known
    assert np.bincount(together(train, "y").astype(int)).tolist() == list(counts)
    assert together(train, "y").dtype == np.float32
    kinds = {(x, z): kind for x, z, kind in table().select(*FEATURES, "kind").rows()}
    for rows in (*train, *valid):
        named = [done.data.classes[int(code)] for code in rows.y]
        assert [kinds[x, z] for x, z in rows.x.tolist()] == named
    assert {rows.weight is None for rows in train} == {True}


def test_class_weights_are_for_training_rows(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(
        dataset.source,
        "kind",
        Split("random", valid=0.25),
        (),
        task="multiclass",
        vectors=VectorColumns(weight="days"),
    )
    done, train, valid = prepared(client, dataset, data)
    source = MatrixSource(done.data, done.pipeline, class_weights=done.balanced)
    assert source.vectors == {"weight"}
    for part, plain in (("train", train), ("valid", valid)):
        rows = source.read(dataset.partitions(done.data.columns, 20_000)[0], part)
        own = plain[0].weight
        assert own is not None and rows.weight is not None and rows.weight.dtype == np.float32
        times = np.array(done.balanced)[rows.y.astype(int)] if part == "train" else 1.0
        np.testing.assert_allclose(rows.weight, own * times, rtol=1e-6)
    alone = MatrixSource(
        replace(done.data, vectors=VectorColumns()), done.pipeline, class_weights=done.balanced
    )
    held = alone.read(dataset.partitions(done.data.columns, 20_000)[0], "valid")
    assert held.weight is not None and set(held.weight.tolist()) == {1.0}


@pytest.mark.parametrize("target_bytes", [6_000, 20_000, 40_000])
def test_a_ranking_job(tmp_path: Path, client: Client, target_bytes: int) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(
        dataset.source,
        "clicks",
        BY_QUERY,
        (),
        task="ranking",
        vectors=VectorColumns(query="session"),
    )
    done, train, valid = prepared(client, dataset, data, target_bytes)
    partitions = dataset.partitions(done.data.columns, target_bytes)
    for part, found in (("train", train), ("valid", valid)):
        query = together(found, "query")
        assert query.dtype == np.uint64
        runs = np.flatnonzero(np.r_[True, query[1:] != query[:-1]])
        assert len(runs) == len(set(query.tolist()))
        before: int | None = None
        for entry, rows in zip(done.shard_parts(partitions), found, strict=True):
            head = entry.train_head if part == "train" else entry.valid_head
            assert rows.query is not None
            assert head == (rows.query == before).sum() if before is not None else not head
            before = int(rows.query[-1]) if len(rows.query) else before
    own = table().select("session").with_columns(part=done_parts(done, dataset))
    assert len(set(together(train, "query").tolist())) == (
        own.filter(pl.col("part") == TRAIN)["session"].n_unique()
    )
    assert own.filter(pl.col("part") == VALID).height == len(together(valid, "y"))


def done_parts(done: Prepared, dataset: Dataset) -> pl.Series:
    frame = table()
    return pl.Series(done.data.split.assign(frame, pl.Series(range(frame.height))))


def test_a_poisson_job_with_weights_and_an_exposure(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(
        dataset.source,
        "visits",
        Split("random", valid=0.2),
        (),
        derive={"logdays": "ln(days)"},
        task="regression",
        objective="poisson",
        vectors=VectorColumns(weight="days * 2", init_score=("logdays",)),
    )
    _, train, valid = prepared(client, dataset, data)
    days = {(x, z): own for x, z, own in table().select(*FEATURES, "days").rows()}
    for rows in (*train, *valid):
        own = np.array([days[x, z] for x, z in rows.x.tolist()])
        assert rows.weight is not None and rows.init is not None
        np.testing.assert_allclose(rows.weight, 2 * own, rtol=1e-6)
        np.testing.assert_allclose(rows.init, np.log(own), rtol=1e-12)
        assert rows.init.dtype == np.float64


def test_training_goes_on_from_the_raw_scores_of_a_model(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(dataset.source, "kind", Split("random"), (), task="multiclass")
    done, train, _ = prepared(client, dataset, data)
    x, y = together(train, "x"), together(train, "y")
    params = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    base = lgb.train(params, lgb.Dataset(x, y), 3)
    source = MatrixSource(done.data, done.pipeline, base=base.model_to_string())
    assert source.vectors == {"init"}
    rows = source.read(dataset.partitions(done.data.columns, 20_000)[0], "train")
    np.testing.assert_array_equal(rows.init, base.predict(rows.x, raw_score=True))


def test_a_pipeline_that_was_fitted_before_stays_as_it_is(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(dataset.source, "visits", Split("random"), (), task="regression")
    done, *_ = prepared(client, dataset, data)
    again = prepare(
        client,
        done.data,
        done.pipeline,
        Pipeline(columns=("x", "z")).resolve(dataset.schema),
        dataset.partitions(done.data.columns, 20_000),
        threads=2,
        sample_rows=500,
        seed=1,
        bad=BadRows(Kept.of(Path("unused")), True, None),
        progress=lambda _: None,
    )
    assert again.pipeline is done.pipeline and done.learned and not again.learned
    assert again.counts == done.counts and again.sample.equals(done.sample)


@pytest.mark.parametrize(
    ("change", "fields", "what"),
    [
        ({"days": -1.0}, {"vectors": VectorColumns(weight="days")}, "1 of .* weights"),
        ({"days": None}, {"vectors": VectorColumns(weight="days")}, "1 of .* weights"),
        ({"days": float("inf")}, {"vectors": VectorColumns(init_score=("days",))}, "first scores"),
        ({"session": None}, {"vectors": VectorColumns(query="session")}, "queries are missing"),
        ({"kind": "fir"}, {"target": "kind", "classes": ("ash", "elm", "oak")}, "'fir'"),
        ({"clicks": 31}, {"target": "clicks", "task": "ranking"}, "1 of .* labels"),
        ({"visits": -1.0}, {"target": "visits", "objective": "poisson"}, "1 of .* negative"),
    ],
)
def test_rows_that_nothing_can_be_learned_from_are_refused(
    tmp_path: Path, client: Client, change: dict, fields: dict, what: str
) -> None:
    name, value = next(iter(change.items()))
    hit = pl.when(pl.int_range(pl.len()) == 1_234).then(pl.lit(value)).otherwise(name)
    dataset = opened(tmp_path, table().with_columns(hit.cast(table()[name].dtype).alias(name)))
    fields = {"target": "visits", "task": "regression", **fields}
    if "classes" in fields:
        fields["task"] = "multiclass"
    data = TrainingData(dataset.source, split=Split("random"), inputs=(), **fields)
    with pytest.raises(ContractRefused, match=what):
        prepared(client, dataset, data)


def test_a_refused_weight_names_its_row(tmp_path: Path) -> None:
    hit = pl.when(pl.int_range(pl.len()) == 1_600).then(-1.0).otherwise("days").alias("days")
    dataset = opened(tmp_path, table().with_columns(hit))
    data = TrainingData(
        dataset.source, "visits", Split("random"), (), vectors=VectorColumns(weight="days")
    )
    with pytest.raises(ContractRefused, match=r"1\.parquet, row 100"):
        for part in dataset.partitions(data.columns, 10_000):
            data.read(part)


def test_scattered_queries_are_refused(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path, table().sample(fraction=1.0, shuffle=True, seed=1))
    data = TrainingData(
        dataset.source,
        "clicks",
        BY_QUERY,
        (),
        task="ranking",
        vectors=VectorColumns(query="session"),
    )
    with pytest.raises(ContractRefused, match="do not stand together"):
        prepared(client, dataset, data)


def test_queries_in_two_parts_are_refused(tmp_path: Path, client: Client) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(
        dataset.source,
        "clicks",
        Split("random", valid=0.5),
        (),
        task="ranking",
        vectors=VectorColumns(query="session"),
    )
    with pytest.raises(ContractRefused, match="train rows and valid rows"):
        prepared(client, dataset, data)


@pytest.mark.parametrize("target", ["clicks > 100", "clicks * 3"])
def test_a_binary_label_has_two_values(tmp_path: Path, client: Client, target: str) -> None:
    dataset = opened(tmp_path)
    data = TrainingData(dataset.source, target, Split("random"), (), task="binary")
    what = "single class" if ">" in target else "neither 0 nor 1"
    with pytest.raises(ContractRefused, match=what):
        prepared(client, dataset, data)


def test_two_texts_are_a_binary_label(tmp_path: Path) -> None:
    dataset = opened(tmp_path)
    target = "case when x > 0 then 'yes' else 'no' end"
    data = TrainingData(
        dataset.source, target, Split("random"), ("x",), task="binary", classes=("no", "yes")
    )
    read = data.read(dataset.partitions(data.columns, 10_000)[0])
    assert (read.y == (read.frame["x"].to_numpy() > 0)).all()
