"""Intervals against their formulas, against a bootstrap of rows, and by how often they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.exact import ExactSum
from engine.metrics import CustomMetric, Measure, ScoreHistogram
from engine.metrics.confidence import bootstrap, delong, of_mean, of_root, quantile, wilson
from tests.engine.metrics.states import merged

Block = tuple[npt.NDArray[Any], ...]


def two(n: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    p = random.beta(0.6, 2.5, n).astype(np.float32)
    return random.random(n) < p**1.2, p


def several(n: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(4, 0.6), n)
    return (p.cumsum(axis=1) < random.random((n, 1))).sum(axis=1).clip(0, 3), p


def numbers(n: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return np.exp(0.5 * x + 0.3 * random.normal(size=n)), np.exp(0.45 * x + 0.05)


def queries(n: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    query = np.repeat(np.arange(n // 5, dtype=np.uint64), 5)
    y = random.integers(0, 3, len(query)).astype(np.float64)
    return y, y + random.normal(size=len(query)), query


KINDS = [
    (Measure("binary"), two),
    (Measure("multiclass", 4), several),
    (Measure("regression", objective="quantile", metric="quantile"), numbers),
    (Measure("ranking"), queries),
]


@settings(deadline=None)
@given(st.integers(1, 500), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(trials: int, data: st.DataObject, level: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = stats.binomtest(successes, trials).proportion_ci(level, "wilson")
    assert wilson(successes, trials, level) == pytest.approx(tuple(expected), abs=1e-12)


def test_means_have_their_normal_interval() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=500)
    low, high = of_mean(*ExactSum.of_both(values), 500, 0.9)
    reach = stats.norm.ppf(0.95) * values.std(ddof=1) / np.sqrt(500)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=1e-15)
    assert high - low == pytest.approx(2 * reach, rel=1e-6)
    assert np.isnan(of_mean(ExactSum(), ExactSum(), 1)).all()
    assert of_root(*ExactSum.of_both(np.zeros(9)), 9) == (0.0, 0.0)


@pytest.mark.parametrize("places", [1, 6])
def test_delong_is_its_definition(places: int) -> None:
    """Over all pairs of rows, ties half: DeLong and others 1988, equations 3 to 5."""
    y, p = two(400, 3)
    p = p.round(places)
    above = (p[y][:, None] > p[~y]) + 0.5 * (p[y][:, None] == p[~y])
    auc = above.mean()
    spread = above.mean(axis=1).var(ddof=1) / y.sum() + above.mean(axis=0).var(ddof=1) / (~y).sum()
    odds, reach = np.log(auc / (1 - auc)), quantile(0.95) * np.sqrt(spread) / (auc * (1 - auc))
    expected = [1 / (1 + np.exp(-odds - sign * reach)) for sign in (-1, 1)]
    assert delong(ScoreHistogram.of(y, p)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("measure", "law"), KINDS)
def test_intervals_are_of_metrics_and_hold_what_was_seen(measure: Measure, law: Any) -> None:
    scores = measure.of(*law(1000, 1))
    results, intervals = scores.results(), scores.intervals()
    assert len(intervals) >= 5 and set(intervals) <= set(results)
    for name, (low, high) in intervals.items():
        assert low < results[name] < high, name
        wide = scores.intervals(0.999)[name]
        assert wide[0] < low and high < wide[1], name


@pytest.mark.parametrize(("measure", "law"), KINDS)
def test_intervals_are_the_same_for_any_partitioning(measure: Measure, law: Any) -> None:
    data = law(1000, 2)
    order = None if measure.task == "ranking" else 5  # its parts merge in the order of the rows
    parts = merged(measure.of, data, [1, 40, 41, 700], order)
    assert parts.intervals() == measure.of(*data).intervals()


@pytest.mark.parametrize(("measure", "law"), KINDS[:3])
def test_intervals_are_those_of_a_bootstrap_of_rows(measure: Measure, law: Any) -> None:
    """Their widths; a bootstrap of 300 draws is itself off by a twentieth."""
    y, p = law(2000, 3)
    random = np.random.default_rng(0)
    drawn = [measure.of(y[k], p[k]).results() for k in random.integers(0, 2000, (300, 2000))]
    for name, (low, high) in measure.of(y, p).intervals().items():
        seen = np.quantile([results[name] for results in drawn], [0.025, 0.975])
        assert (high - low) / (seen[1] - seen[0]) == pytest.approx(1, abs=0.25), name


@pytest.mark.long
@pytest.mark.parametrize(("measure", "law"), KINDS[:3])
def test_intervals_hold_the_truth_as_often_as_they_say(measure: Measure, law: Any) -> None:
    """95 % of 200 samples, give or take 3.5 standard errors of that share (1.5 %)."""
    truth = measure.of(*law(400_000, 99)).results()
    held: dict[str, list[bool]] = {}
    for seed in range(200):
        for name, (low, high) in measure.of(*law(1500, seed)).intervals().items():
            held.setdefault(name, []).append(low <= truth[name] <= high)
    for name, found in held.items():
        assert np.mean(found) >= 0.88, (name, np.mean(found))


def test_a_bootstrap_of_a_table_is_one_of_its_rows() -> None:
    """The share of one cell of two: its standard error is known."""

    def share(tables: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
        return {"share": tables[:, 0] / tables.sum(axis=1)}

    low, high = bootstrap(np.array([300, 700]), share)["share"]
    error = np.sqrt(0.3 * 0.7 / 1000)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.12)
    assert bootstrap(np.array([300, 700]), share)["share"] == (low, high)


@pytest.mark.parametrize("measure", [m for m, _ in KINDS])
def test_without_rows_there_is_no_confidence(measure: Measure) -> None:
    assert all(np.isnan(ends).all() for ends in measure.empty().intervals().values())


def test_few_rows_and_sure_scores() -> None:
    one = Measure("binary").of(np.array([1]), np.array([0.7])).intervals()
    assert np.isnan(one["auc"]).all() and np.isnan(one["log_loss"]).all()
    assert one["accuracy"][1] == 1.0 and 0 < one["accuracy"][0] < 0.5
    sure = Measure("binary").of(np.arange(6) > 2, np.arange(6) / 6).intervals()
    assert sure["auc"] == (1.0, 1.0)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, 95)


def test_custom_metrics_have_none() -> None:
    own = CustomMetric("own", lambda y, p: y, lambda sums, rows: 0.0)
    measure = Measure("regression", custom=(own,))
    assert "own" not in measure.of(*numbers(50, 0)).intervals()
