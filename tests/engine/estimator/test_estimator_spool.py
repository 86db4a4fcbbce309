"""Rows on their way through files: what is written is what ranks read."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from estimator_tables import FEATURES, table
from hypothesis import given
from hypothesis import strategies as st

from engine.boosting import ShardPart
from engine.errors import ContractRefused, InputError, OutputRefused, SpecError
from engine.estimator.collected import Collected
from engine.estimator.columns import Columns
from engine.estimator.source import SpooledRows
from engine.estimator.spool import Order, Spooled, spool

NAMES = [*FEATURES]


def polars() -> pl.DataFrame:
    return pl.from_pandas(table())


def columns() -> Columns:
    rows = polars().select(NAMES)
    return Columns.of_frame(rows.schema, ["t", "b"])


def written(
    folder: Path, cuts: list[int], label: str = "three", part: str = "train", **more: str
) -> list[Spooled]:
    """Write the rows between each two cuts."""
    rows, order = polars(), Order(folder, part, columns(), label in ("three", "yes"))
    vectors = {"y": label, **more}
    return [
        spool(
            order,
            index,
            rows[low:high],
            {name: rows[low:high][column].to_numpy() for name, column in vectors.items()},
        )
        for index, (low, high) in enumerate(pairwise(cuts))
    ]


def read(files: Collected, weights: tuple[float, ...] = (), part: str = "train") -> Any:
    """Return all rows of a part, as a rank on another machine reads them."""
    source: SpooledRows = pickle.loads(pickle.dumps(files.source(weights)))
    found = [source.read(entry.partition, part) for entry in files.parts() if getattr(entry, part)]
    names = ("x", "y", "weight", "init", "query")
    return [
        None if getattr(found[0], n) is None else np.concatenate([getattr(r, n) for r in found])
        for n in names
    ]


CUTS = st.lists(st.integers(0, 1200), max_size=5).map(lambda cuts: [0, *sorted(cuts), 1200])


@given(CUTS)
def test_rows_do_not_depend_on_how_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    files = Collected.of(columns(), written(folder, cuts, weight="w", query="query"), [])
    x, y, weight, init, query = read(files)
    rows = polars()
    levels = columns().levels(rows)
    np.testing.assert_array_equal(x, columns().matrix(rows, levels))
    assert files.levels == levels
    assert list(files.classes) == ["hi", "lo", "mid"]
    np.testing.assert_array_equal(files.classes[y.astype(int)], rows["three"].to_numpy())
    np.testing.assert_array_equal(weight, rows["w"].to_numpy().astype(np.float32))
    assert init is None
    same = query[:, None] == query[None, :40]
    ids = rows["query"].to_numpy()
    np.testing.assert_array_equal(same, ids[:, None] == ids[None, :40])


@given(CUTS)
def test_heads_are_the_rows_that_go_on_with_a_query(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    made = written(folder, cuts, "relevance", query="query")
    heads = [part.train_head for part in Collected.of(columns(), made, []).parts()]
    rows = [one.rows for one in made if one.rows]
    firsts = np.cumsum([0, *rows[:-1]])
    until = [min(-first % 10, count) for first, count in zip(firsts, rows, strict=True)]
    assert heads == [int(one) for one in until]


@pytest.mark.parametrize("most", [1, 50, 1200, 5000])
def test_the_sample_does_not_depend_on_how_rows_are_cut(tmp_path: Path, most: int) -> None:
    drawn = []
    for number, cuts in enumerate([[0, 1200], [0, 0, 10, 700, 700, 1200]]):
        (tmp_path / str(number)).mkdir()
        files = Collected.of(columns(), written(tmp_path / str(number), cuts), [])
        drawn.append(files.sample(most, 5, None))
    assert drawn[0].shape == (min(most, 1200), len(NAMES))
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_a_class_that_only_some_partitions_have_has_one_code(tmp_path: Path) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), True)
    made = [
        spool(order, index, np.ones((len(y), 1)), {"y": np.array(y)})
        for index, y in enumerate([[3, 3], [7], [-1, 7]])
    ]
    files = Collected.of(order.columns, made, [])
    assert files.classes.tolist() == [-1, 3, 7]
    np.testing.assert_array_equal(read(files)[1], [1, 1, 2, 0, 2])
    assert files.class_weight("balanced") == pytest.approx((5 / 3, 5 / 6, 5 / 6))
    assert files.class_weight({7: 3.0}) == (1.0, 1.0, 3.0)
    np.testing.assert_allclose(read(files, (1.0, 1.0, 3.0))[2], [1, 1, 3, 1, 3])


@pytest.mark.parametrize(
    ("train", "valid"),
    [([0, 400, 800, 1200], [0, 1200]), ([0, 1200], [0, 300, 600, 1200]), ([0, 600, 1200], [0, 0])],
)
def test_files_of_both_parts_are_spread_over_the_partitions(
    tmp_path: Path, train: list[int], valid: list[int]
) -> None:
    held_out = written(tmp_path, valid, part="valid")
    files = Collected.of(columns(), written(tmp_path, train), held_out)
    parts = files.parts()
    assert [part.partition.index for part in parts] == list(range(len(parts)))
    assert [part.train for part in parts if part.train] == np.diff(train).tolist()
    assert [part.valid for part in parts if part.valid] == [n for n in np.diff(valid) if n]
    assert all(isinstance(part, ShardPart) and part.partition.rows for part in parts)
    for part in parts:
        if part.valid:
            assert len(files.source(()).read(part.partition, "valid").y) == part.valid


def test_validation_rows_get_what_only_training_rows_have(tmp_path: Path) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), False)
    x, y = np.ones((4, 1)), np.arange(4.0)
    vectors = {"y": y, "weight": y + 1, "init": y * 2}
    other = Order(tmp_path, "valid", order.columns, False)
    files = Collected.of(
        order.columns, [spool(order, 0, x, vectors)], [spool(other, 0, x, {"y": y})]
    )
    assert files.source(()).vectors == {"weight", "init"}
    _, _, weight, init, _ = read(files, part="valid")
    np.testing.assert_array_equal(weight, np.ones(4))
    np.testing.assert_array_equal(init, np.zeros(4))


@pytest.mark.parametrize(
    ("vectors", "what"),
    [
        ({"y": [1.0, np.nan]}, "a label is missing"),
        ({"y": ["a", "b"]}, "a label is no number"),
        ({"y": [[1.0, 2.0], [1.0, 2.0]]}, "1d array"),
        ({"y": [1.0, 2.0], "weight": [1.0, -1.0]}, "a weight is negative"),
        ({"y": [1.0, 2.0], "weight": [1.0, np.inf]}, "a weight is missing"),
        ({"y": [1.0, 2.0], "init": [np.nan, 0.0]}, "a first score is missing"),
    ],
)
def test_vectors_that_cannot_be_are_refused(
    tmp_path: Path, vectors: dict[str, Any], what: str
) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), False)
    with pytest.raises(SpecError, match=what):
        spool(order, 0, np.ones((2, 1)), {k: np.array(v) for k, v in vectors.items()})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("y", [["a", None], [1.5, 2.0], ["a", 1], [np.nan, 1.0]])
def test_labels_that_are_no_classes_are_refused(tmp_path: Path, y: list[Any]) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), True)
    labels = np.array(y, object if isinstance(y[0], str) else None)
    with pytest.raises(SpecError):
        spool(order, 0, np.ones((2, 1)), {"y": labels})


def test_a_label_of_the_validation_rows_that_training_has_not_seen_is_refused(
    tmp_path: Path,
) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), True)
    other = Order(tmp_path, "valid", order.columns, True)
    train = spool(order, 0, np.ones((2, 1)), {"y": np.array(["a", "c"])})
    valid = spool(other, 0, np.ones((2, 1)), {"y": np.array(["a", "b"])})
    with pytest.raises(SpecError, match=r"'b'.* of eval_set is in no training row"):
        Collected.of(order.columns, [train], [valid]).source(())


def test_a_query_that_stands_apart_is_refused(tmp_path: Path) -> None:
    order = Order(tmp_path, "train", Columns.of_array(1, "auto"), False)
    vectors = {"y": np.zeros(3), "query": np.array([1, 2, 1])}
    with pytest.raises(ContractRefused, match="do not stand together"):
        Collected.of(order.columns, [spool(order, 0, np.ones((3, 1)), vectors)], [])


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path: Path) -> None:
    order = Order(tmp_path / "gone", "train", Columns.of_array(1, "auto"), False)
    with pytest.raises(OutputRefused, match="scratch="):
        spool(order, 0, np.ones((2, 1)), {"y": np.zeros(2)})


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_file_that_is_not_here_is_noticed(tmp_path: Path, harm: str) -> None:
    made = written(tmp_path, [0, 1200])
    files = Collected.of(columns(), made, [])
    made[0].path.write_bytes(made[0].path.read_bytes()[:-100])
    if harm == "gone":
        made[0].path.unlink()
    with pytest.raises(OutputRefused, match="scratch="):
        Collected.of(columns(), made, [])
    with pytest.raises(InputError, match="scratch="):
        read(files)


def test_partitions_without_rows_are_left_out(tmp_path: Path) -> None:
    made = written(tmp_path, [0, 0, 0])
    assert not list(tmp_path.iterdir())
    with pytest.raises(SpecError, match="no rows"):
        Collected.of(columns(), made, [])
