"""dask-ml's Incremental: one pass in which block after block goes through ``partial_fit``.

The model goes from task to task; a block is read in the task that learns from it. (With dask-ml
alone all idle threads of the cluster would read blocks ahead, and hold them.) One pass is what
Incremental makes; ``sklearn.SGDClassifier`` makes several.
"""

from __future__ import annotations

import inspect
from typing import Any, Final

import numpy as np

from engine.errors import SpecError, TrainingFailed
from engine.learners.lesson import Assignment
from engine.learners.passes import params
from engine.learners.passes.training import Fitted, Training
from engine.models.linear import Linear, Link

KINDS: Final = {"binary": "SGDClassifier", "regression": "SGDRegressor"}
"""What can be named by task: linear models with a probability or a number."""

_SET: Final = frozenset({"random_state", "class_weight", "n_jobs", "verbose", "warm_start"})
_ALONE: Final = frozenset({"max_iter", "tol", "early_stopping", "validation_fraction"})
_NOT_LOOKED_AT: Final = _SET | _ALONE | {"n_iter_no_change", "average"}
"""Parameters that ``partial_fit`` does not look at, that millrace sets, or that change what the
coefficients are (``average``)."""

LOSSES: Final = ("log_loss", "modified_huber")
"""Losses of SGDClassifier that have probabilities (scikit-learn 1.7)."""

OPTIONS: Final[params.Options] = {
    "estimator": params.one_of(KINDS.values()),
    "shuffle_blocks": params.flag(True),
}

COPIES: Final = 4
"""Blocks held by a task: rows, a copy that scikit-learn may make, and two of slack."""


def check(assignment: Assignment) -> None:
    """Refuse what cannot be."""
    _made(assignment)


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read after the first look, in words."""
    return ("one block of rows after the other, each learned from once",)


def fit(training: Training) -> Fitted:
    """Learn from every block once.

    Raises:
        TrainingFailed: The coefficients have overflowed.
    """
    binary = training.assignment.task == "binary"
    arrays = training.arrays(training.columns)
    wrapper = _made(training.assignment)
    with training.computing.in_charge():
        wrapper.fit(arrays.x, arrays.y, **({"classes": [0, 1]} if binary else {}))
    own = wrapper.estimator_
    coefficients = np.asarray(own.coef_, float).ravel()
    intercept = float(np.ravel(own.intercept_)[0])
    if not np.isfinite([*coefficients, intercept]).all():
        raise TrainingFailed(
            f"{type(own).__name__} has overflowed", hint="scale the features first"
        )
    link: Link = "identity" if not binary else "logit" if own.loss == "log_loss" else "clipped"
    blocks = len(arrays.y.chunks[0])
    note = f"{type(own).__name__} saw every row once, in {blocks} blocks"
    return Fitted(Linear(coefficients, intercept, link), notes=(note,), told={"blocks": blocks})


def _made(assignment: Assignment) -> Any:
    """Return the wrapper around the estimator that was named.

    Raises:
        SpecError: It cannot be.
    """
    given = dict(assignment.params)
    wanted = KINDS[assignment.task]
    kind = params.class_of(f"sklearn.linear_model:{wanted}")
    known = [name for name in inspect.signature(kind).parameters if name not in _NOT_LOOKED_AT]
    own = {name: given.pop(name, option.default) for name, option in OPTIONS.items()}
    if own["estimator"] != wanted and "estimator" in assignment.params:
        raise SpecError(
            f"estimator = {own['estimator']!r} is not for the task {assignment.task}",
            where=f"{params.WHERE}.estimator",
            hint=f"take {wanted!r}, or another estimator than dask_ml.Incremental: docs/models.md",
        )
    if not isinstance(own["shuffle_blocks"], bool):
        raise SpecError("it should be true or false", where=f"{params.WHERE}.shuffle_blocks")
    for name in given:
        if name not in known:
            params.unknown(f"dask_ml.Incremental of {wanted}", name, [*OPTIONS, *known])
    if assignment.task == "binary" and given.setdefault("loss", LOSSES[0]) not in LOSSES:
        raise SpecError(
            f"loss = {given['loss']!r} has no probabilities",
            where=f"{params.WHERE}.loss",
            hint=f"take {' or '.join(LOSSES)}",
        )
    model = kind(**given, random_state=assignment.seed)
    try:
        model._validate_params()
    except ValueError as error:
        raise SpecError(str(error), where=params.WHERE) from error
    wrapper = params.class_of(assignment.estimator.path)
    return wrapper(model, shuffle_blocks=own["shuffle_blocks"], random_state=assignment.seed)
