"""Rankings against LightGBM; a query that is cut between parts counts once, as a whole."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from engine.errors import MillraceError
from engine.metrics import Measure, Scores

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.uint64]]
MEASURE = Measure("ranking")


@st.composite
def queries(draw: st.DrawFn) -> Rows:
    """Draw rows of up to eight queries; two that stand side by side differ."""
    sizes = draw(st.lists(st.integers(1, 9), max_size=8))
    n = sum(sizes)
    y = draw(hnp.arrays(np.float32, n, elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, 30.0])))
    # Few values, so that ties are common.
    p = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([-1.5, 0.0, -0.0, 0.1, 7.0])))
    first = draw(st.integers(0, 2**64 - 10))
    return y, p, np.repeat(np.arange(len(sizes), dtype=np.uint64) + np.uint64(first), sizes)


def sample(count: int = 400) -> tuple[Rows, npt.NDArray[np.int64]]:
    random = np.random.default_rng(4)
    sizes = random.integers(1, 25, count)
    query = np.repeat(np.arange(count, dtype=np.uint64), sizes)
    y = random.choice([0, 0, 0, 1, 2, 4], len(query)).astype(np.float32)
    return (y, (0.3 * y + random.normal(size=len(y))).round(1), query), sizes


def parts(rows: Rows, cuts: list[int]) -> list[Scores]:
    pieces = np.split(np.arange(len(rows[0])), sorted(min(cut, len(rows[0])) for cut in cuts))
    return [MEASURE.of(*(vector[piece] for vector in rows)) for piece in pieces]


def exactly(scores: Scores) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in scores.results().items()]


@settings(deadline=None)
@given(queries(), st.lists(st.integers(0, 72), max_size=6), st.integers(0, 6))
def test_any_cut_and_any_grouping_is_the_whole(rows: Rows, cuts: list[int], seam: int) -> None:
    found = parts(rows, cuts)
    groups = []
    for group in (found[:seam], found[seam:]):
        scores = MEASURE.empty()
        for part in group:
            scores = scores.merge(part)
        groups.append(scores)
    assert exactly(groups[0].merge(groups[1])) == exactly(MEASURE.of(*rows))


def test_many_queries_cut_anywhere_are_the_same_bits() -> None:
    rows, _ = sample()
    for size in (1, 7, 1000):
        scores = MEASURE.empty()
        for part in parts(rows, list(range(size, len(rows[0]), size))):
            scores = scores.merge(part)
        assert exactly(scores) == exactly(MEASURE.of(*rows))


@pytest.mark.parametrize("gain", [None, [0.0, 1.0, 5.0, 6.0, 9.5]])
def test_results_are_those_of_lightgbm(gain: list[float] | None) -> None:
    import lightgbm

    (y, p, query), sizes = sample()
    told: dict[str, Any] = {}
    params: dict[str, Any] = {"objective": "lambdarank", "metric": ["ndcg", "map"]}
    params |= {"eval_at": [10, 1, 3], "verbosity": -1, "min_data_in_leaf": 5}
    params |= {"label_gain": gain} if gain else {}
    x = np.column_stack([p, p.round(0)])  # leaves hold many rows of a query: ties in the scores
    rows = lightgbm.Dataset(x, y, group=sizes)
    hear = lightgbm.record_evaluation(told)
    model = lightgbm.train(params, rows, 3, valid_sets=[rows], valid_names=["v"], callbacks=[hear])
    measure = Measure("ranking", params={**params, "metric": "ignored"}, metric="map@3")
    results = measure.of(y, model.predict(x), query).results()
    assert results["queries"] == len(sizes) and results["rows"] == len(y)
    for name in ("ndcg@1", "ndcg@3", "ndcg@10", "map@3", "map@10"):
        assert results[name] == pytest.approx(told["v"][name][-1], rel=1e-9), name


def test_ndcg_is_that_of_scikit_learn_where_scores_differ() -> None:
    random = np.random.default_rng(9)
    y, p = random.integers(0, 4, 30).astype(np.float32), random.normal(size=30)
    results = MEASURE.of(y, p, np.zeros(30, np.uint64)).results()
    for cut in (1, 3, 5, 10):
        true = reference.ndcg_score([2.0**y - 1], [p], k=cut)
        assert results[f"ndcg@{cut}"] == pytest.approx(true, rel=1e-12)


def test_map_is_that_of_scikit_learn_by_query_where_scores_differ() -> None:
    random = np.random.default_rng(8)
    query = np.repeat(np.arange(60, dtype=np.uint64), 10)
    y, p = random.integers(0, 2, 600).astype(np.float32), random.normal(size=600)
    y[::10] = 1  # a query without relevant rows has no precision in scikit-learn
    found = MEASURE.of(y, p, query).results()["map@10"]
    each = [reference.average_precision_score(y[query == q], p[query == q]) for q in range(60)]
    assert found == pytest.approx(np.mean(each), rel=1e-12)


def test_ndcg_of_many_queries_is_the_mean_of_scikit_learn_s() -> None:
    random = np.random.default_rng(7)
    query = np.repeat(np.arange(60, dtype=np.uint64), 10)
    y, p = random.integers(0, 4, 600).astype(np.float32), random.normal(size=600)
    results = MEASURE.of(y, p, query).results()
    for cut in (1, 5, 10):
        true = reference.ndcg_score((2.0**y - 1).reshape(60, 10), p.reshape(60, 10), k=cut)
        assert results[f"ndcg@{cut}"] == pytest.approx(true, rel=1e-12)


def test_mrr_ties_and_queries_without_relevant_rows() -> None:
    y = np.array([0, 0, 1, 0, 0, 2, 1], np.float32)
    p = np.array([1, 1, 1, 5, 4, 2, 3], np.float64)
    query = np.array([7, 7, 7, 8, 8, 9, 9], np.uint64)
    results = MEASURE.of(y, p, query).results()
    # Rows of the same score keep their order; the second query has nothing to find.
    assert results["mrr"] == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert results["ndcg@1"] == pytest.approx((0 + 1 + 1 / 3) / 3)
    assert results["map@10"] == pytest.approx((1 / 3 + 1 + 1) / 3)


def test_queries_of_the_same_id_that_stand_apart_are_two() -> None:
    y, p = np.array([1, 0, 1], np.float32), np.array([0.0, 1.0, 2.0])
    results = MEASURE.of(y, p, np.array([1, 2, 1], np.uint64)).results()
    assert results["queries"] == 3


def test_without_rows_there_is_nothing_to_tell() -> None:
    results = MEASURE.empty().results()
    assert (results.pop("rows"), results.pop("queries")) == (0, 0)
    assert len(results) == 6 and all(np.isnan(value) for value in results.values())


@pytest.mark.parametrize(
    ("y", "p", "query", "says"),
    [
        ([0, 31], [0, 0], [1, 1], "1 of 2 labels are no whole numbers from 0 to 30"),
        ([0.5, -1], [0, 0], [1, 1], "2 of 2 labels are no whole numbers"),
        ([0, np.nan], [0, 0], [1, 1], "1 of 2 labels are NaN"),
        ([0, 1], [0, np.nan], [1, 1], "1 of 2 scores are NaN"),
        ([0, 1], [0, 1], [1], "one of each for every row"),
        ([0, 1], [0, 1], None, "the rows have no queries"),
    ],
)
def test_bad_values_are_refused(
    y: list[float], p: list[float], query: list[int] | None, says: str
) -> None:
    ids = None if query is None else np.array(query, np.uint64)
    with pytest.raises(MillraceError, match=says):
        MEASURE.of(np.array(y), np.array(p, np.float64), ids)


def test_states_travel_and_hold_little() -> None:
    rows, _ = sample()
    scores = MEASURE.of(*rows)
    sent = pickle.dumps(scores)
    assert exactly(pickle.loads(sent)) == exactly(scores) and len(sent) < 8192
