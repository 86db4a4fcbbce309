"""States to the last bit, and parts of the data merged in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Block = Sequence[npt.NDArray[Any]]


def bits(state: Any) -> str:
    """Return every number that a state holds, exactly."""
    if is_dataclass(state):
        return "|".join(bits(getattr(state, field.name)) for field in fields(state))
    if isinstance(state, np.ndarray):
        return f"{state.dtype}{state.shape}{state.tobytes().hex()}"
    if isinstance(state, tuple | list):
        return "".join(map(bits, state))
    if isinstance(state, Mapping):
        return "".join(name + bits(value) for name, value in state.items())
    return repr(state)


def merged(
    of: Callable[..., Any], data: Block, cuts: Sequence[int], order: int | None = None
) -> Any:
    """Return the merged state of the parts between cuts, in an order drawn by a seed.

    Parts are merged two by two at random places: no order of merging is preferred.
    """
    pieces = np.split(np.arange(len(data[0])), sorted(cuts))
    states = [of(*(values[piece] for values in data)) for piece in pieces]
    random = np.random.default_rng(order)
    if order is not None:
        states = [states[i] for i in random.permutation(len(states))]
    while len(states) > 1:
        at = int(random.integers(len(states) - 1))
        states[at : at + 2] = [states[at].merge(states[at + 1])]
    return states[0]
