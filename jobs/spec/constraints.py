"""Names of features in the job file, and constraints on them as LightGBM wants them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engine.errors import SpecError
from jobs.spec.explain import ExplainSpec
from jobs.spec.job import TrainSpec
from jobs.spec.problems import nearest

MONOTONE, INTERACTIONS = "train.monotone", "train.interactions"
"""Where they stand in the job file."""


def assert_known(spec: TrainSpec, features: Sequence[str]) -> None:
    """Refuse unknown names before anything runs, where all features are known by then.

    Args:
        spec: The section.
        features: Names of the features; one that ends in ``*`` stands for some that the fit names.

    Raises:
        SpecError: A name is none of the features.
    """
    if any(name.endswith("*") for name in features):
        return
    monotone(spec.monotone, features)
    interactions(spec.interactions, features)


def assert_explained(spec: ExplainSpec, features: Sequence[str]) -> None:
    """Refuse unknown names of features to explain, as `assert_known` does.

    Raises:
        SpecError: A name is none of the features.
    """
    if isinstance(spec.dependence, int) or any(name.endswith("*") for name in features):
        return
    for name in spec.dependence:
        _places(name, features, "explain.dependence")


def monotone(
    given: Mapping[str, int], features: Sequence[str], categorical: Collection[int] = ()
) -> tuple[int, ...]:
    """Return -1, 0 or 1 for each feature; nothing when there are no constraints.

    Args:
        given: Direction by name; a name may end with ``*``, the last one that fits counts.
        features: Names of the features in order.
        categorical: Positions of those whose values have no order.

    Raises:
        SpecError: A name is none of the features, or that of a category.
    """
    if not given:
        return ()
    found = [0] * len(features)
    for name, direction in given.items():
        for place in _places(name, features, MONOTONE):
            if place in categorical:
                what = f"feature {features[place]!r} is a category: its codes have no order"
                raise SpecError(what, where=f"{MONOTONE}.{name}", hint="leave it out")
            found[place] = direction
    return tuple(found)


def interactions(
    given: Sequence[Sequence[str]], features: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Return groups of positions of features.

    Args:
        given: Groups of names; a name may end with ``*``.
        features: Names of the features in order.

    Raises:
        SpecError: A name is none of the features.
    """
    return tuple(
        tuple(dict.fromkeys(p for name in group for p in _places(name, features, INTERACTIONS)))
        for group in given
    )


def _places(name: str, features: Sequence[str], where: str) -> list[int]:
    if name.endswith("*"):
        found = [i for i, feature in enumerate(features) if feature.startswith(name[:-1])]
    else:
        found = [i for i, feature in enumerate(features) if feature == name]
    if not found:
        hint = nearest(name, features).removeprefix("; ")
        raise SpecError(f"there is no feature {name!r}", where=where, hint=hint)
    return found
