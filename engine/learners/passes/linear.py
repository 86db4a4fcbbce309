"""dask-ml's linear models: least squares, logistic and Poisson regression, by dask-glm's solvers.

What is minimised is scikit-learn's: the loss, summed over all rows, and ``1 / (2 C)`` times the
squares of the coefficients of the features as they are, the intercept left out. dask-glm scales
features first, and would shrink the coefficients of the scaled ones, and the intercept with them
(dask/dask-glm#65, dask/dask-ml#860, both open); `_penalty` takes that back. So
``dask_ml.LogisticRegression(C)`` is scikit-learn's ``LogisticRegression(C=C)``,
``LinearRegression(C)`` is ``Ridge(alpha=1 / (2 C))``, and ``PoissonRegression(C)`` is
``PoissonRegressor(alpha=1 / (C rows))``.

Of dask-glm's five solvers two are used. ``newton`` knows no penalty. ``gradient_descent`` and
``proximal_grad`` are off by 0.49 in Poisson coefficients, and hold the rows by `dask.persist`.
``admm``, dask-ml's default, depends on how the rows are cut into blocks: of 60,000 rows in 8 blocks
its intercept was off by 15 %, in 20 s, where ``lbfgs`` took 5 s and was off by 0.2 % (of 0.025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.errors import ContractRefused, SpecError, TrainingFailed
from engine.learners.lesson import Assignment
from engine.learners.passes import params
from engine.learners.passes.matrices import Floats
from engine.learners.passes.training import Fitted, Training
from engine.models.linear import Linear, Link

LBFGS, NEWTON = "lbfgs", "newton"

OPTIONS: Final[params.Options] = {
    "penalty": params.one_of(("l2", "none"), "dask-glm's l1 is right with no solver but admm"),
    "C": params.above_zero(1.0),
    "fit_intercept": params.flag(True),
    "solver": params.one_of((LBFGS, NEWTON), "dask-glm's other solvers are slow or wrong"),
    "max_iter": params.whole(100),
    "tol": params.above_zero(1e-4),
}

LINKS: Final[Mapping[str, Link]] = {
    "LinearRegression": "identity",
    "LogisticRegression": "logit",
    "PoissonRegression": "log",
}

LOOKS: Final = 2
"""Passes before Newton's first step: the first look, and what features are scaled with."""

COPIES: Final = 6
"""Blocks held by a task: rows, with an intercept, less the mean, scaled, and two of slack."""


def check(assignment: Assignment) -> None:
    """Refuse what dask-glm cannot do, or does wrong."""
    given = params.settings(assignment, OPTIONS)
    if given["solver"] == NEWTON and given["penalty"] != "none":
        raise SpecError(
            'dask-glm\'s "newton" leaves the penalty out',
            where=f"{params.WHERE}.solver",
            hint='add penalty = "none", or take solver = "lbfgs"',
        )


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read after the first look, in words."""
    given = params.settings(assignment, OPTIONS)
    scaled = "mean and deviation of each feature" + ", twice" * (given["penalty"] != "none")
    steps = "newton" if given["solver"] == NEWTON else "L-BFGS, mostly one pass each"
    return (scaled, f"at most {given['max_iter']} steps of {steps}")


def fit(training: Training) -> Fitted:
    """Fit a linear model.

    Raises:
        ContractRefused: The labels cannot be learned from.
        TrainingFailed: The solver ended with no numbers.
    """
    given = params.settings(training.assignment, OPTIONS)
    name = training.assignment.estimator.path.partition(":")[2]
    _assert_labels(training, LINKS[name])
    columns = training.varying
    if not given["fit_intercept"] and len(columns) < training.matrices.features:
        constant = sorted(set(training.columns) - set(columns))[0]
        raise ContractRefused(
            "a feature is the same number in all rows: it is an intercept",
            where=f"feature {training.matrices.source.features[constant]}",
            hint="drop it, or leave fit_intercept = true",
        )
    losses: list[tuple[float, float]] = []
    training.computing.heard.append(lambda results: _hear(results, losses))
    with training.computing.in_charge():
        estimator = _fitted(training, columns, given)
    coefficients = np.zeros(training.matrices.features)
    coefficients[list(columns)] = estimator.coef_
    intercept = float(estimator.intercept_)
    if not np.isfinite([*coefficients, intercept]).all():
        raise TrainingFailed(
            f"{training.assignment.estimator.name} ended with no numbers: its loss overflowed",
            hint="scale the features, or take a smaller C",
        )
    return Fitted(
        Linear(coefficients, intercept, LINKS[name]),
        tuple({"pass": float(number), "loss": loss} for number, (loss, _) in enumerate(losses)),
        _notes(given, losses, training.computing.passes),
        {"passes": training.computing.passes, "solver": given["solver"]},
    )


def _fitted(training: Training, columns: tuple[int, ...], given: Mapping[str, Any]) -> Any:
    arrays = training.arrays(columns)
    if not columns:
        raise ContractRefused(
            "every feature is the same number in all rows", hint="there is nothing to learn from"
        )
    penalty = None
    if given["penalty"] == "l2":
        scales = arrays.x.std(axis=0).compute()
        penalty = _penalty(np.append(1 / scales, 0.0) if given["fit_intercept"] else 1 / scales)
    own = {name: given[name] for name in ("C", "fit_intercept", "solver", "max_iter", "tol")}
    estimator = params.class_of(training.assignment.estimator.path)(**own, penalty=penalty)
    return estimator.fit(arrays.x, arrays.y)


def _penalty(weights: Floats) -> Any:
    """Return half the sum of squares of coefficients, each times a weight, as dask-glm asks for it.

    Args:
        weights: What makes coefficients of scaled features those of the features; 0 for none.
    """
    from dask_glm.regularizers import Regularizer

    class Unscaled(Regularizer):  # type: ignore[misc]
        """An L2 penalty of the coefficients of the features as they are."""

        name = "millrace"

        def f(self, beta: Any) -> Any:
            return ((beta * weights) ** 2).sum() / 2

        def gradient(self, beta: Any) -> Any:
            return beta * weights**2

    return Unscaled()


def _assert_labels(training: Training, link: Link) -> None:
    low, high = training.looked.labels
    if link == "log" and low < 0:
        raise ContractRefused(
            f"PoissonRegression learns counts, and a label is {low:g}",
            hint="leave such rows out with data.where, or take LinearRegression",
        )
    if link == "logit" and low == high:
        raise ContractRefused("all labels of the training rows are of one class")


def _hear(results: list[Any], losses: list[tuple[float, float]]) -> None:
    """Note loss and gradient of a look at the rows, which L-BFGS asks for together."""
    if len(results) == 2 and np.ndim(results[0]) == 0 and np.ndim(results[1]) == 1:
        losses.append((float(results[0]), float(np.abs(results[1]).max())))


def _notes(
    given: Mapping[str, Any], losses: list[tuple[float, float]], passes: int
) -> tuple[str, ...]:
    """Say where the solver may have ended too early.

    dask-glm throws away what SciPy tells of it. L-BFGS looks at the rows once before its first
    step, and at least once in each: no more looks than steps allowed, and it ended by itself.
    """
    if (
        given["solver"] == LBFGS
        and len(losses) > given["max_iter"]
        and losses[-1][1] > given["tol"]
    ):
        return (
            f"it may not have converged: after {passes} passes over the rows the gradient is still "
            f"{losses[-1][1]:.3g}; raise max_iter above {given['max_iter']}",
        )
    if given["solver"] == NEWTON and passes - LOOKS > given["max_iter"]:
        return (f"it may not have converged in {given['max_iter']} steps; raise max_iter",)
    return ()
