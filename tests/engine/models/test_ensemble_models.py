"""Ensembles as files and back, and the weights that combine members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from engine.calibration import Sigmoid
from engine.learners.estimator import Task
from engine.learners.members.pooling import pooled, voting
from engine.models.calibrated import Calibrated
from engine.models.ensemble import Ensemble, Members, columns
from engine.models.narrow import Narrow
from engine.models.pooled import Pooled
from engine.models.stored import kept, restored


def _rows(rows: int = 4_000) -> tuple[Any, Any, Any]:
    """Return log-odds, what three members say of them (one of them noise), and labels."""
    random = np.random.default_rng(3)
    odds = random.normal(size=rows) * 2
    said = np.column_stack(
        [
            expit(odds + random.normal(size=rows)),
            expit(0.5 * odds + random.normal(size=rows)),
            random.uniform(size=rows),
        ]
    )
    y = (random.uniform(size=rows) < expit(odds)).astype(np.float64)
    return odds, said.astype(np.float32), y


def test_weights_of_probabilities_are_those_of_a_logistic_regression() -> None:
    _, said, y = _rows()
    found = pooled("binary", 0, 3, said, y, np.ones(len(y)))
    odds = np.log(said) - np.log1p(-said)
    wanted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(odds, y)
    assert min(wanted.coef_[0, :2]) > 0
    assert found.weights[:2] == pytest.approx(wanted.coef_[0, :2], abs=0.02)
    assert found.weights[2] == pytest.approx(max(0.0, wanted.coef_[0, 2]), abs=0.02)
    assert found.intercept == pytest.approx(wanted.intercept_, abs=0.02)
    losses = [log_loss(y, said[:, place].astype(float)) for place in range(3)]
    assert log_loss(y, found.predict(said)) < min(losses)


def test_weights_of_numbers_are_never_negative() -> None:
    odds, _, _ = _rows()
    random = np.random.default_rng(1)
    harm = random.normal(size=len(odds))
    said = np.column_stack([odds + random.normal(size=len(odds)), harm, odds * 2]).astype("f4")
    weight = random.uniform(0.5, 2, len(odds))
    found = pooled("regression", 0, 3, said, odds + 1 - 0.5 * harm, weight)
    assert min(found.weights) >= 0
    assert found.weights == pytest.approx((0, 0, 0.5), abs=0.02)
    assert found.intercept[0] == pytest.approx(1, abs=0.03)


def test_members_that_are_the_same_share_their_weight() -> None:
    odds, _, _ = _rows()
    said = np.column_stack([odds, odds]).astype("f4")
    found = pooled("regression", 0, 2, said, odds * 1.0, np.ones(len(odds)))
    assert found.weights == pytest.approx((0.5, 0.5), abs=0.01)


def test_several_classes_are_combined_by_logarithms() -> None:
    random = np.random.default_rng(2)
    scores = random.normal(size=(5_000, 3)) * 2
    truth = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    y = (random.uniform(size=(5_000, 1)) > truth.cumsum(axis=1)).sum(axis=1).astype(float)
    flat = truth**0.5 / (truth**0.5).sum(axis=1, keepdims=True)
    noise = random.dirichlet([1, 1, 1], 5_000)
    said = np.column_stack([flat, noise]).astype("f4")
    found = pooled("multiclass", 3, 2, said, y, np.ones(5_000))
    assert found.weights == pytest.approx((2, 0), abs=0.15)
    p = found.predict(said)
    assert p.shape == (5_000, 3) and p.sum(axis=1) == pytest.approx(np.ones(5_000))
    assert log_loss(y, p) < log_loss(y, flat)


@pytest.mark.parametrize(("task", "classes"), [("binary", 0), ("multiclass", 3)])
def test_few_rows_without_an_error_do_not_make_weights_without_a_bound(
    task: Task, classes: int
) -> None:
    y = np.arange(60) % max(2, classes) * 1.0
    sure = np.where(np.eye(max(2, classes))[y.astype(int)] > 0, 0.9, 0.1 / max(1, classes - 1))
    said = np.tile(sure if classes else sure[:, 1:], 2).astype("f4")
    found = pooled(task, classes, 2, said, y, np.ones(60))
    p = found.predict(said)
    right = p[np.arange(60), y.astype(int)] if classes else np.where(y > 0, p, 1 - p)
    assert right.min() > 0.95 and right.max() < 0.999
    assert found.weights == pytest.approx((found.weights[0],) * 2, abs=1e-3)


@pytest.mark.parametrize("classes", [0, 3])
def test_voting_is_the_weighted_mean(classes: int) -> None:
    x = np.random.default_rng(1).uniform(size=(50, 2 * max(1, classes))).astype("f4")
    found = voting((3.0, 1.0), classes).predict(x)
    wanted = (3 * x.reshape(50, 2, -1)[:, 0] + x.reshape(50, 2, -1)[:, 1]).astype(float) / 4
    assert found == pytest.approx(wanted if classes else wanted[:, 0], rel=1e-6)


def test_an_ensemble_is_kept_as_files_and_read_back() -> None:
    _, said, y = _rows(200)
    one = Pooled("linear", (1.0, 0.0, 2.0), (0.1,))
    two = Pooled("mean", (0.2, 0.3, 0.5))
    final = pooled("binary", 0, 2, expit(said[:, :2]), y, np.ones(200))
    whole = Ensemble(Members({"a": one, "b-2": two}), final)
    files = kept(whole)
    assert set(files) == {
        *("model.json", "ensemble.json", "member.a.model.json", "member.a.pooled.json"),
        *("member.b-2.model.json", "member.b-2.pooled.json"),
        *("final.model.json", "final.pooled.json"),
    }
    again = restored({**files, "task.json": b"{}"})
    assert again == whole and again.width == 3
    assert np.array_equal(again.predict(said), whole.predict(said))
    assert restored(kept(whole.members)) == whole.members


def test_what_is_said_of_a_row_does_not_depend_on_the_others() -> None:
    _, said, _ = _rows(1_000)
    model = Ensemble(
        Members({"a": Pooled("linear", (1.0, 0.3, 2.0), (0.1,)), "b": Pooled("mean", (0.1,) * 3)}),
        Pooled("logit", (0.7, 0.4), (0.2,)),
    )
    whole = model.predict(said)
    pieces = np.concatenate([model.predict(said[a : a + 7]) for a in range(0, 1_000, 7)])
    assert np.array_equal(whole, pieces)


def test_members_of_columns_of_their_own_are_kept_with_their_calibration() -> None:
    """The second member is an ensemble itself: names of files must not meet."""
    _, said, _ = _rows(200)
    said = np.column_stack([said, said[:, :1]])
    one, two = Pooled("linear", (1.0, 2.0), (0.1,)), Pooled("mean", (0.5, 0.5))
    sharp = Calibrated(two, Sigmoid(2.0, 0.1))
    inner = Ensemble(Members({"a": sharp}), Pooled("linear", (1.0,), (0.5,)))
    whole = Ensemble(Members({"a": Narrow(one, 0, 2, 4), "b": Narrow(inner, 2, 2, 4)}), two)
    again = restored(kept(whole))
    assert again == whole and again.width == 4
    wanted = (
        one.predict(said[:, :2]) + sharp.calibration.apply(two.predict(said[:, 2:])) + 0.5
    ) / 2
    for order in ("C", "F"):
        found = again.predict(np.array(said, order=order))
        assert found == pytest.approx(wanted, rel=1e-6)


@dataclass(frozen=True)
class Constant:
    """Stands for a model of several classes."""

    kind: ClassVar[str] = "constant"
    said: tuple[float, ...]
    width: int = 1

    def predict(self, x: Any) -> Any:
        return np.tile(self.said, (len(x), 1))

    def files(self) -> dict[str, bytes]:
        return {}


def test_columns_of_members_stand_member_by_member() -> None:
    members = Members({"a": Constant((0.1, 0.9)), "b": Constant((0.4, 0.6))})
    assert members.predict(np.zeros((2, 1), "f4")).tolist() == [[0.1, 0.9, 0.4, 0.6]] * 2
    assert columns(("a", "b"), 2) == ("a_0", "a_1", "b_0", "b_1")
    assert columns(("a", "b"), 0) == ("a", "b")
