"""The user's parameters of a scikit-learn estimator, held against its class first."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from engine.errors import SpecError
from engine.learners.estimator import Estimator
from engine.models.skops_files import installed, lacking

WHERE = "train.params"


def class_of(path: str) -> Any:
    """Return a class by its import path.

    Raises:
        SpecError: scikit-learn or skops is not installed.
    """
    if not installed():
        raise lacking("train.estimator")
    module, _, name = path.partition(":")
    try:
        import_module("skops.io")
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise lacking("train.estimator") from error


def made(path: str, params: Mapping[str, Any], seed: int) -> Any:
    """Return an estimator that has learned nothing yet.

    Args:
        path: Import path of its class.
        params: Its parameters, `check`ed.
        seed: What it draws from, if it draws.
    """
    kind = class_of(path)
    drawn = {"random_state": seed} if "random_state" in _known(kind) else {}
    return kind(**dict(params), **drawn)


def check(estimator: Estimator, params: Mapping[str, Any], why: str) -> None:
    """Refuse parameters that the class does not have, that we set, or whose values cannot be.

    Args:
        estimator: Whose they are.
        params: The user's, ours taken out.
        why: What is said of a parameter that we set.

    Raises:
        SpecError: One is wrong, or scikit-learn is not installed.
    """
    known = _known(class_of(estimator.path))
    for name in params:
        if name in estimator.fixed:
            raise SpecError(
                f"{name!r} of {estimator.name} cannot be given: {why}",
                where=f"{WHERE}.{name}",
                hint="leave it out",
            )
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise SpecError(
                f"{estimator.name} has no parameter {name!r}",
                where=f"{WHERE}.{name}",
                hint=f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(known))}",
            )
    try:
        made(estimator.path, params, 0)._validate_params()
    except ValueError as error:  # scikit-learn's own words name the parameter and its range
        raise SpecError(f"{estimator.name}: {error}", where=WHERE) from error


def takes_weights(path: str, method: str) -> bool:
    """Tell whether ``fit`` or ``partial_fit`` of a class takes weights of rows."""
    return "sample_weight" in inspect.signature(getattr(class_of(path), method)).parameters


def refuse_weights(estimator: Estimator, method: str) -> None:
    """Refuse weights of an estimator that has no place for them.

    Raises:
        SpecError: It takes none.
    """
    if not takes_weights(estimator.path, method):
        raise SpecError(
            f"{estimator.name} takes no weights of rows",
            where="train.weight / train.class_weight",
            hint="leave them out, or choose another estimator, such as sklearn.SGDClassifier",
        )


def _known(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)
