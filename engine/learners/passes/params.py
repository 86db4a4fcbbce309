"""What a user may say of dask-ml's estimators, checked before anything is read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from engine.errors import SpecError
from engine.learners.lesson import Assignment

WHERE = "train.params"


@dataclass(frozen=True)
class Option:
    """A parameter that may be given.

    Attributes:
        default: What it is when it is not.
        fits: Whether a value can be.
        says: What it has to be, in words.
        hint: What to do about another value; None: nothing more is to be said.
    """

    default: Any
    fits: Callable[[Any], bool]
    says: str
    hint: str | None = None


Options = Mapping[str, Option]


def whole(default: int | None, least: int = 1) -> Option:
    """Return an option that is a whole number."""
    return Option(
        default, lambda v: type(v) is int and v >= least, f"a whole number from {least} on"
    )


def above_zero(default: float) -> Option:
    """Return an option that is a number above 0."""
    return Option(default, lambda v: type(v) in (int, float) and v > 0, "a number above 0")


def flag(default: bool) -> Option:
    """Return an option that is true or false."""
    return Option(default, lambda v: isinstance(v, bool), "true or false")


def one_of(values: Iterable[str], hint: str | None = None) -> Option:
    """Return an option that is one of some words, the first unless it is given."""
    words = tuple(values)
    return Option(words[0], lambda v: v in words, f"one of {', '.join(words)}", hint)


def settings(assignment: Assignment, options: Options) -> dict[str, Any]:
    """Return the value of each option, as given or its default.

    Args:
        assignment: What is to be learned.
        options: What may be said of its estimator.

    Raises:
        SpecError: A parameter is unknown, is not looked at by dask-ml or set by millrace, or has a
            value that cannot be.
    """
    estimator = assignment.estimator
    own = list(inspect.signature(class_of(estimator.path)).parameters)
    for name, value in assignment.params.items():
        where = f"{WHERE}.{name}"
        if name in options:
            if not options[name].fits(value):
                what = f"it should be {options[name].says}, and is {value!r}"
                raise SpecError(what, where=where, hint=options[name].hint)
        elif name in own:
            what = f"{estimator.name} does not look at this parameter here, or millrace sets it"
            raise SpecError(what, where=where, hint=f"it takes {', '.join(options)}")
        else:
            unknown(estimator.name, name, options)
    return {name: assignment.params.get(name, one.default) for name, one in options.items()}


def unknown(owner: str, name: str, known: Iterable[str]) -> None:
    """Refuse a parameter that an estimator does not have.

    Raises:
        SpecError: Always.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names)}"
    raise SpecError(f"{owner} has no parameter {name!r}", where=f"{WHERE}.{name}", hint=hint)


def class_of(path: str) -> Any:
    """Return a class of dask-ml or scikit-learn.

    Args:
        path: ``package.module:Class``.

    Raises:
        SpecError: It is not installed.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise SpecError(
            f"this estimator needs the package {error.name}, which is not installed",
            where="train.estimator",
            hint="pip install 'millrace[dask-ml]'",
        ) from error
