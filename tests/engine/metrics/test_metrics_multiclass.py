"""Scores of several classes against scikit-learn; merging is exact; the edges."""

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
from engine.metrics import BINS, Measure, MulticlassScores
from engine.metrics.reliability import expected_error
from tests.engine.metrics.states import bits, merged

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
K = 4


@st.composite
def labelled(draw: st.DrawFn) -> Pair:
    n = draw(st.integers(0, 40))
    y = draw(hnp.arrays(np.float32, n, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0])))
    # Few values, so that ties for the most probable class are common.
    unit = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])
    return y, draw(hnp.arrays(np.float64, (n, K), elements=unit))


def sample(n: int, classes: int = K) -> Pair:
    random = np.random.default_rng(11)
    p = random.dirichlet(np.full(classes, 0.7), n)
    y = np.array([random.choice(classes, p=row) for row in p], np.float32)
    return y, p


def state(scores: MulticlassScores) -> bytes:
    """Every number that the scores hold, to the last bit."""
    return bits(scores).encode()


@settings(deadline=None)
@given(labelled(), st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_split_and_order_leave_no_trace(data: Pair, cuts: list[int], backwards: bool) -> None:
    y, p = data
    pieces = np.split(np.arange(len(y)), sorted(cuts))
    scores = MulticlassScores.empty(K)
    for piece in reversed(pieces) if backwards else pieces:
        scores = scores.merge(MulticlassScores.of(y[piece], p[piece], K))
    assert state(scores) == state(MulticlassScores.of(y, p, K))


@pytest.mark.parametrize("size", [13, 997])
def test_large_blocks_split_anywhere_are_the_same_bits(size: int) -> None:
    y, p = sample(3000)
    scores = MulticlassScores.empty(K)
    for start in range(0, 3000, size):
        block = slice(start, start + size)
        scores = scores.merge(MulticlassScores.of(y[block], p[block], K))
    assert state(scores) == state(MulticlassScores.of(y, p, K))


@settings(deadline=None)
@given(labelled())
def test_results_of_few_rows_are_those_of_scikit_learn(data: Pair) -> None:
    y, p = data
    if not len(y):
        return
    results, predicted = MulticlassScores.of(y, p, K).results(), p.argmax(axis=1)
    assert results["accuracy"] == reference.accuracy_score(y, predicted)
    recall = [(predicted[y == k] == k).mean() for k in np.unique(y)]
    assert results["balanced_accuracy"] == pytest.approx(np.mean(recall), rel=1e-14)
    f1 = reference.f1_score(y, predicted, average="macro", zero_division=0)
    assert results["f1_macro"] == pytest.approx(f1, rel=1e-14)


def test_results_of_many_rows_are_those_of_scikit_learn() -> None:
    y, p = sample(3000)
    scores = MulticlassScores.of(y, p, K)
    results, predicted = scores.results(), p.argmax(axis=1)
    assert results["log_loss"] == pytest.approx(reference.log_loss(y, p), rel=1e-12)
    balanced = reference.balanced_accuracy_score(y, predicted)
    assert results["balanced_accuracy"] == pytest.approx(balanced, rel=1e-14)
    assert (scores.confusion == reference.confusion_matrix(y, predicted)).all()


def test_results_are_those_of_lightgbm() -> None:
    import lightgbm

    random = np.random.default_rng(3)
    x = random.normal(size=(600, 3))
    y = (x[:, 0] > 0) + 2.0 * (x[:, 1] + random.normal(size=600) > 0)
    told: dict[str, Any] = {}
    rows = lightgbm.Dataset(x, y)
    names = ["multi_logloss", "multi_error"]
    params = {"objective": "multiclass", "num_class": K, "metric": names, "verbosity": -1}
    hear = lightgbm.record_evaluation(told)
    model = lightgbm.train(params, rows, 4, valid_sets=[rows], valid_names=["v"], callbacks=[hear])
    results = Measure("multiclass", K).of(y, model.predict(x)).results()
    assert results["log_loss"] == pytest.approx(told["v"]["multi_logloss"][-1], rel=1e-9)
    assert 1 - results["accuracy"] == pytest.approx(told["v"]["multi_error"][-1], rel=1e-9)


def test_what_a_report_draws_is_bounded() -> None:
    few, many = MulticlassScores.of(*sample(50), K), MulticlassScores.of(*sample(50, 21), 21)
    assert few.curves()["confusion"] == few.confusion.tolist()
    assert set(many.curves()) == {"by_class", "decided_by_class", "confidence"}
    rows, predicted, right = np.array(many.curves()["by_class"]).T
    assert rows.sum() == predicted.sum() == 50
    assert right.sum() == many.results()["accuracy"] * 50


def test_without_rows_there_is_nothing_to_tell() -> None:
    results = Measure("multiclass", K).empty().results()
    assert results.pop("rows") == 0
    assert len(results) == 14 and all(np.isnan(value) for value in results.values())


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([0, 4], [[1, 0, 0, 0]] * 2, "1 of 2 labels are no codes of classes from 0 to 3"),
        ([0, 0.5, -1], [[1, 0, 0, 0]] * 3, "2 of 3 labels are no codes"),
        ([0, np.nan], [[1, 0, 0, 0]] * 2, "1 of 2 labels are NaN"),
        ([0, 1], [[1, 0, 0, 0], [np.nan, np.nan, 0, 0]], "1 of 2 scores are NaN"),
        ([0, 1], [[1, 0, 0, 0], [3, -2, 0, 0]], "1 of 2 predictions are not probabilities"),
        ([0, 1], [[1, 0], [0, 1]], "predictions"),
        ([0, 1], [1, 0], "predictions"),
    ],
)
def test_bad_values_are_refused_with_the_count(y: list[float], p: list[Any], says: str) -> None:
    with pytest.raises(MillraceError, match=says):
        MulticlassScores.of(np.array(y), np.array(p, np.float64), K)


def test_states_travel() -> None:
    scores = MulticlassScores.of(*sample(100), K)
    assert state(pickle.loads(pickle.dumps(scores))) == state(scores)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(2, 6), st.integers(0, 99), st.lists(st.integers(0, 300)))
def test_the_top_label_error_is_that_of_the_rows(
    rows: int, classes: int, seed: int, cuts: list[int]
) -> None:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(classes, 0.5), rows).astype(np.float32)
    y = random.integers(0, classes, rows)
    scores = merged(Measure("multiclass", classes).of, (y, p), cuts, seed)
    top, right = p.max(axis=1), p.argmax(axis=1) == y
    place = np.minimum((top * BINS).astype(int), BINS - 1)
    expected = sum(
        abs(top[here].astype(np.float64).sum() - right[here].sum()) / rows
        for here in (place == bin for bin in range(BINS))
    )
    found = expected_error(scores.curves()["confidence"])
    assert found == pytest.approx(expected, abs=2**-24)  # probabilities are added in units of it
