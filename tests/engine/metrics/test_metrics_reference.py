"""Every metric against scikit-learn's on whole data, from parts merged in any order."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ks_2samp
from sklearn import metrics as reference

from engine.metrics import Measure
from tests.engine.metrics.states import bits, merged

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]
K = 4
EXACT = 1e-12

CUTS = st.lists(st.integers(0, 60), max_size=5)
ORDER = st.one_of(st.none(), st.integers(0, 99))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """scikit-learn warns of what is not defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def probabilities(draw: st.DrawFn, shape: Any) -> npt.NDArray[Any]:
    """Scores of either width: any, few (ties), one, or extreme."""
    kind = draw(st.sampled_from([np.float32, np.float64]))
    few = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
    extreme = st.sampled_from([0.0, 1e-30, 1e-15, 1 - 2**-24, 1.0])
    unit = draw(st.sampled_from([st.floats(0, 1, width=32), few, st.just(0.3), extreme]))
    return draw(hnp.arrays(np.float64, shape, elements=unit)).astype(kind)


@st.composite
def binary(draw: st.DrawFn) -> Pair:
    n = draw(st.integers(1, 60))
    labels = draw(st.sampled_from([st.booleans(), st.just(True), st.just(False)]))
    return draw(hnp.arrays(np.bool_, n, elements=labels)), probabilities(draw, n)


@st.composite
def classes(draw: st.DrawFn) -> Pair:
    n = draw(st.integers(1, 60))
    codes = draw(st.sampled_from([st.integers(0, K - 1), st.sampled_from([1, 3]), st.just(2)]))
    return draw(hnp.arrays(np.int64, n, elements=codes)), probabilities(draw, (n, K))


@st.composite
def numbers(draw: st.DrawFn) -> Pair:
    n, size = draw(st.integers(2, 60)), draw(st.sampled_from([1.0, 1e-6, 1e9]))
    unit = draw(st.sampled_from([st.floats(-1, 1), st.floats(0, 1), st.sampled_from([0.0, 1.0])]))
    values = hnp.arrays(np.float64, n, elements=unit.map(lambda value: value * size))
    return draw(values), draw(values)


def same(found: float, expected: float) -> bool:
    return found == pytest.approx(expected, rel=EXACT, abs=EXACT, nan_ok=True)


@settings(deadline=None)
@given(binary(), CUTS, ORDER, st.sampled_from([0.5, 0.1, 0.9]), st.sampled_from([0.5, 2.0]))
def test_two_classes(
    data: Pair, cuts: list[int], order: int | None, threshold: float, beta: float
) -> None:
    measure, (y, p) = Measure("binary", threshold=threshold, beta=beta), data
    scores = merged(measure.of, data, cuts, order)
    assert bits(scores) == bits(measure.of(y, p))
    results, called, wide = scores.results(), p > threshold, p.astype(np.float64)
    single, ranked = len(set(y.tolist())) < 2, p.astype(np.float32)
    clipped = np.maximum(np.stack([1 - wide, wide], axis=1), 1e-15)

    assert same(results["accuracy"], reference.accuracy_score(y, called))
    recalls = [(called[y == label] == label).mean() for label in np.unique(y)]
    assert same(results["balanced_accuracy"], float(np.mean(recalls)))
    if called.any():
        assert same(results["precision"], reference.precision_score(y, called))
    else:
        assert np.isnan(results["precision"])
    if y.any() or called.any():
        assert same(results["f1"], reference.f1_score(y, called))
        assert same(results["f_beta"], reference.fbeta_score(y, called, beta=beta))
    assert same(results["recall"], reference.recall_score(y, called)) or not y.any()
    assert same(results["kappa"], reference.cohen_kappa_score(y, called))
    assert same(results["brier"], reference.brier_score_loss(y, wide, pos_label=True))
    assert same(results["log_loss"], reference.log_loss(y, clipped, labels=[False, True]))
    assert (
        np.isnan(results["mcc"])
        if single
        else same(results["mcc"], reference.matthews_corrcoef(y, called))
    )
    if not y.any():
        assert np.isnan(results["average_precision"]) and np.isnan(results["recall"])
    else:
        expected = reference.average_precision_score(y, ranked)
        assert same(results["average_precision"], expected)
    if single:
        assert np.isnan(results["auc"]) and np.isnan(results["ks"])
    else:
        assert same(results["balanced_accuracy"], reference.balanced_accuracy_score(y, called))
        assert same(results["auc"], reference.roc_auc_score(y, ranked))
        assert same(results["ks"], ks_2samp(ranked[y], ranked[~y], method="asymp").statistic)
    assert results["auc_error"] == results["average_precision_error"] == 0


@settings(deadline=None)
@given(classes(), CUTS, ORDER, st.sampled_from([0.5, 2.0]))
def test_several_classes(data: Pair, cuts: list[int], order: int | None, beta: float) -> None:
    measure, (y, p) = Measure("multiclass", K, beta=beta), data
    scores = merged(measure.of, data, cuts, order)
    assert bits(scores) == bits(measure.of(y, p))
    results, given = scores.results(), p.argmax(axis=1)
    for way in ("macro", "weighted"):
        precision, recall, f_beta, _ = reference.precision_recall_fscore_support(
            y, given, average=way, beta=beta, zero_division=0
        )
        assert same(results[f"precision_{way}"], precision)
        assert same(results[f"recall_{way}"], recall)
        assert same(results[f"f_beta_{way}"], f_beta)
        f1 = reference.f1_score(y, given, average=way, zero_division=0)
        assert same(results[f"f1_{way}"], f1)
    # What the docstring says of micro averages.
    micro = reference.fbeta_score(y, given, average="micro", beta=beta)
    assert same(results["accuracy"], micro)
    assert same(results["balanced_accuracy"], reference.balanced_accuracy_score(y, given))
    assert same(results["kappa"], reference.cohen_kappa_score(y, given))
    several = len(set(y.tolist())) > 1
    assert not several or same(results["mcc"], reference.matthews_corrcoef(y, given))
    hot = np.eye(K)[y]
    assert same(results["brier"], float(((p - hot) ** 2).sum(axis=1).mean()))
    aucs = [
        reference.roc_auc_score(y == code, p[:, code].astype(np.float32))
        for code in range(K)
        if 0 < (y == code).sum() < len(y)
    ]
    assert same(results["auc_macro"], float(np.mean(aucs)) if aucs else float("nan"))


def test_several_classes_of_many_rows() -> None:
    random = np.random.default_rng(3)
    p = random.dirichlet(np.full(K, 0.7), 3000)
    y = np.array([random.choice(K, p=row) for row in p])
    results = merged(Measure("multiclass", K).of, (y, p), [1, 900, 901, 2500], 7).results()
    ranked = p.astype(np.float32)
    auc = reference.roc_auc_score(y, ranked, multi_class="ovr", average="macro")
    assert same(results["auc_macro"], auc)
    assert same(results["brier"], reference.brier_score_loss(y, p))
    assert same(results["log_loss"], reference.log_loss(y, p))
    assert same(results["mcc"], reference.matthews_corrcoef(y, p.argmax(axis=1)))


@settings(deadline=None)
@given(numbers(), CUTS, ORDER)
def test_numbers(data: Pair, cuts: list[int], order: int | None) -> None:
    measure, (y, p) = Measure("regression", metric="relative_error"), data
    scores = merged(measure.of, data, cuts, order)
    assert bits(scores) == bits(measure.of(y, p))
    results = scores.results()
    assert same(results["mae"], reference.mean_absolute_error(y, p))
    assert same(results["rmse"], reference.root_mean_squared_error(y, p))
    assert same(results["max_error"], reference.max_error(y, p))
    assert same(results["relative_error"], reference.mean_absolute_percentage_error(y, p))
    if (y > -1).all() and (p > -1).all():
        assert same(results["rmsle"], reference.root_mean_squared_log_error(y, p))
    else:
        assert np.isnan(results["rmsle"])
    if np.ptp(y) == 0:
        assert np.isnan(results["r2"]) and np.isnan(results["explained_variance"])
    elif np.std(y) > 1e-2 * np.abs(y).max():  # scikit-learn's own rounding is small enough
        assert same(1 - results["r2"], 1 - reference.r2_score(y, p))
        explained = reference.explained_variance_score(y, p)
        assert same(1 - results["explained_variance"], 1 - explained)


@pytest.mark.parametrize(
    ("objective", "power"), [("regression", 0), ("poisson", 1), ("tweedie", 1.3), ("gamma", 2)]
)
@settings(deadline=None, max_examples=40)
@given(data=numbers(), cuts=CUTS, order=ORDER, alpha=st.sampled_from([0.1, 0.5, 0.9]))
def test_losses(
    objective: str, power: float, data: Pair, cuts: list[int], order: int | None, alpha: float
) -> None:
    low = 1e-3 if power else 0.0
    y, p = (np.abs(values) + low for values in data)
    if power == 1:
        y = np.rint(y)
    params = {"tweedie_variance_power": power, "alpha": alpha}
    expected = {
        "deviance": reference.mean_tweedie_deviance(y, p, power=power),
        "quantile": reference.mean_pinball_loss(y, p, alpha=alpha),
    }
    for metric, value in expected.items():
        measure = Measure("regression", objective=objective, params=params, metric=metric)
        scores = merged(measure.of, (y, p), cuts, order)
        assert bits(scores) == bits(measure.of(y, p))
        # The terms of a deviance cancel where a prediction is right: in both.
        assert scores.results()[metric] == pytest.approx(value, rel=EXACT, abs=1e-12 * y.max())


@settings(deadline=None)
@given(binary(), st.integers(1, 99))
def test_gain_and_lift_are_those_of_rows_in_order(data: Pair, percent: int) -> None:
    """Rows of one score count in part: the mean over all orders of them."""
    y, p = data
    results = Measure("binary", metric=f"lift@{percent}").of(y, p).results()
    if not y.any():
        assert np.isnan(results[f"gain@{percent}"])
        return
    ranked, share = p.astype(np.float32), np.empty(len(y))
    for score in np.unique(ranked):
        share[ranked == score] = y[ranked == score].mean()
    held = share[np.argsort(-ranked, kind="stable")]
    wanted = percent / 100 * len(y)
    rows = np.clip(wanted - np.arange(len(y)), 0, 1)
    expected = float(held @ rows / y.sum())
    assert same(results[f"gain@{percent}"], expected)
    assert same(results[f"lift@{percent}"], expected / (percent / 100))


@settings(deadline=None)
@given(binary(), st.sampled_from([1, 3, 8]))
def test_error_bounds_of_coarse_scores_hold(data: Pair, limit: int) -> None:
    y, p = data
    exact, coarse = (Measure("binary").of(y, p, limit=keys).results() for keys in (1000, limit))
    for name in ("auc", "average_precision"):
        if not np.isnan(exact[name]):
            off = abs(exact[name] - coarse[name])
            assert off <= coarse[f"{name}_error"] + EXACT


def test_curves_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    p = random.random(500).astype(np.float32).round(2)
    y = random.random(500) < p
    scores = Measure("binary").of(y, p)
    drawn = scores.curves()["ranked"]
    precision, recall, _ = reference.precision_recall_curve(y, p)
    known = dict(zip(np.round(recall, 12), np.round(precision, 12), strict=True))
    assert len(drawn["recall"]) > 50 and drawn["recall"][-1] == drawn["share"][-1] == 1
    for one, two in zip(drawn["recall"], drawn["precision"], strict=True):
        # Cuts with the same recall are many; scikit-learn's dict keeps one of them.
        assert round(one, 12) in known
        assert ((np.abs(precision - two) < EXACT) & (np.abs(recall - one) < EXACT)).any()
    assert scores.curves()["decided"] == reference.confusion_matrix(y, p > 0.5).tolist()


def test_large_blocks_cut_anywhere_are_the_same_bits() -> None:
    """Vectorised powers and logarithms must not depend on where in a block a row stands."""
    random = np.random.default_rng(4)
    n = 70_000
    y, p = np.exp(random.normal(size=(2, n)))
    cuts = sorted(random.integers(0, n, 12).tolist())
    for objective in ("tweedie", "poisson"):
        measure = Measure("regression", objective=objective, metric="deviance")
        assert bits(merged(measure.of, (y, p), cuts, 1)) == bits(measure.of(y, p))
    shares = random.dirichlet(np.ones(5), n).astype(np.float32)
    several, codes = Measure("multiclass", 5), random.integers(0, 5, n)
    whole = several.of(codes, np.asfortranarray(shares))
    assert bits(merged(several.of, (codes, shares), cuts, 1)) == bits(whole)
