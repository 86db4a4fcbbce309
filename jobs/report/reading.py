"""Values out of a bundle of any age: what has another shape than expected counts as absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Json = Any
"""What a JSON file may hold."""


def mapping(value: Json) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Json) -> Sequence[Any]:
    """Return a JSON array; an empty one for anything else."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def number(value: Json) -> float | None:
    """Return a number that is not NaN; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return value


def values(value: Json) -> dict[str, float]:
    """Return the numbers of an object by name; null is NaN, all else is left out."""
    return {
        name: math.nan if one is None else one
        for name, one in mapping(value).items()
        if one is None or (isinstance(one, int | float) and not isinstance(one, bool))
    }


def line(value: Json) -> list[float]:
    """Return an array of numbers; an empty one where it holds anything else."""
    found = sequence(value)
    return list(found) if all(number(one) is not None for one in found) else []


def pair(value: Json, *names: str) -> tuple[list[float], list[float]] | None:
    """Return two arrays of numbers that are equally long; None where they are not there.

    Args:
        value: An array of both, or an object.
        *names: Of the two in the object.
    """
    found = mapping(value)
    both: Sequence[Any] = [found.get(name) for name in names] if found else sequence(value)
    if len(both) != 2:
        return None
    one, two = line(both[0]), line(both[1])
    return (one, two) if one and len(one) == len(two) else None


def bounds(value: Json) -> tuple[float, float] | None:
    """Return the two ends of an interval; None where they are not there."""
    ends = line(value)
    return (ends[0], ends[1]) if len(ends) == 2 else None


def texts(value: Json) -> list[str]:
    """Return an array of texts; other things in it are left out."""
    return [one for one in sequence(value) if isinstance(one, str)]
