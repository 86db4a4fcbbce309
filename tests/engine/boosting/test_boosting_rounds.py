"""A rank boosts: from a checkpoint as if nothing had happened, and subset after subset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from boosting_rows import Drawn
from rank_alone import RankAlone

from engine.boosting import Rows, ShardPart
from engine.boosting.bins.turns import Turns
from engine.boosting.gang.shards import shards
from engine.boosting.native import lightgbm
from engine.boosting.rank.stock import Part
from engine.metrics import BinaryScores
from engine.plan import Partition

PARAMS = {"num_leaves": 15, "min_child_samples": 5}
COUNT = 4


@dataclass(frozen=True)
class Told(Drawn):
    """Rows with weights, first scores, queries or several classes.

    Attributes:
        classes: First scores of a row, if it has any.
    """

    classes: int = 1

    def all_rows(self, index: int) -> Rows:
        rows, rng = super().all_rows(index), np.random.default_rng(index + 999)
        n, y = len(rows.y), rows.y
        if self.task in ("multiclass", "ranking"):
            y = np.digitize(rows.y, [-0.5, 1.0]).astype(np.float32)
        init = rng.standard_normal((n, self.classes)) if self.classes > 1 else rng.random(n)
        return Rows(
            rows.x,
            y,
            rng.random(n).astype(np.float32) if "weight" in self.vectors else None,
            init if "init" in self.vectors else None,
            np.arange(n, dtype=np.uint64) // np.uint64(10) if "query" in self.vectors else None,
        )

    def read(self, partition: Partition, part: str) -> Rows:
        rows, cut = self.all_rows(partition.index), self.rows - self.valid
        chosen = slice(0, cut) if part == "train" else slice(cut, None)
        kept = (None if v is None else v[chosen] for v in (rows.weight, rows.init, rows.query))
        return Rows(rows.x[chosen], rows.y[chosen], *kept)


KINDS = {
    "binary": (Told(), {}),
    "weighted": (Told(task="regression", vectors=frozenset({"weight"})), {"objective": "poisson"}),
    "first scores": (Told(vectors=frozenset({"init"})), {}),
    "multiclass": (Told(task="multiclass"), {"classes": 3}),
    "multiclass from scores": (
        Told(task="multiclass", vectors=frozenset({"init", "weight"}), classes=3),
        {"classes": 3},
    ),
    "ranking": (Told(task="ranking", vectors=frozenset({"query"})), {"objective": "lambdarank"}),
    "many bins": (Told(), {"params": {**PARAMS, "max_bin": 1000}}),
    "few bins": (Told(), {"params": {**PARAMS, "max_bin": 15}}),
}


def rank(kind: str, folder: Path, **fields: Any) -> RankAlone:
    source, more = KINDS[kind]
    if kind == "weighted":
        source = Positive(task="regression", vectors=source.vectors)
    told = {"task": source.task, "params": PARAMS, "rounds": 12, "seed": 3, **more, **fields}
    return RankAlone(source, source.parts(COUNT), source.sample(COUNT), folder, **told)


@dataclass(frozen=True)
class Positive(Told):
    """Labels that a Poisson task can learn."""

    def all_rows(self, index: int) -> Rows:
        rows = super().all_rows(index)
        return replace(rows, y=np.floor(np.abs(rows.y) * 3).astype(np.float32))


@pytest.mark.parametrize(
    "kind",
    # First scores alone are a case of those with classes and weights.
    [pytest.param(k, marks=[pytest.mark.long] * (k == "first scores")) for k in KINDS],
)
def test_going_on_from_a_checkpoint_gives_the_bits_of_no_interruption(
    kind: str, tmp_path: Path
) -> None:
    whole = rank(kind, tmp_path, checkpoint_every=5)
    model = whole.run()
    checkpoint = whole.checkpoints()[0]
    assert checkpoint.round == 5
    again = rank(kind, tmp_path).run(checkpoint)
    assert again.model == model.model
    assert again.history == model.history and len(again.history) == 12


@pytest.mark.parametrize("kind", ["binary", "multiclass", "ranking"])
def test_models_are_those_of_lightgbm_in_memory(kind: str, tmp_path: Path) -> None:
    one = rank(kind, tmp_path)
    found, source = one.run(), one.source
    rows = [source.read(part.partition, "train") for part in source.parts(COUNT)]  # type: ignore[attr-defined]
    x, y = np.concatenate([r.x for r in rows]), np.concatenate([r.y for r in rows])
    group = [10] * (len(y) // 10) if kind == "ranking" else None
    reference = one.blocks().reference
    data = lightgbm().Dataset(x, y, group=group, reference=reference, params=one.params)
    booster = lightgbm().Booster(one.params, data)
    for _ in range(12):
        booster.update()
    theirs = booster.model_to_string()
    assert found.model.split("\nparameters")[0] == theirs.split("\nparameters")[0]


@pytest.mark.parametrize(
    ("kind", "subsets"),
    [
        ("binary", 3),
        ("ranking", 2),
        pytest.param("binary", 2, marks=pytest.mark.long),
        pytest.param("ranking", 3, marks=pytest.mark.long),
    ],
)
def test_every_row_has_its_turn_once(kind: str, subsets: int, tmp_path: Path) -> None:
    one = rank(kind, tmp_path, subsets=subsets, subset_rounds=2)
    one.run()
    blocks = one.blocks()
    turns = [Part.of(blocks, one.shard, "train", s) for s in range(subsets)]
    whole = Part.of(blocks, one.shard, "train", None)
    assert sum(turn.rows for turn in turns) == whole.rows == COUNT * 1500
    assert min(turn.rows for turn in turns) > whole.rows / subsets * 0.8
    labels = np.sort(np.concatenate([turn.vector("y") for turn in turns]))
    source = one.source
    told = [source.read(p.partition, "train").y for p in source.parts(COUNT)]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(labels, np.sort(np.concatenate(told)))


@dataclass(frozen=True)
class Crossing(Told):
    """Queries of 7 rows, and every partition begins in the middle of one."""

    def ids(self, index: int) -> npt.NDArray[np.uint64]:
        trained = self.rows - self.valid
        return (np.arange(trained, dtype=np.uint64) + np.uint64(index * trained)) // np.uint64(7)

    def parts(self, count: int) -> list[ShardPart]:
        ids = [self.ids(index) for index in range(count)]
        heads = [0, *(int((mine == before[-1]).sum()) for before, mine in pairwise(ids))]
        return [
            replace(part, valid=0, train_head=head)
            for part, head in zip(super().parts(count), heads, strict=True)
        ]

    def read(self, partition: Partition, part: str) -> Rows:
        return replace(super().read(partition, part), query=self.ids(partition.index))


@pytest.mark.parametrize("subsets", [1, 2, 3])
def test_a_query_that_is_cut_by_partitions_stays_whole(subsets: int, tmp_path: Path) -> None:
    source = Crossing(task="ranking", vectors=frozenset({"query"}))
    parts, sample = source.parts(COUNT), source.sample(COUNT)
    assert any(part.train_head for part in parts)
    one = RankAlone(source, parts, sample, tmp_path, task="ranking", subsets=subsets)
    blocks = one.blocks()
    told = np.concatenate([source.ids(index) for index in range(COUNT)])
    expected = dict(zip(*np.unique(told, return_counts=True), strict=True))
    for subset in (*range(subsets), None):
        queries = Part.of(blocks, one.shard, "train", subset).vector("query")
        runs = np.flatnonzero(np.diff(queries, prepend=queries[0] + 1))
        sizes = np.diff(runs, append=len(queries))
        assert len(set(queries[runs])) == len(runs), "a query stands in two places"
        assert all(
            expected[query] == size for query, size in zip(queries[runs], sizes, strict=True)
        )
    assert len(queries) == len(told)


def test_turns_come_close_to_all_rows_at_once(tmp_path: Path) -> None:
    source = Told()
    auc = {}
    for subsets in (1, 3):
        model = rank("binary", tmp_path, subsets=subsets, subset_rounds=4, rounds=60).run().model
        rows = [source.read(p.partition, "valid") for p in source.parts(COUNT)]
        x, y = np.concatenate([r.x for r in rows]), np.concatenate([r.y for r in rows])
        p = lightgbm().Booster(model_str=model).predict(x)
        auc[subsets] = BinaryScores.of(y, p).results()["auc"]
    assert auc[3] > auc[1] - 0.01


def test_a_base_model_comes_first(tmp_path: Path) -> None:
    base = rank("binary", tmp_path / "base", rounds=5).run().model
    source = Started(base=base)
    one = RankAlone(
        source, source.parts(COUNT), source.sample(COUNT), tmp_path / "more",
        params=PARAMS, rounds=7, seed=3, base=base, checkpoint_every=3,
    )  # fmt: skip
    found = one.run()
    trees = [text.split("\nend of trees")[0].split("\nTree=") for text in (base, found.model)]
    assert found.rounds == 7 and len(trees[1]) == 1 + 5 + 7
    assert trees[1][1:6] == trees[0][1:]
    whole = rank("binary", tmp_path / "whole", rounds=12).run().model
    assert found.model.split("\nend of trees")[0] == whole.split("\nend of trees")[0]
    assert one.run(one.checkpoints()[0]).model == found.model


@dataclass(frozen=True)
class Started(Told):
    """Rows with what a model says of them."""

    base: str = ""
    vectors: frozenset[str] = frozenset({"init"})

    def all_rows(self, index: int) -> Rows:
        rows = super().all_rows(index)
        raw = lightgbm().Booster(model_str=self.base).predict(rows.x, raw_score=True)
        return replace(rows, init=np.asarray(raw))


@pytest.mark.parametrize("kind", ["binary", "weighted", "multiclass"])
def test_leaves_fitted_again_are_those_of_lightgbm(kind: str, tmp_path: Path) -> None:
    first = rank(kind, tmp_path / "first")
    base = first.run().model
    source = replace(first.source, rows=1_500, valid=0)  # type: ignore[type-var]
    one = rank(kind, tmp_path / "again", base=base, refit=0.7)
    one.source, parts = source, source.parts(COUNT)
    one.shard = shards(parts, 1)[0]
    found = lightgbm().Booster(model_str=one.run().model)
    rows = [source.read(part.partition, "train") for part in parts]
    x, y = np.concatenate([r.x for r in rows]), np.concatenate([r.y for r in rows])
    weight = None if rows[0].weight is None else np.concatenate([r.weight for r in rows])  # type: ignore[arg-type]
    theirs = lightgbm().Booster(model_str=base).refit(x, y, decay_rate=0.7, weight=weight)
    ours, right = (booster.predict(x, raw_score=True) for booster in (found, theirs))
    np.testing.assert_allclose(ours, right, rtol=1e-4, atol=1e-5)  # LightGBM sums float32
    assert np.abs(ours - lightgbm().Booster(model_str=base).predict(x, raw_score=True)).max() > 0.01


def test_a_query_cut_by_partitions_and_ranks_stays_whole(tmp_path: Path) -> None:
    source = Cut()
    parts = source.entries()
    one = RankAlone(
        source, parts, source.sample(COUNT), tmp_path, task="ranking", objective="lambdarank",
        params=PARAMS, rounds=2, subsets=3,
    )  # fmt: skip
    blocks = one.blocks()
    assert isinstance(blocks.turns, Turns)
    seen: list[int] = []
    for shard in shards(parts, 3):
        for subset in range(3):
            query = Part.of(blocks, shard, "train", subset).vector("query")
            runs = query[np.flatnonzero(np.diff(query, prepend=query[:1] + 1))]
            assert len(set(runs.tolist())) == len(runs), "a query in two pieces"
            seen += runs.tolist()
    assert len(seen) == len(set(seen)) == len(np.unique(source.queries()))


@dataclass(frozen=True)
class Cut(Told):
    """Queries of 7 to 90 rows, of which some go on in the next partition or two."""

    task: str = "ranking"
    rows: int = 60
    valid: int = 0
    vectors: frozenset[str] = frozenset({"query"})

    def queries(self) -> np.ndarray:
        sizes = np.random.default_rng(5).choice([7, 20, 90], COUNT * self.rows)
        return np.repeat(np.arange(len(sizes)), sizes)[: COUNT * self.rows].astype(np.uint64)

    def read(self, partition: Partition, part: str) -> Rows:
        start = partition.index * self.rows
        rows = self.all_rows(partition.index)
        return replace(rows, query=self.queries()[start : start + self.rows])

    def entries(self) -> list[ShardPart]:
        found, queries = [], self.queries()
        for part in self.partitions(COUNT):
            own = queries[part.index * self.rows :][: self.rows]
            before = queries[part.index * self.rows - 1] if part.index else None
            found.append(ShardPart(part, self.rows, 0, int((own == before).sum())))
        return found
