"""Folds depend on rows and seed alone, hold each row out once, and keep what belongs together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ContractRefused
from engine.folds import NOWHERE, Fold, Folds
from engine.reserved import ROW
from engine.split import TEST, TRAIN, VALID, Split
from engine.training.folding import Dealt

ROWS = 3_000
KINDS = ("random", "stratified", "group", "time")


def _frame(seed: int = 0, rows: int = ROWS) -> pl.DataFrame:
    """Return rows of skewed labels, groups of all sizes and times with ties and gaps."""
    rng = np.random.default_rng(seed)
    label = np.array(["a", "b", "c", None])[rng.choice(4, rows, p=[0.7, 0.2, 0.07, 0.03])]
    time = rng.integers(0, 5_000, rows) * 3
    return pl.DataFrame(
        {
            ROW: np.arange(rows),
            "label": pl.Series(label, dtype=pl.String),
            "who": rng.zipf(1.5, rows) % 211,
            "t": pl.Series(time).cast(pl.Datetime("us")),
        }
    )


def _folds(by: str, **more: object) -> Folds:
    columns = {"stratified": ("label",), "group": ("who",), "time": ("t",)}.get(by, ())
    return Folds(by, columns=columns, **{"count": 5, **more})  # type: ignore[arg-type]


def _resolved(folds: Folds, frame: pl.DataFrame, base: Split, cuts: list[int]) -> Folds:
    """Resolve folds from the training rows of pieces of a frame."""
    if folds.resolved:
        return folds
    train = base.assign(frame, frame[ROW]) == TRAIN
    total = Dealt()
    bounds = [0, *sorted(cuts), frame.height]
    for start, stop in pairwise(bounds):
        piece = frame[start:stop].filter(pl.Series(train[start:stop]))
        total = total.merge(Dealt.of(piece, folds))
    return total.resolve(folds)


BASE = Split("random", valid=0.1, test=0.2)


@given(
    by=st.sampled_from(KINDS),
    count=st.integers(2, 9),
    seed=st.integers(0, 2**31),
    cuts=st.lists(st.integers(0, ROWS), max_size=4),
)
def test_any_partitioning_gives_the_same_folds(
    by: str, count: int, seed: int, cuts: list[int]
) -> None:
    frame = _frame()
    folds = _folds(by, count=count, seed=seed)
    whole = _resolved(folds, frame, BASE, [])
    in_pieces = _resolved(folds, frame, BASE, cuts)
    assert whole == in_pieces
    bounds = [0, *sorted(cuts), ROWS]
    for fold in whole.under(BASE):
        at_once = fold.assign(frame, frame[ROW])
        pieces = [fold.assign(frame[a:b], frame[ROW][a:b]) for a, b in pairwise(bounds)]
        assert np.array_equal(at_once, np.concatenate(pieces))


@given(
    by=st.sampled_from(KINDS[:3]),
    count=st.integers(2, 9),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_each_training_row_is_held_out_once_a_repeat(
    by: str, count: int, repeats: int, seed: int
) -> None:
    frame = _frame()
    folds = _resolved(_folds(by, count=count, repeats=repeats, seed=seed), frame, BASE, [])
    train = BASE.assign(frame, frame[ROW]) == TRAIN
    parts = np.array([fold.assign(frame, frame[ROW]) for fold in folds.under(BASE)])
    parts = parts.reshape(repeats, count, ROWS)
    assert ((parts[..., train] == VALID).sum(axis=1) == 1).all()
    assert (parts[..., train] != TEST).all()
    assert (parts[..., ~train] == TEST).all()


def test_repeats_and_splits_draw_different_rows() -> None:
    frame = _frame(rows=20_000)
    folds = _folds("random", repeats=2)
    one, two = (folds.part(frame, frame[ROW], repeat) for repeat in range(2))
    assert abs((one == two).mean() - 0.2) < 0.02
    for fold in range(5):
        assert abs((one == fold).mean() - 0.2) < 0.02
        held_out = Split("random", test=0.2).assign(frame, frame[ROW]) == TEST
        assert abs((one[held_out] == fold).mean() - 0.2) < 0.02


@given(count=st.integers(2, 9), repeats=st.integers(1, 2), seed=st.integers(0, 2**31))
def test_groups_stay_whole(count: int, repeats: int, seed: int) -> None:
    frame = _frame()
    folds = _folds("group", count=count, repeats=repeats, seed=seed)
    for repeat in range(repeats):
        dealt = frame.with_columns(fold=folds.part(frame, frame[ROW], repeat))
        assert dealt.group_by("who").agg(pl.col("fold").n_unique())["fold"].max() == 1


@given(count=st.integers(2, 9), repeats=st.integers(1, 2), seed=st.integers(0, 2**31))
def test_every_fold_has_its_share_of_every_value_to_the_row(
    count: int, repeats: int, seed: int
) -> None:
    frame = _frame()
    folds = _folds("stratified", count=count, repeats=repeats, seed=seed)
    folds = _resolved(folds, frame, BASE, [])
    train = frame.filter(pl.Series(BASE.assign(frame, frame[ROW]) == TRAIN))
    for repeat in range(repeats):
        dealt = train.with_columns(fold=folds.part(train, train[ROW], repeat))
        for (_,), rows in dealt.group_by("label"):
            sizes = np.bincount(rows["fold"].to_numpy(), minlength=count)
            assert sizes.max() - sizes.min() <= 1


@given(
    count=st.integers(2, 9),
    gap=st.integers(0, 1_000),
    rolling=st.booleans(),
    missing=st.integers(0, 20),
)
def test_time_goes_forward_with_the_gap(count: int, gap: int, rolling: bool, missing: int) -> None:
    frame = _frame().with_columns(pl.when(pl.col(ROW) >= missing).then(pl.col("t")).alias("t"))
    window = "rolling" if rolling else "expanding"
    folds = _folds("time", count=count, gap=float(gap), window=window)
    folds = _resolved(folds, frame, BASE, [])
    time = frame["t"].to_physical()
    before, begins = -1, []
    for fold in folds.under(BASE):
        parts = pl.Series(fold.assign(frame, frame[ROW]))
        assert (parts.filter(time.is_null()) == TEST).all()
        train, valid = time.filter(parts == TRAIN), time.filter(parts == VALID)
        assert train.len()
        assert train.max() + gap < valid.min()  # type: ignore[operator]
        assert before < valid.min()  # type: ignore[operator]
        before = valid.max()  # type: ignore[assignment]
        near = (time >= valid.min() - gap) & (time < valid.min())  # type: ignore[operator]
        assert not (near & (parts == TRAIN)).any()
        begins.append(train.min())
    assert len(set(begins)) == (count if rolling else 1)
    dealt = folds.part(frame, frame[ROW])
    sizes = np.bincount(dealt[dealt != NOWHERE], minlength=count)
    assert sizes.max() < 1.3 * (ROWS / (count + 1)) + 10


def test_windows_of_time_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import TimeSeriesSplit

    rows = 600
    frame = pl.DataFrame({ROW: range(rows), "t": range(rows)})
    for gap in (0, 7):
        folds = Dealt.of(frame, _folds("time")).resolve(_folds("time", gap=float(gap)))
        wanted = TimeSeriesSplit(5, gap=gap).split(np.arange(rows))
        for fold, (train, valid) in zip(folds.under(Split("random")), wanted, strict=True):
            parts = fold.assign(frame, frame[ROW])
            assert np.flatnonzero(parts == TRAIN).tolist() == train.tolist()
            assert np.flatnonzero(parts == VALID).tolist() == valid.tolist()


def test_too_few_times_are_refused() -> None:
    frame = pl.DataFrame({ROW: range(100), "t": [1, 2] * 50})
    with pytest.raises(ContractRefused, match="too few different times for 5 folds"):
        Dealt.of(frame, _folds("time")).resolve(_folds("time"))
    none = frame.with_columns(t=pl.lit(None, pl.Int64))
    with pytest.raises(ContractRefused, match="no training row has a time"):
        Dealt.of(none, _folds("time")).resolve(_folds("time"))


def test_too_many_strata_are_refused() -> None:
    frame = pl.DataFrame({ROW: range(1_001), "label": range(1_001)})
    with pytest.raises(ContractRefused, match="over 1,000"):
        Dealt.of(frame, _folds("stratified"))


def test_a_fold_is_a_split_that_looks_at_more_columns() -> None:
    base = Split("hash", valid=0.2, columns=("who",))
    fold = Fold.of(base, _folds("group", repeats=2), 1, 1)
    assert isinstance(fold, Split)
    assert (fold.by, fold.columns, fold.name) == ("hash", ("who",), "repeat-2-fold-2")
    stratified = Fold.of(base, _folds("stratified"), 1)
    assert (stratified.columns, stratified.name) == (("who", "label"), "fold-2")


@pytest.mark.parametrize("by", KINDS)
def test_folds_within_a_fold_hold_out_its_training_rows_evenly(by: str) -> None:
    frame = _frame(rows=9_000)
    outer = _resolved(_folds(by, count=3), frame, BASE, [])
    for fold in outer.under(BASE):
        inner = _resolved(_folds(by, count=3).inside(fold), frame, fold, [])
        train = fold.assign(frame, frame[ROW]) == TRAIN
        parts = np.array([one.assign(frame, frame[ROW]) for one in inner.under(fold)])
        held_out = (parts == VALID).sum(axis=1)
        assert (parts[:, ~train] == TEST).all()
        assert held_out.sum() == train.sum() or by == "time"
        if by != "group":  # some groups have a third of all rows
            assert held_out.min() > train.sum() / (3 + (by == "time")) * 0.8
            assert held_out.max() < train.sum() / 3 * 1.2


def test_folds_are_the_same_on_every_machine_and_version() -> None:
    frame = pl.DataFrame({"who": [1, 2, 3, 4, 5, 6]})
    numbers = pl.Series(range(6))
    assert _folds("random").part(frame, numbers).tolist() == [2, 3, 4, 1, 3, 3]  # pinned
    assert _folds("group").part(frame, numbers).tolist() == [4, 0, 0, 3, 0, 4]  # pinned


@pytest.mark.parametrize(("count", "repeats", "by"), [(1, 1, "random"), (5, 2, "time")])
def test_numbers_that_cannot_be_are_refused(count: int, repeats: int, by: str) -> None:
    with pytest.raises(ValueError, match=r"folds|same every time"):
        _folds(by, count=count, repeats=repeats)
