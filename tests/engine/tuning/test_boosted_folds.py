"""Folds as masks over binned rows, and the trial of a process, without a cluster."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from distributed import Client
from trial_rows import Dealt, Drawn, Queries

from cluster.resources import Resources
from engine import memory
from engine.balance import Balance
from engine.boosting import Conduct, Learning, RowSource
from engine.boosting.bins.reference import dataset_params, load_bins
from engine.boosting.bins.turns import Turns
from engine.boosting.gang.goal import bins_for, goal_of
from engine.boosting.gang.orders import fingerprint
from engine.boosting.native import lightgbm
from engine.boosting.params.given import OWNED
from engine.boosting.rank.loading import Blocks
from engine.data.dataset import Dataset
from engine.errors import ContractRefused, MillraceError, SpecError
from engine.features.pipeline import Pipeline
from engine.folds import Folds
from engine.memory import Boosting, Shape
from engine.metrics.measure import Measure
from engine.place.kept import Kept
from engine.plan import Partition
from engine.rejected.bad_rows import BadRows
from engine.split import TRAIN, VALID, Split
from engine.training.fitting import prepare
from engine.training.marking import FoldedMatrix
from engine.training.preparing import MatrixSource, TrainingData
from engine.tuning.boosted import process
from engine.tuning.boosted.binning import SharedBlocks
from engine.tuning.boosted.fixed import FIXED, fixed_params
from engine.tuning.boosted.held import value
from engine.tuning.boosted.study import Study, study
from engine.tuning.boosted.work import TrialWork
from engine.tuning.trial import Trial

PARTS, ROUNDS = 4, 12
PARAMS = {"num_leaves": 15, "min_child_samples": 5}


class Said:
    """Takes what a trial tells."""

    def __init__(self) -> None:
        self.rounds: list[list[float]] = []
        self.read = 0

    def tell(self, kind: str, **fields: Any) -> None:
        if kind == "round":
            assert fields["round"] == len(self.rounds) + 1
            self.rounds.append(fields["folds"])
        if kind == "loading":
            self.read = fields["rows"]


def made(source: Drawn, **changes: Any) -> Study:
    learning = Learning(**{"task": source.task, "params": PARAMS, "rounds": ROUNDS, **changes})
    parts, sample = source.parts(PARTS), source.sample(PARTS)
    return study(Resources(1, 2, 2**30), source, parts, sample, learning, Conduct(), each=2)


def work(one: Study, folder: Path, params: dict[str, Any], rounds: int = ROUNDS) -> TrialWork:
    return TrialWork(one.bench, 1, one.goal(Trial(0, params, rounds)), "", folder)


def run(one: Study, folder: Path, params: dict[str, Any], rounds: int = ROUNDS) -> Any:
    said: Any = Said()
    asked = work(one, folder, params, rounds)
    return process.run(asked, process.loaded(asked, said), said), said


def binned(one: Study, folder: Path, source: RowSource) -> None:
    """Bin the rows of another source than that of the study."""
    goal, bench = one.goal(Trial(0, {}, 1)), one.bench
    reference = load_bins(bench.bins, dataset_params(goal.params, bench.sample_rows))
    blocks = SharedBlocks.of_bench(bench, folder, reference, goal.learning.outputs)
    blocks.share(lambda: source, bench.shard, lambda rows: None)


def in_memory(one: Study, source: Dealt, params: dict[str, Any]) -> list[list[float]]:
    """Return the log loss of each round and fold of LightGBM on `Dataset.subset`, same bins."""
    rows, marks = source.all_in_memory(PARTS)
    asked = dataset_params(one.goal(Trial(0, params, ROUNDS)).params, one.bench.sample_rows)
    bins = load_bins(one.bench.bins, asked)
    whole = lightgbm().Dataset(rows.x, rows.y, reference=bins, params=asked).construct()
    found: list[list[float]] = []
    for fold in range(source.folds):
        kept, held = (np.flatnonzero(marks[fold] == mark) for mark in (TRAIN, VALID))
        booster = lightgbm().Booster(asked, whole.subset(kept))
        losses = []
        for _ in range(ROUNDS):
            booster.update()
            p = booster.predict(rows.x[held])
            losses.append(Measure("binary").of(rows.y[held], p).results()["log_loss"])
        found.append(losses)
    return np.transpose(found).tolist()


@pytest.mark.parametrize("params", [{}, {"bagging_fraction": 0.6, "bagging_freq": 1, "eta": 0.3}])
def test_folds_are_those_of_lightgbm_in_memory(tmp_path: Path, params: dict[str, Any]) -> None:
    source = Dealt()
    one = made(source)
    outcome, said = run(one, tmp_path, params)
    assert np.allclose(said.rounds, in_memory(one, source, params), rtol=1e-12, atol=0)
    assert outcome.best_round == 1 + np.argmin(np.mean(said.rounds, axis=1))
    assert list(outcome.folds) == said.rounds[outcome.best_round - 1]


def test_queries_and_weights_go_with_their_rows(tmp_path: Path) -> None:
    source = Queries(rows=1_000)
    one = made(source, task="ranking", metric="ndcg@5")
    _, said = run(one, tmp_path, {})
    parts = [source.all_rows(index) for index in range(PARTS)]
    x, y, weight, query = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("x", "y", "weight", "query")
    )
    marks = np.concatenate([source.marks()] * PARTS, axis=1)
    asked = dataset_params(one.goal(Trial(0, {}, ROUNDS)).params, one.bench.sample_rows)
    bins = load_bins(one.bench.bins, asked)
    for fold in range(source.folds):
        kept, held = (marks[fold] == mark for mark in (TRAIN, VALID))
        sizes = np.unique(query[kept], return_counts=True)[1]
        data = lightgbm().Dataset(x[kept], y[kept], bins, weight[kept], sizes, params=asked)
        booster = lightgbm().Booster(asked, data.construct())
        for _ in range(ROUNDS):
            booster.update()
        measured = Measure("ranking", metric="ndcg@5")
        found = measured.of(y[held], booster.predict(x[held]), query[held]).results()["ndcg@5"]
        assert said.rounds[-1][fold] == pytest.approx(found, rel=1e-12)


def test_classes(tmp_path: Path) -> None:
    class Three(Dealt):
        def all_rows(self, index: int) -> Any:
            rows = super().all_rows(index)
            return replace(rows, y=rows.y + (rows.x[:, 0] > 1).astype(np.float32))

    one = made(Dealt(), task="multiclass", classes=3, early_stopping=4)
    binned(one, tmp_path, Three())
    _, said = run(one, tmp_path, {})
    assert said.rounds[-1][0] < said.rounds[0][0] < np.log(3)


@pytest.mark.parametrize("metric", ["log_loss", "brier", "auc", "accuracy"])
def test_one_metric_is_what_all_of_them_are(metric: str) -> None:
    draw = np.random.default_rng(3)
    y, p = (draw.random(2_000) < 0.3).astype(np.float32), draw.random(2_000)
    p[:4] = 0.0, 1.0, 1e-20, 1 - 1e-20
    measure = Measure("binary")
    whole = measure.of(y, p).results()[metric]
    assert value(measure, metric, y, p, None) == pytest.approx(whole, rel=1e-13)
    p[7] = np.nan
    with pytest.raises(MillraceError):
        value(measure, metric, y, p, None)


def test_early_stopping_looks_at_the_mean_of_the_folds(tmp_path: Path) -> None:
    one = made(Dealt(rows=200), early_stopping=5)
    outcome, said = run(one, tmp_path, {"learning_rate": 0.2}, rounds=200)
    means = np.mean(said.rounds, axis=1)
    assert len(means) == outcome.best_round + 5 < 200
    assert means.argmin() + 1 == outcome.best_round
    # Not each fold would have stopped there by itself.
    assert {1 + column.argmin() for column in np.transpose(said.rounds)} != {outcome.best_round}


def test_without_folds_validation_rows_are_held_out(tmp_path: Path) -> None:
    one = made(Drawn(valid=400))
    outcome, said = run(one, tmp_path, {})
    assert len(outcome.folds) == 1
    assert said.rounds[-1][0] < said.rounds[0][0] < 0.7


def test_rows_are_binned_once_and_shared_with_training(tmp_path: Path) -> None:
    """The second trial reads nothing; other folds read rows for their masks, and keep the bins."""
    reads, folder = tmp_path / "reads", tmp_path / "bins"
    reads.mkdir()
    source = Dealt(reads=reads)
    one = made(source)
    assert run(one, folder, {})[1].read == PARTS * source.rows
    assert len(list(reads.iterdir())) == PARTS
    assert run(one, folder, {"eta": 0.5})[1].read == 0
    assert len(list(reads.iterdir())) == PARTS
    blocks = sorted(folder.rglob("*.rows"))
    goal = one.goal(Trial(0, {}, 1))
    reference = load_bins(one.bench.bins, dataset_params(goal.params, one.bench.sample_rows))
    trained = Blocks.within(folder, reference, source.unfolded, 1, Turns())
    assert all(trained.of(portion).there for portion in one.bench.shard)
    bins = bins_for(
        goal_of(source, source.parts(PARTS), goal.learning, 1), source, source.sample(PARTS), 1
    )
    assert fingerprint(bins, pickle.dumps(source.unfolded)) == one.bench.fingerprint
    other = made(replace(source, folds=2))
    assert other.bench.fingerprint == one.bench.fingerprint
    run(other, folder, {})
    assert sorted(folder.rglob("*.rows")) == blocks
    assert len(list(reads.iterdir())) == 2 * PARTS


def test_processes_share_the_work_of_binning(tmp_path: Path) -> None:
    """Each partition is read by one process, and all find all of them."""
    reads = tmp_path / "reads"
    reads.mkdir()
    source = Dealt(reads=reads, seconds=0.05)
    one = made(source)
    one = replace(one, bench=replace(one.bench, source=pickle.dumps(source)))
    code = f"""
import pickle, sys
sys.path[:0] = {sys.path!r}
from engine.boosting.bins.reference import dataset_params, load_bins
from engine.tuning.boosted.binning import SharedBlocks
work = pickle.load(sys.stdin.buffer)
reference = load_bins(work.bench.bins, dataset_params(work.goal.params, work.bench.sample_rows))
blocks = SharedBlocks.of_bench(work.bench, work.scratch, reference, 1)
blocks.share(lambda: pickle.loads(work.bench.source), work.bench.shard, lambda rows: None)
assert all(blocks.there(portion) for portion in work.bench.shard)
"""
    told = pickle.dumps(work(one, tmp_path / "bins", {}))
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) for _ in range(2)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(told)
        child.stdin.close()
    assert [child.wait(60) for child in children] == [0, 0]
    assert sorted(path.name.split("-")[0] for path in reads.iterdir()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("balance", [None, Balance(kept=(0.4, 1.0))])
def test_folds_of_a_data_set_are_read_with_its_rows(
    tmp_path: Path, balance: Balance | None
) -> None:
    """A row trains and is held out as the fold's own split says, though it is read once."""
    draw = np.random.default_rng(1)
    frame = pl.DataFrame({"x": draw.random(900), "who": draw.integers(0, 60, 900)})
    frame = frame.with_columns(y=(pl.col("x") + draw.normal(0, 0.3, 900) > 0.5).cast(pl.Int8))
    frame.write_parquet(tmp_path / "rows.parquet", row_group_size=150)
    dataset = Dataset.open(str(tmp_path / "rows.parquet"))
    split = Split("random", valid=0.1, test=0.2)
    data = TrainingData(dataset.source, "y", split, ("x",), task="binary")
    data = replace(data, classes=(0, 1), balance=balance)
    folds = tuple(Folds("group", 3, columns=("who",)).under(split))
    partitions = dataset.partitions(["x", "who", "y"], 4_000)
    assert len(partitions) > 2
    pipeline = Pipeline(columns=("x",))
    bad = BadRows(Kept.of(tmp_path / "unused"), True, None)
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as one:
        done = prepare(
            one, data, pipeline, pipeline.resolve(dataset.schema), partitions,
            threads=1, sample_rows=100, seed=1, bad=bad, progress=lambda _: None,
        )  # fmt: skip
    plain = MatrixSource(done.data, done.pipeline, class_weights=(1.0, 3.0))
    folded = FoldedMatrix(plain, folds)
    every = replace(plain, data=replace(done.data, balance=None))
    for partition, dealt in zip(partitions, done.dealt_parts(partitions), strict=True):
        rows, alone = folded.read(partition, "train"), every.read(partition, "train")
        assert (len(rows.y), 0) == (dealt.train, dealt.valid)
        for name in ("x", "y", "weight"):
            assert np.array_equal(getattr(rows, name), getattr(alone, name))
        assert rows.marks is not None
        for fold, marks in zip(folds, rows.marks, strict=True):
            under = MatrixSource(replace(done.data, split=fold), done.pipeline)
            for part, mark in (("train", TRAIN), ("valid", VALID)):
                assert np.array_equal(under.read(partition, part).x, rows.x[marks == mark])


def test_what_is_damaged_is_made_again(tmp_path: Path) -> None:
    one = made(Dealt())
    first, _ = run(one, tmp_path, {})
    block, mask = (sorted(tmp_path.rglob(f"*.{end}"))[1] for end in ("rows", one.bench.masks))
    block.write_bytes(block.read_bytes()[:-1])
    mask.unlink()
    again, said = run(one, tmp_path, {})
    assert again == first
    assert said.read == one.bench.shard[1].rows


def test_a_fold_of_one_class_is_refused(tmp_path: Path) -> None:
    class OfOne(Dealt):
        def all_rows(self, index: int) -> Any:
            rows = super().all_rows(index)
            return replace(rows, y=np.ones_like(rows.y))

    one = made(Dealt())
    binned(one, tmp_path, OfOne())
    with pytest.raises(ContractRefused, match="a single class"):
        run(one, tmp_path, {})


def test_a_trial_does_not_load_dask() -> None:
    code = "import sys, engine.tuning.boosted.process; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_decides_the_bins_cannot_be_tuned() -> None:
    # `Dataset._get_params` of LightGBM 4.7, basic.py.
    dataset = {
        "max_bin", "max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt",
        "data_random_seed", "use_missing", "zero_as_missing", "enable_bundle", "is_enable_sparse",
        "categorical_feature", "feature_pre_filter", "forcedbins_filename", "linear_tree",
        "pre_partition", "two_round", "header", "label_column", "weight_column", "group_column",
        "ignore_column", "precise_float_parser",
    }  # fmt: skip
    assert dataset <= {*FIXED, *OWNED}
    assert set(fixed_params(dataset)) == dataset
    assert fixed_params(["max_bins", "eta", "num_leaves", "lambda_l1", "nonsense"]) == {
        "max_bins": "it decides the bins, which all trials share"
    }
    with pytest.raises(SpecError, match="'min_data_in_bin' cannot be tuned: it decides the bins"):
        made(Dealt()).goal(Trial(0, {"min_data_in_bin": 7}, 5))


def test_a_trial_takes_the_place_of_a_parameter_under_another_name() -> None:
    one = made(Dealt(), params={"learning_rate": 0.1, "num_leaves": 7})
    asked = one.goal(Trial(0, {"eta": 0.5}, 5)).params
    assert (asked["learning_rate"], asked["num_leaves"], "eta" in asked) == (0.5, 7, False)


def test_trials_need_rows_that_are_held_out() -> None:
    with pytest.raises(SpecError, match="rows that are held out"):
        made(Drawn(valid=0))


SHAPE = Shape([Partition(0, (), 10_000, 0, 4 * 2**20, 2**20)], 20, threads=4, columns=20)


def total(folds: int, each: int, rows: int = 1_000_000) -> int:
    boosting = Boosting(rows, leaves=31, bins=255, row_wise=False)
    terms = memory.trials(SHAPE, boosting, False, folds=folds, each=each)
    return sum(term.bytes for term in terms)


def test_memory_grows_with_folds_and_with_trials() -> None:
    rows = 1_000_000 * (20 + 28 + 24)
    assert rows < total(2, 1) - total(1, 1) < 1.1 * rows
    assert total(3, 4) - total(3, 3) == total(3, 2) - total(3, 1) > 3 * rows


def test_as_many_trials_as_fit() -> None:
    boosting = Boosting(1_000_000, leaves=31, bins=255, row_wise=False)
    fitting = [
        memory.side_by_side(SHAPE, boosting, False, folds=3, memory=size)
        for size in (total(3, 1), total(3, 2), total(3, 3) - 1, total(3, 4), 10 * total(3, 4), 0)
    ]
    assert fitting == [1, 2, 2, 4, 4, 1]
