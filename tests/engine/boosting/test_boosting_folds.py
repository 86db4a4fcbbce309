"""Trainings under folds: on bins that all of them share, as if each had bins of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boosting_rows import Drawn, asked
from distributed import Client
from folded_rows import Alone, Dealt, Queries
from rank_alone import RankAlone

from cluster.resources import Resources
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, RowSource, ShardPart, fit
from engine.boosting.bins.marks import UnderFold
from engine.boosting.gang import scratch, training
from engine.boosting.gang.orders import fingerprint
from engine.boosting.rank.loading import Blocks
from engine.boosting.rank.marked import FoldBlocks
from engine.boosting.rank.stock import Part
from engine.errors import InputChanged

PARTS = 3
PARAMS = {"num_leaves": 7, "min_child_samples": 5}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


def train(
    client: Client, workers: int, source: RowSource, parts: list[ShardPart], **more: Any
) -> Fitted:
    told = {"params": PARAMS, "rounds": 5, "reproducible": True, **more}
    sample = Drawn(valid=0).sample(PARTS)
    resources = Resources(workers, 1, 2**30)
    return fit(client, resources, source, parts, sample, *asked(**told), progress=lambda _: None)


def there(name: str, dask_worker: Any) -> bool:
    return (scratch.root(dask_worker) / name).exists()


@pytest.mark.usefixtures("nothing_left")
def test_folds_are_read_once_and_their_models_are_the_same(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folds on two workers read each partition once; one by itself, on one worker, again."""
    names: list[str] = []

    def named(*pieces: bytes) -> str:
        names.append(fingerprint(*pieces))
        return names[-1]

    monkeypatch.setattr(training, "fingerprint", named)
    source = Dealt(reads=tmp_path)
    for fold in (0, 1):
        under, parts = source.under(PARTS, fold)
        shared = train(client, 2, under, parts, keep_bins=not fold)
        assert len(list(tmp_path.iterdir())) == PARTS
        assert set(client.run(there, names[-1]).values()) == {not fold}
    alone = train(client, 1, Alone(under), parts)
    assert alone.model == shared.model
    assert alone.history == shared.history
    assert len(list(tmp_path.iterdir())) == 3 * PARTS  # training and held-out rows, each anew


def blocks(source: Dealt, folder: Path, fold: int, subsets: int) -> tuple[FoldBlocks, Blocks, Any]:
    """Return the rows of a fold among those of all folds, and by themselves."""
    under, parts = source.under(PARTS, fold)
    fields = {"task": source.task, "params": PARAMS, "subsets": subsets}
    sample = source.sample(PARTS)
    own = RankAlone(Alone(under), parts, sample, folder / "alone", **fields)
    plain = own.blocks()
    shared = FoldBlocks.of_fold(replace(plain, folder=folder / "shared"), under)
    shared.place.mkdir(parents=True, exist_ok=True)
    shared.fill(under, own.shard, lambda rows: None)
    return shared, plain, own.shard


@pytest.mark.parametrize("part", ["train", "valid"])
def test_rows_of_a_fold_are_the_same_among_others(tmp_path: Path, part: str) -> None:
    shared, plain, shard = blocks(Queries(rows=500), tmp_path, 1, 1)
    ours, theirs = (Part.of(one, shard, part, None) for one in (shared, plain))
    assert ours.rows == theirs.rows > 0
    for name in ("y", "weight", "query"):
        assert np.array_equal(ours.vector(name), theirs.vector(name))
    assert np.array_equal(rows(ours), rows(theirs))


@pytest.mark.parametrize("source", [Dealt(rows=700), Queries(rows=700)])
def test_subsets_of_a_fold_hold_each_of_its_rows_once(tmp_path: Path, source: Dealt) -> None:
    shared, plain, shard = blocks(source, tmp_path, 2, 3)
    turns = [Part.of(shared, shard, "train", subset) for subset in range(3)]
    assert min(turn.rows for turn in turns) > 100
    every = Part.of(plain, shard, "train", None)
    ours = np.concatenate([rows(turn) for turn in turns])
    assert np.array_equal(sorted(map(tuple, ours)), sorted(map(tuple, rows(every))))
    if "query" in shared.form.vectors:
        queries = [set(turn.vector("query")) for turn in turns]
        assert sum(map(len, queries)) == len(set.union(*queries))


def rows(part: Part) -> np.ndarray:
    """Return coded rows with their labels."""
    found = [np.stack([*p.block.cells(p.start, p.stop)], axis=1) for p in part.pieces]
    return np.column_stack([np.concatenate(found), part.vector("y")])


def test_a_fold_that_has_other_rows_than_were_counted_is_refused(tmp_path: Path) -> None:
    shared, _, shard = blocks(Dealt(rows=300), tmp_path, 0, 1)
    fewer = [replace(portion, rows=portion.rows - 1) for portion in shard]
    with pytest.raises(InputChanged, match="a fold has"):
        Part.of(shared, fewer, "train", None)


def test_a_fold_of_another_data_set_finds_no_masks() -> None:
    one, other = (UnderFold.of(Dealt(folds=folds), 0, []) for folds in (2, 3))
    assert one.masks != other.masks
