"""What scikit-learn asks of an estimator beside fit and predict: its arguments, copies, pickles."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

SEED = 42
"""Seed where none is given."""


class OpenParams(BaseEstimator):  # type: ignore[misc]
    """An estimator whose constructor takes parameters of a library beside arguments of its own.

    Attributes:
        client: Dask client to train on; None = the current one for a Dask frame or a data set, and
            this machine for rows in memory. Not copied, not pickled.
        scratch: Folder that workers and client see, where rows are kept during the fit; None = the
            temporary directory.
    """

    client: Any
    scratch: str | None
    _extra: dict[str, Any]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all arguments by name, the library's parameters too."""
        found: dict[str, Any] = super().get_params(deep=deep)
        return found | self._extra

    def set_params(self, **params: Any) -> Self:
        """Set arguments; what the constructor does not name is a parameter of the library."""
        own = self._own_params()
        for name, value in params.items():
            if name in own:
                setattr(self, name, value)
            else:
                self._extra = {**self._extra, name: value}
        return self

    def _own_params(self) -> dict[str, Any]:
        """Return the arguments that the constructor names."""
        found: dict[str, Any] = super().get_params(deep=False)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the client, which lives in one process only."""
        return {**super().__getstate__(), "client": None}

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same client."""
        made: Self = BaseEstimator.__sklearn_clone__(copy.copy(self))
        made.client = self.client
        return made

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks: missing values are fine, sparse matrices are not taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        tags.target_tags.required = True
        return tags


def seed(state: Any) -> int:
    """Return the seed of everything that is drawn.

    Args:
        state: A seed, a generator of NumPy that is asked for one, or None.
    """
    if state is None:
        return SEED
    if isinstance(state, np.random.RandomState):
        return int(state.randint(np.iinfo(np.int32).max))
    if isinstance(state, np.random.Generator):
        return int(state.integers(np.iinfo(np.int32).max))
    return int(state)
